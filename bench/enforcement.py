"""From the span that breaks a budget to the refusal in another process.

A mission gets a budget; a span that breaks it is exported. The clock starts before that request, so
the SDK's batch delay, a second by default, is left out. Another process, whose gate follows the
server's directives, tries a call of that mission again and again; the clock stops when it is
refused. Meanwhile other missions send 500 spans a second.

    python -m bench.enforcement
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.end_to_end.rail import Chain, Rail, lifecycle_log
from tests.support.process import running_server

from bench.load import percentile
from bench.report import Report

GOAL_P99_MS: Final = 100.0
SPANS_A_REQUEST: Final = 10
MS: Final = 1_000_000
GOVERNED = """
import sys, time
from neurorail.instrumentation import NeuroRailRefused, configure, resume
from neurorail.instrumentation.gate.call import Call
from neurorail.instrumentation.process import process

configure()
gate = process().gate
assert gate.control.following.wait(20)
print("ready", flush=True)
for mission_id in map(str.strip, sys.stdin):
    with resume(mission_id):
        facts = Call("inference", provider="openai", model="gpt-4o").facts()
    while True:
        try:
            gate.check(facts)
        except NeuroRailRefused:
            print(time.monotonic_ns(), flush=True)
            break
        time.sleep(0.0002)
"""


@contextmanager
def busy(rail: Rail, spans_per_s: int) -> Iterator[None]:
    """Other missions' spans at a steady rate."""
    stop = threading.Event()

    def send() -> None:
        due = time.monotonic()
        while not stop.is_set():
            chain, now = Chain(), time.time_ns()
            spans = [
                chain.span(number, times=(now - MS, now), gen_ai__operation__name="chat",
                           gen_ai__provider__name="openai", gen_ai__request__model="gpt-4o",
                           gen_ai__usage__input_tokens=10)
                for number in range(1, SPANS_A_REQUEST + 1)
            ]  # fmt: skip
            rail.send_spans(*spans)
            due += SPANS_A_REQUEST / spans_per_s
            stop.wait(max(0.0, due - time.monotonic()))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def one_round_ms(rail: Rail, agent: subprocess.Popen[str]) -> float:
    """Break one budget; milliseconds until the other process is refused."""
    assert agent.stdin is not None
    assert agent.stdout is not None
    chain, now = Chain(), time.time_ns()
    begun = {
        **chain.attributes(1),
        "neurorail.budget.max_tokens": 100,
        "neurorail.entity.type": "mission",
        "neurorail.transitions": ["create", "enqueue", "start"],
    }
    rail.send("logs", lifecycle_log(begun, now))
    agent.stdin.write(f"{chain.mission}\n")
    agent.stdin.flush()
    time.sleep(0.02)
    span = chain.span(
        1, times=(now, now + MS), gen_ai__operation__name="chat", gen_ai__provider__name="openai",
        gen_ai__request__model="gpt-4o", gen_ai__usage__input_tokens=101,
    )  # fmt: skip
    began = time.monotonic_ns()
    rail.send_spans(span)
    return (int(agent.stdout.readline()) - began) / MS


def measure(rounds: int = 200, spans_per_s: int = 500) -> Report:
    """Break so many budgets, one after the other."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(Path(folder) / "data") as server,
    ):
        rail = Rail(server)
        agent = subprocess.Popen(
            [sys.executable, "-c", GOVERNED],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
                "OTEL_EXPORTER_OTLP_ENDPOINT": server.otlp_http,
                "NEURORAIL_ENDPOINT": server.api,
            },
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert agent.stdout is not None
        assert agent.stdout.readline() == "ready\n"
        with busy(rail, spans_per_s):
            for _ in range(10):
                one_round_ms(rail, agent)
            times = [one_round_ms(rail, agent) for _ in range(rounds)]
        agent.communicate(timeout=30)
    report = Report("enforcement")
    p99_ms = percentile(times, 99)
    report.add(
        rounds=rounds,
        spans_per_s=spans_per_s,
        p50_ms=round(percentile(times, 50), 1),
        p99_ms=round(p99_ms, 1),
        max_ms=round(max(times), 1),
    )
    report.goal(f"p99 < {GOAL_P99_MS:.0f} ms", p99_ms < GOAL_P99_MS)
    return report


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--spans-per-s", type=int, default=500)
    options = parser.parse_args()
    sys.exit(not measure(options.rounds, options.spans_per_s).publish())


if __name__ == "__main__":
    main()
