"""What it costs to keep the engine's state on disk, and to begin again from it.

A hundred thousand missions are alive, each with a plan, a job and a running attempt, and a call
that it made. As in service, rows are written a few thousand at a time, when so many have changed: a
snapshot is the last of these flushes. Beginning again is what a start does before it applies the
first record. Processor time, since writing to the disk is not waited for.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import time
from pathlib import Path

import psutil

from bench.report import Report
from bench.rules import BEGIN_UNIX_NANO, STEP_NS, finished_call, started
from neurorail.collector.engine.applier import FLUSH_DIRTY_MAX
from neurorail.collector.engine.garbage import GarbageWatch
from neurorail.collector.engine.journal import Journal, Progress
from neurorail.collector.engine.restore import restored
from neurorail.rules.config import EngineConfig
from neurorail.rules.engine import Engine

GOAL_S = 2.0
MISSIONS = 100_000
CONFIG = EngineConfig(entities_in_memory=10_000_000, traces_in_memory=1_000_000)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.snapshot", description=__doc__)
    parser.add_argument("--missions", type=int, default=MISSIONS)
    if not measure(parser.parse_args().missions).publish():
        sys.exit(1)


def measure(missions: int = MISSIONS) -> Report:
    """Let that many missions live, write their state, and begin again from it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.sqlite"
        before = psutil.Process().memory_info().rss
        engine, flushes = _alive(missions, path)
        held = psutil.Process().memory_info().rss - before
        stored = sum(file.stat().st_size for file in Path(folder).iterdir())
        meta, last_s = engine.state.meta(), flushes[-1]
        del engine
        gc.collect()
        began = time.process_time()
        again = _begin_again(path)
        restore_s = time.process_time() - began
    assert again.state.meta() == meta, "what was written is what is read"
    report = Report("snapshot")
    report.add(
        missions=missions,
        snapshot_ms=last_s * 1e3,
        restore_s=restore_s,
        flushes=len(flushes),
        all_flushes_s=sum(flushes),
        memory_bytes_per_mission=round(held / missions),
        stored_bytes_per_mission=round(stored / missions),
    )
    report.goal(f"both together take less than {GOAL_S} s", last_s + restore_s < GOAL_S)
    return report


def _alive(missions: int, path: Path) -> tuple[Engine, list[float]]:
    """An engine with so many live missions, all of it flushed; what each flush took."""
    journal = Journal(path)
    journal.open()
    engine = Engine(CONFIG, journal.load)
    state, flushes = engine.state, []
    garbage = GarbageWatch()  # As in the engine's own process.
    now = BEGIN_UNIX_NANO
    for number in range(missions):
        now += STEP_NS
        engine.apply(now, "default", [*started(number, now), finished_call(number, number, now)])
        if state.dirty >= FLUSH_DIRTY_MAX or number == missions - 1:
            began = time.process_time()
            progress = Progress(emitted_seq=number, flushed_seq=number)
            journal.commit(b"", 1, 0, progress, state.take_changes(), None)
            flushes.append(time.process_time() - began)
            garbage.look()
    journal.close()
    return engine, flushes


def _begin_again(path: Path) -> Engine:
    journal = Journal(path)
    journal.open()
    return restored(CONFIG, journal.flushed, journal.load)


if __name__ == "__main__":
    main()
