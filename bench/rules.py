"""What rules cost: the engine with the shipped manifest, and with a hundred rules, many missions.

Every observation is a finished model call of a running attempt; its mission, plan, job and attempt
were reported to have started before, and each attempt has had a call, so that no call that is
measured is the first one of its trace. Decoding and writing are not in the number.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Sequence

from bench.report import Report
from neurorail.collector.engine.worker import GC_THRESHOLD
from neurorail.rules.config import EngineConfig
from neurorail.rules.engine import Engine
from neurorail.rules.manifest.load import load
from neurorail.rules.manifest.model import Manifest
from neurorail.rules.observations import (
    Fields,
    Ids,
    Observation,
    SpanObserved,
    TransitionReported,
    Usage,
)

GOAL_TIMES = 1.5
FEW, MANY = 100, 10_000
CALLS = 20_000
ROUNDS = 3
RECORD = 250
"""Observations a record."""
BEGIN_UNIX_NANO = 1_790_000_000_000_000_000
STEP_NS = 1_000_000
PROVIDERS = ("openai", "anthropic", "mistral", "gcp.gemini", "aws.bedrock")
HEAD = "neurorail_manifest: 1\nname: bench\nversion: '1'\ndefault_mode: direct\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.rules", description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS)
    if not measure(parser.parse_args().calls).publish():
        sys.exit(1)


def measure(calls: int = CALLS) -> Report:
    """Measure both cases in turns, so that a busy moment meets both."""
    gc.set_threshold(*GC_THRESHOLD)  # As in the engine's own process.
    small, large = [], []
    for _ in range(ROUNDS):
        small.append(_run(None, FEW, calls))
        large.append(_run(hundred_rules(), MANY, calls))
    few, many = statistics.median(small), statistics.median(large)
    return Report(
        "rules",
        {
            "calls": calls,
            "shipped_per_s": round(1 / few),
            "hundred_rules_per_s": round(1 / many),
            "shipped_us": round(few * 1e6, 1),
            "hundred_rules_us": round(many * 1e6, 1),
            "times": round(many / few, 2),
        },
        {f"a call costs at most {GOAL_TIMES} × the small case": many <= GOAL_TIMES * few},
    )


def hundred_rules() -> Manifest:
    """A hundred rules of every kind; each call meets some of them."""
    modes = [
        f"- {{id: mode{n}, when: {{agent: agent-{n}}}, mode: rail, effect: warn}}"
        for n in range(30)
    ]
    budgets = [
        f"  - {{id: budget{n}, level: mission, when: {{tag.team: team-{n}}}, "
        f"limits: {{max_tokens: {10**9}}}}}"
        for n in range(20)
    ]
    pools = [
        f"- {{id: pool{n}, when: {{agent: agent-{n}}}, key: [model], window: {{calendar: day}}, "
        f"limits: {{max_tokens: {10**12}}}}}"
        for n in range(20)
    ]
    triggers = (
        "error_rate: {window: 1m, percent: 90}", "consecutive_failures: {count: 50}",
        "latency: {window: 1m, more_than: 1h}", "repeated_call: {count: 200, window: 1m}",
        "ping_pong: {rounds: 50, window: 1m}",
    )  # fmt: skip
    reflexes = [
        f"- {{id: reflex{n}, when: {{provider: {provider}}}, trigger: {{{trigger}}}, "
        "per: [model], actions: [suspend: {}]}"
        for n, (provider, trigger) in enumerate(
            (provider, trigger) for provider in (*PROVIDERS, "groq") for trigger in triggers
        )
    ]
    text = [HEAD, "mode_rules:\n", *_lines(modes), "budgets:\n  defaults:\n", *_lines(budgets)]
    text += ["pools:\n", *_lines(pools), "reflexes:\n", *_lines(reflexes)]
    return load("".join(text))


def _lines(items: Sequence[str]) -> list[str]:
    return [f"{item}\n" for item in items]


def _run(manifest: Manifest | None, missions: int, calls: int) -> float:
    """Seconds of the processor an observation: others may be at work."""
    engine = Engine(EngineConfig(entities_in_memory=1_000_000, traces_in_memory=1_000_000))
    if manifest is not None:
        engine.state.manifests["default"] = manifest
    now = BEGIN_UNIX_NANO
    for number in range(missions):
        now += STEP_NS
        engine.apply(now, "default", started(number, now))
    told = [finished_call(n, n % missions, now + n) for n in range(missions + calls)]
    for number in range(missions):
        now += STEP_NS
        engine.apply(now, "default", told[number : number + 1])
    seen = told[missions:]
    began = time.process_time()
    for at in range(0, calls, RECORD):
        now += STEP_NS
        engine.apply(now, "default", seen[at : at + RECORD])
    return (time.process_time() - began) / calls


def _ids(number: int) -> Ids:
    return (f"m_{number}", f"p_{number}", f"j_{number}", f"a_{number}", None)


def started(number: int, now: int) -> list[Observation]:
    """A mission, its plan, job and attempt begin."""
    ids = _ids(number)
    found: list[Observation] = []
    for level in range(4):
        chain: Ids = tuple(one if at <= level else None for at, one in enumerate(ids))
        fields = Fields(agent=f"agent-{number % 40}", tags=(("team", f"team-{number % 40}"),))
        found += [
            TransitionReported(level, chain, step, now, "log", fields=fields)
            for step in ("create", "enqueue", "start")
        ]
    return found


def finished_call(number: int, mission: int, now: int) -> SpanObserved:
    """A model call of a mission ended."""
    provider = PROVIDERS[number % len(PROVIDERS)]
    return SpanObserved(
        mission.to_bytes(16, "big"),
        number.to_bytes(8, "big"),
        b"",
        now - 10_000_000,
        now,
        _ids(mission),
        role="inference",
        error=number % 10 == 0,
        fields=Fields(provider=provider, model=f"model-{number % 7}"),
        usage=Usage("inference", provider, f"model-{number % 7}", input_tokens=100,
                    output_tokens=20, has_tokens=True),
        arguments=f"{number % 1_000:032x}",
    )  # fmt: skip


if __name__ == "__main__":
    main()
