"""The process that does a backtest or a replay: it steps back, reads by asking, and reports."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import msgspec

from neurorail.collector.lifeline import end_with_the_server
from neurorail.collector.rerun.backtest import backtest
from neurorail.collector.rerun.exact import NoState, last_event, replay
from neurorail.collector.rerun.report import report_json
from neurorail.collector.rerun_jobs.job import BACKTEST
from neurorail.collector.rerun_jobs.messages import ChildEnd, Ended, Failed, Moved, Refused, Task
from neurorail.collector.store.errors import StoreError
from neurorail.rules.manifest.model import Manifest

NICE: Final = 15
"""Behind the engine, and behind what the embedded store does in the background."""


class NothingThere(Exception):
    """No record is stored that a job could look at."""


class AskedRows:
    """Rows that the server reads."""

    def __init__(self, server: ChildEnd) -> None:
        self._server = server

    def query_rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Sequence[Any]]:
        """The rows of a SELECT. Raises StoreError when the server cannot read them."""
        answer = self._server.ask(sql, parameters or {})
        if isinstance(answer, Refused):
            raise StoreError(answer.error)
        return answer.rows


def do(task: Task, server: ChildEnd) -> bytes:
    """The report of a task, as JSON.

    Raises:
        StoreError: the server cannot read its store.
        NothingThere: there is nothing to look at.
        NoState: a replay is to begin where no state is stored.
    """
    rows = AskedRows(server)

    def moved(done: int, total: int) -> None:
        server.send(Moved(done, total))

    if task.kind == BACKTEST:
        return _backtest(task, rows, moved)
    return _replay(task, rows, moved)


def _backtest(task: Task, rows: AskedRows, moved: Any) -> bytes:
    found = backtest(
        rows,
        task.node,
        Path(task.folder),
        Manifest.from_json(task.new),
        against=Manifest.from_json(task.against) if task.against else None,
        tenant=task.tenant,
        since_unix_nano=task.since_unix_nano,
        until_unix_nano=task.until_unix_nano,
        progress=moved,
    )
    if found is None:
        raise NothingThere(f"nothing of node {task.node} was received then")
    return report_json(found)


def _replay(task: Task, rows: AskedRows, moved: Any) -> bytes:
    # The newest record's events may be on their way to the archive, some of them there already.
    through = task.through_seq or max(0, last_event(rows, task.node) - 1)
    found = None
    if through > task.after_seq:
        found = replay(
            rows,
            task.node,
            Path(task.folder),
            after_seq=task.after_seq,
            through_seq=through,
            progress=moved,
        )
    if found is None:
        raise NothingThere(f"no record of node {task.node} is archived after {task.after_seq}")
    return msgspec.json.encode({**asdict(found), "equal": found.equal})


def _limit(task: Task) -> None:
    for what, most in (
        (resource.RLIMIT_DATA, task.memory_max_bytes),
        (resource.RLIMIT_FSIZE, task.scratch_max_bytes),
    ):
        resource.setrlimit(what, (most, most))


def main() -> None:
    """`python -m neurorail.collector.rerun_jobs.child FD PARENT`: the pipe, and whose job it is."""
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    end_with_the_server()
    if os.getppid() != parent:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICE)
    server = ChildEnd(Connection(descriptor))
    task = server.task()
    _limit(task)
    try:
        report = do(task, server)
    except MemoryError:
        server.send(Failed(f"it needs more than {task.memory_max_bytes >> 20} MiB of memory"))
    except (StoreError, NothingThere, NoState, sqlite3.Error, OSError) as error:
        server.send(Failed(str(error)))
    else:
        server.send(Ended(report))


if __name__ == "__main__":
    main()
