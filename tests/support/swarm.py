"""Many processes of one agent that share a pool of money, and a count of what they really spent."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from decimal import Decimal

from tests.support.model_api import INPUT_TOKENS, ModelApi

from neurorail.client import Client

OUTPUT_TOKENS = 10_000
USD_A_CALL = (Decimal(INPUT_TOKENS) * Decimal("2.5") + OUTPUT_TOKENS * 10) / 1_000_000
"""Of gpt-4o: 2.50 USD a million input tokens, 10 USD a million output tokens."""

MANIFEST = """
neurorail_manifest: 1
name: swarm
version: "{version}"
default_mode: {mode}
pools:
  - id: swarm
    when: {{service: "{service}"}}
    key: [service]
    window: {{rolling: 1h}}
    limits: {{max_cost_usd: {usd}}}
estimates:
  default: {{tokens: 8_000, cost_usd: 0.05, tool_calls: 1, duration: 1m}}
"""

# One process imports everything once, then forks: fifty imports would take minutes.
PROGRAM = """
import os, sys
from openai import OpenAI
from neurorail.instrumentation import NeuroRailRefused, attempt, mission, shutdown
from neurorail.instrumentation.instrumentor import NeuroRailInstrumentor
from opentelemetry import trace

NeuroRailInstrumentor().instrument()
url, agents, calls = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

def work():
    client = OpenAI(base_url=url, api_key="k", max_retries=0)
    try:
        with mission("swarm"), attempt():
            for _ in range(calls):
                client.chat.completions.create(
                    model="gpt-4o", messages=[{"role": "user", "content": "more"}],
                    max_tokens=OUTPUT,
                )
    except NeuroRailRefused as error:
        return 0 if error.code == "NR-E002" else 3
    return 0

children = []
for _ in range(agents):
    child = os.fork()
    if child == 0:
        status = 4
        try:
            status = work()
            shutdown()
            trace.get_tracer_provider().shutdown()
        finally:
            os._exit(status)
    children.append(child)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
""".replace("OUTPUT", str(OUTPUT_TOKENS))


@dataclass(frozen=True, slots=True)
class Swarm:
    """What a swarm did."""

    agents: int
    calls: int
    spent_usd: Decimal
    seconds: float


def hold_pool(api: str, service: str, usd: Decimal, mode: str = "rail") -> None:
    """Activate a manifest with one pool for a service."""
    client = Client(api, timeout_s=60)
    version = f"1.{time.time_ns() // 1_000_000}"
    source = MANIFEST.format(version=version, service=service, usd=usd, mode=mode)
    base = "/api/governor/v1/manifests"
    client.post_json(base, {"source": source})
    client.post_json(f"{base}/{version}/shadow", {"reason": "a measurement"})
    client.post_json(f"{base}/{version}/activate", {"reason": "a measurement", "force": True})


def run_swarm(environment: dict[str, str], model: ModelApi, agents: int, calls: int) -> Swarm:
    """Let a swarm work until each of its agents is refused, or made so many calls.

    Raises:
        AssertionError: an agent ended for another reason.
    """
    model.output_tokens = OUTPUT_TOKENS
    before, began = len(model.requests), time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, f"{model.url}/v1", str(agents), str(calls)],
        env={"NEURORAIL_PROCESS_MISSION": "false", "PATH": os.defpath, **environment},
        check=False, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2_000:]
    made = len(model.requests) - before
    return Swarm(agents, made, USD_A_CALL * made, time.monotonic() - began)
