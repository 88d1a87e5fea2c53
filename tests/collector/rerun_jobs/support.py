"""Jobs on a store, and a store that keeps its reader waiting."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neurorail.collector.decode.system import NotedRecord
from neurorail.collector.rerun.stored import Rows
from neurorail.collector.rerun_jobs.config import RerunConfig
from neurorail.collector.rerun_jobs.job import Job, Kind, ManifestName
from neurorail.collector.rerun_jobs.jobs import RerunJobs
from neurorail.collector.rerun_jobs.run import MODULE
from neurorail.collector.store.errors import StoreUnavailable
from neurorail.rules.manifest.model import Manifest

BEGAN = 1_800_000_000_000_000_000
FOREVER = 2**62


def asking() -> Iterator[int]:
    """The processes that do jobs of this one."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if MODULE.encode() in words and str(os.getpid()).encode() in words:
            yield int(process.name)


class Held:
    """A store whose answers wait until `free` is set, or nobody asks any more; then it is away."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.asked = threading.Event()

    def query_rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Sequence[Any]]:
        """Wait, then fail."""
        self.asked.set()
        while not self.free.wait(0.01) and any(asking()):
            pass
        raise StoreUnavailable("the store is away")


@dataclass
class Notes:
    """What was put on record."""

    said: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    async def __call__(self, record: NotedRecord, tenant: str, principal: str) -> None:
        """Keep it."""
        self.said.append((record.event, principal, record.data))

    @property
    def ends(self) -> list[tuple[str, str | None]]:
        """How jobs ended, and why."""
        return [
            (data["state"], data["error"]) for event, _, data in self.said if event == "rerun_ended"
        ]


@asynccontextmanager
async def running_jobs(
    folder: Path, node: str, rows: Rows, notes: Notes, now: int = BEGAN, **limits: int
) -> AsyncIterator[RerunJobs]:
    """Jobs that are stopped at the end."""
    jobs = RerunJobs(folder / "jobs", node, rows, RerunConfig(**limits), lambda: now, notes)
    await jobs.start()
    try:
        yield jobs
    finally:
        await jobs.stop()


def job(number: int, kind: Kind = "backtest", new: Manifest | None = None) -> Job:
    """A job that somebody asks for."""
    name = None if new is None else ManifestName(new.name, new.version, new.sha256)
    return Job(f"{kind}_{number}", kind, "default", "ada", BEGAN + number, new=name,
               until_unix_nano=FOREVER)  # fmt: skip


async def over(jobs: RerunJobs, one: Job) -> Job:
    """A job, once it has ended and is on record."""
    async with asyncio.timeout(60):
        while jobs.open_count:
            await asyncio.sleep(0.02)
    assert one.over
    return one
