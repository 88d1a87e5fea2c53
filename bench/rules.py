"""What rules cost: the engine with the shipped manifest, and with a hundred rules, many missions.

The observations are those of ordinary missions, of the shape that the other measurements send: the
four levels begin, a model and a tool are called, the four levels end. As one mission ends another
begins, so that as many are alive all the time. What a model call alone costs, which meets the most
rules, is told beside it: of missions that had one before. Decoding and writing are not in the
numbers.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

from bench.report import Report
from neurorail.collector.engine.garbage import GarbageWatch
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
LIVES = 4_000
CALLS = 20_000
ROUNDS = 3
RECORD = 250
"""Calls a record."""
BEGIN_UNIX_NANO = 1_790_000_000_000_000_000
STEP_NS = 1_000_000
PROVIDERS = ("openai", "anthropic", "mistral", "gcp.gemini", "aws.bedrock")
HEAD = "neurorail_manifest: 1\nname: bench\nversion: '1'\ndefault_mode: direct\n"
Records = Sequence[Sequence[Observation]]
Before = Callable[[int, int], Sequence[Observation]]
"""What a mission that is alive has said, by its number and the time."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.rules", description=__doc__)
    parser.add_argument("--missions", type=int, default=LIVES, help="ordinary missions to measure")
    parser.add_argument("--calls", type=int, default=CALLS, help="model calls to measure alone")
    arguments = parser.parse_args()
    if not measure(arguments.missions, arguments.calls).publish():
        sys.exit(1)


def measure(lives: int = LIVES, calls: int = CALLS) -> Report:
    """Measure both cases in turns, so that a busy moment meets both."""
    report = Report("rules", {"missions": lives, "calls": calls})
    few, many = _in_turns(_begins, partial(_lives, lives))
    call_few, call_many = _in_turns(_called, partial(_calls, calls))
    report.add(
        shipped_observations_per_s=round(1 / few),
        hundred_rules_observations_per_s=round(1 / many),
        shipped_us=round(few * 1e6, 1),
        hundred_rules_us=round(many * 1e6, 1),
        times=round(many / few, 2),
        call_shipped_us=round(call_few * 1e6, 1),
        call_hundred_rules_us=round(call_many * 1e6, 1),
        call_times=round(call_many / call_few, 2),
    )
    report.goal(
        f"an observation costs at most {GOAL_TIMES} × the small case", many <= GOAL_TIMES * few
    )
    return report


def _in_turns(before: Before, records: Callable[[int], Records]) -> tuple[float, float]:
    """Medians of the seconds an observation takes, in the small case and in the large one."""
    small, large = [], []
    for _ in range(ROUNDS):
        small.append(_run(None, FEW, before, records(FEW)))
        large.append(_run(hundred_rules(), MANY, before, records(MANY)))
    return statistics.median(small), statistics.median(large)


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


def _run(manifest: Manifest | None, missions: int, before: Before, records: Records) -> float:
    """Seconds of the processor an observation: others may be at work."""
    engine = Engine(EngineConfig(entities_in_memory=1_000_000, traces_in_memory=1_000_000))
    if manifest is not None:
        engine.state.manifests["default"] = manifest
    now = BEGIN_UNIX_NANO
    for number in range(missions):
        now += STEP_NS
        engine.apply(now, "default", before(number, now))
    garbage = GarbageWatch()  # As in the engine's own process.
    began = time.process_time()
    for record in records:
        now += STEP_NS
        engine.apply(now, "default", record)
        garbage.look()
    return (time.process_time() - began) / sum(len(record) for record in records)


def _calls(calls: int, missions: int) -> Records:
    """Model calls of missions that live on."""
    now = BEGIN_UNIX_NANO + missions * STEP_NS
    told = [finished_call(n, n % missions, now + n) for n in range(missions, missions + calls)]
    return [told[at : at + RECORD] for at in range(0, calls, RECORD)]


def _lives(lives: int, missions: int) -> Records:
    """The rest of one mission's life, and the beginning of another's, again and again."""
    begin = BEGIN_UNIX_NANO + missions * STEP_NS
    return [_turn(number, missions + number, begin + number * STEP_NS) for number in range(lives)]


def _turn(old: int, new: int, now: int) -> list[Observation]:
    calls = [finished_call(new, old, now), _finished_tool(new, old, now)]
    ends = [_ended(level, old, now) for level in (3, 2, 1, 0)]
    return [*calls, *ends, *_begins(new, now)]


def _begins(number: int, now: int) -> list[Observation]:
    return [_begun(level, number, now) for level in range(4)]


def _called(number: int, now: int) -> list[Observation]:
    return [*started(number, now), finished_call(number, number, now)]


def _ids(number: int) -> Ids:
    return (f"m_{number}", f"p_{number}", f"j_{number}", f"a_{number}", None)


def _chain(level: int, number: int) -> Ids:
    return tuple(one if at <= level else None for at, one in enumerate(_ids(number)))


def _fields(number: int) -> Fields:
    return Fields(agent=f"agent-{number % 40}", tags=(("team", f"team-{number % 40}"),))


def started(number: int, now: int) -> list[Observation]:
    """A mission, its plan, job and attempt begin, step by step."""
    return [
        TransitionReported(level, _chain(level, number), step, now, "log", fields=_fields(number))
        for level in range(4)
        for step in ("create", "enqueue", "start")
    ]


def _begun(level: int, number: int, now: int) -> TransitionReported:
    """An entity begins; that it was made before is inferred."""
    return TransitionReported(
        level, _chain(level, number), "start", now, "log", fields=_fields(number)
    )


def _ended(level: int, number: int, now: int) -> SpanObserved:
    """An entity's own span ended."""
    return SpanObserved(
        number.to_bytes(16, "big"), (number * 8 + level + 1).to_bytes(8, "little"),
        b"" if level == 0 else (number * 8 + level).to_bytes(8, "little"),
        now - 50_000_000, now, _chain(level, number), entity=level, fields=_fields(number),
    )  # fmt: skip


def _finished_tool(number: int, mission: int, now: int) -> SpanObserved:
    """A tool call of a mission ended."""
    return SpanObserved(
        mission.to_bytes(16, "big"), (1 << 40 | number).to_bytes(8, "big"), b"",
        now - 10_000_000, now, _ids(mission), role="tool",
        fields=Fields(tool=f"tool-{number % 9}"), arguments=f"{number % 1_000:032x}",
    )  # fmt: skip


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
