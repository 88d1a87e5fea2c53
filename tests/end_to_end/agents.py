"""Programs that use NeuroRail's agent side, each a process of its own, against a rail."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from tests.end_to_end.rail import Rail

ROOT = Path(__file__).resolve().parent.parent.parent
PATHS = [str(ROOT / part) for part in ("instrumentation", "rules", "collector", "api")]
AGENT_S = 150


def environment(rail: Rail, **more: str) -> dict[str, str]:
    """Variables for an agent of this rail, and no others of the machine's."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("NEURORAIL_", "OTEL_", "TRACEPARENT", "BAGGAGE"))
    }
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(PATHS),
        "OTEL_EXPORTER_OTLP_ENDPOINT": rail.server.otlp_http,
        "OTEL_SERVICE_NAME": "agent",
        "OTEL_BLRP_SCHEDULE_DELAY": "20",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        # A server of a busy machine is slow, not away.
        "OTEL_EXPORTER_OTLP_TIMEOUT": "60",
        "NEURORAIL_TIMEOUT_MS": "60000",
        "NEURORAIL_ENDPOINT": rail.server.api,
        "NO_PROXY": "127.0.0.1,localhost",
        **more,
    }


def start_agent(rail: Rail, program: str, **variables: str) -> subprocess.Popen[str]:
    """A program that runs; both its ends are pipes."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=environment(rail, **variables), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def run_agent(rail: Rail, program: str, **variables: str) -> list[str]:
    """What a program prints, line by line; it must end well and complain about nothing."""
    agent = start_agent(rail, program, **variables)
    try:
        out, complaints = agent.communicate(timeout=AGENT_S)
    finally:
        # Nothing is left of one that hangs: neither a process nor a pipe.
        agent.kill()
        agent.communicate()
    assert (agent.returncode, complaints) == (0, ""), complaints
    return out.split()


def states(tree: Any) -> dict[str, str]:
    """States of a mission's entities, by type, where each type is there once."""
    found = {"mission": tree["mission"]["state"]}
    found |= {entity["entity_type"]: entity["state"] for entity in tree["descendants"]}
    return found
