"""The gate in an agent's process: one check with a thousand directives, and what importing costs.

python -m bench.gate
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Final

from bench.report import Report
from neurorail.instrumentation import attempt, job, mission, plan
from neurorail.instrumentation.gate.call import Call
from neurorail.instrumentation.gate.directive import Directive
from neurorail.instrumentation.gate.gate import Gate
from neurorail.instrumentation.process import process

DIRECTIVES: Final = 1_000
KINDS: Final = (
    lambda n: {"entity_type": "mission", "entity_id": f"m_{n:032x}"},
    lambda n: {"provider": "openai", "model": f"gpt-{n}"},
    lambda n: {"agent": f"agent-{n}"},
    lambda n: {"tag.customer": f"customer-{n}", "tool": "search"},
)
"""Scopes as servers send them: entities, models, agents, tags."""
OURS: Final = "neurorail.instrumentation"
THEIRS: Final = "opentelemetry.sdk.trace"


def fill(gate: Gate, count: int) -> None:
    """Hold so many directives, none of which is about us."""
    gate.replace(
        [
            Directive(f"d{n}", "suspend", KINDS[n % len(KINDS)](n), "NR-E006", "bench")
            for n in range(count)
        ]
    )


def us_a_time(work: Callable[[], object], times: int = 20_000, rounds: int = 15) -> float:
    """Median microseconds of processor time."""
    found = []
    for _ in range(rounds):
        began = time.process_time_ns()
        for _ in range(times):
            work()
        found.append((time.process_time_ns() - began) / times / 1_000)
    return median(found)


def import_ms(module: str, rounds: int = 11) -> float:
    """Median milliseconds of processor time to import a module in a new process."""
    program = (
        "import time; began = time.process_time_ns(); "
        f"import {module}; print(time.process_time_ns() - began)"
    )
    times = [
        int(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout)
        for _ in range(rounds)
    ]
    return median(times) / 1_000_000


def measure() -> Report:
    """All of it."""
    report = Report("gate")
    gate = process().gate
    with mission("bench", agent="writer", tags={"customer": "acme"}), plan(), job("x"), attempt():
        call = Call("inference", provider="openai", model="gpt-4o")
        facts = call.facts()
        empty_us = us_a_time(lambda: gate.check(facts))
        fill(gate, DIRECTIVES)
        check_us = us_a_time(lambda: gate.check(facts))
        whole_us = us_a_time(lambda: gate.check(call.facts()))
        gate.replace([])
    report.add(
        check_without_directives_us=round(empty_us, 2),
        check_with_1000_directives_us=round(check_us, 2),
        check_and_reading_of_facts_us=round(whole_us, 2),
    )
    report.goal("check with 1,000 directives < 2 us", check_us < 2)
    ours, theirs = import_ms(OURS), import_ms(THEIRS)
    report.add(import_ours_ms=round(ours, 1), import_sdk_trace_ms=round(theirs, 1))
    report.add(import_ratio=round(ours / theirs, 2))
    report.goal("import < 1.5 x that of opentelemetry.sdk.trace", ours < 1.5 * theirs)
    return report


if __name__ == "__main__":
    sys.exit(not measure().publish())
