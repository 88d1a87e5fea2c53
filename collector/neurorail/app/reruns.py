"""Connects backtests and replays: what they read, where they are kept, who is told."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from neurorail.app.config import Config
from neurorail.app.priority import step_back
from neurorail.collector.decode.system import NotedRecord, encode_system
from neurorail.collector.engine.applier import Busy
from neurorail.collector.envelope import Kind, Signal, Submission
from neurorail.collector.inbox.errors import InboxError
from neurorail.collector.rerun.stored import Rows
from neurorail.collector.rerun_jobs.jobs import RerunJobs

FOLDER: Final = "backtests"


def rerun_jobs(
    config: Config,
    path: Path,
    node: str,
    rows: Rows,
    append: Callable[[Sequence[Submission]], Awaitable[object]],
) -> RerunJobs:
    """The jobs of a server with its data in `path`."""

    async def note(record: NotedRecord, tenant: str, principal: str) -> None:
        body = encode_system(record)
        said = Submission(Kind.SYSTEM, Signal.NONE, body, tenant, principal, encoding="json")
        try:
            await append([said])
        except InboxError as error:
            raise Busy(f"it cannot be put on record now: {error}") from error

    return RerunJobs(
        path / FOLDER, node, rows, config.backtests, time.time_ns, note,
        # Reading history must not slow taking in; the embedded store reads on the caller's thread.
        step_back,
    )  # fmt: skip
