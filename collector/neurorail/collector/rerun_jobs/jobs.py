"""The backtests and replays of a server: one runs, some wait, what they found is kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from neurorail.collector.decode.system import NotedRecord
from neurorail.collector.engine.applier import Busy
from neurorail.collector.rerun.stored import Rows
from neurorail.collector.rerun_jobs.config import RerunConfig
from neurorail.collector.rerun_jobs.job import Job, Kind, State
from neurorail.collector.rerun_jobs.messages import Task
from neurorail.collector.rerun_jobs.notes import begun, ended
from neurorail.collector.rerun_jobs.run import Run, RunFailed
from neurorail.collector.rerun_jobs.shelf import Shelf

STOPPED: Final = "the server stopped"
_log = logging.getLogger(__name__)


class TooMany(Exception):
    """As many wait as may."""


class Note(Protocol):
    """Puts on record what the server did."""

    def __call__(self, record: NotedRecord, tenant: str, principal: str) -> Awaitable[object]:
        """Return when it is durable. May raise `Busy`."""
        ...


@dataclass(slots=True, eq=False)
class _Live:
    """A job that is not over."""

    job: Job
    task: Task
    run: Run | None = None
    because: str = ""
    """Why somebody ended it."""
    doing: asyncio.Task[None] | None = None


class RerunJobs:
    """Belongs to the event loop; what blocks is done on threads.

    Args:
        folder: made when it is not there.
        node: whose records are looked at.
        rows: where history is read from.
        config: limits.
        clock: Unix time in nanoseconds.
        note: puts on record that a job began and ended.
        on_thread_start: called once on the thread that reads history.
    """

    def __init__(
        self,
        folder: Path,
        node: str,
        rows: Rows,
        config: RerunConfig,
        clock: Callable[[], int],
        note: Note,
        on_thread_start: Callable[[], None] = lambda: None,
    ) -> None:
        self._shelf = Shelf(folder, config)
        self._node = node
        self._rows = rows
        self._config = config
        self._clock = clock
        self._note = note
        self._thread = ThreadPoolExecutor(1, "rerun-job", on_thread_start)
        self._jobs: dict[str, Job] = {}
        self._live: dict[str, _Live] = {}
        self._launching = 0
        self._turn = asyncio.Lock()
        self._taking = False

    # ── life ─────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Find what was kept. What a server left undone is cancelled, not begun anew.

        Raises:
            OSError: the folder cannot be read.
        """
        for job in await asyncio.to_thread(self._shelf.open):
            self._jobs[job.id] = job
            if not job.over:
                await self._over(job, "cancelled", STOPPED)
        await asyncio.to_thread(self._forget)
        self._taking = True

    async def stop(self) -> None:
        """Cancel what runs and what waits. Idempotent."""
        self._taking = False
        for live in reversed(list(self._live.values())):
            await self.cancel(live.job, STOPPED)
        self._thread.shutdown()

    # ── asking ───────────────────────────────────────────────────────────────────────────────

    @property
    def open_count(self) -> int:
        """Jobs that run or wait."""
        return len(self._live) + self._launching

    def all(self, tenant: str, kind: Kind) -> list[Job]:
        """A tenant's jobs of a kind, newest first."""
        found = [job for job in self._jobs.values() if (job.tenant, job.kind) == (tenant, kind)]
        return found[::-1]

    def get(self, tenant: str, kind: Kind, job_id: str) -> Job | None:
        """A tenant's job; None if there is none."""
        job = self._jobs.get(job_id)
        return job if job is not None and (job.tenant, job.kind) == (tenant, kind) else None

    async def report(self, job: Job) -> bytes | None:
        """What a job found, as JSON; None while there is nothing."""
        if job.state != "succeeded":
            return None
        return await asyncio.to_thread(self._shelf.report, job.id)

    # ── doing ────────────────────────────────────────────────────────────────────────────────

    async def launch(self, job: Job, new: bytes = b"", against: bytes = b"") -> None:
        """Put a job on record and let it wait for its turn.

        Args:
            job: as it is asked for, queued.
            new: the manifest of a backtest, canonical.
            against: what it is compared with; empty: what was active then.

        Raises:
            TooMany: as many wait as may.
            Busy: it cannot be put on record now.
        """
        if not self._taking or self.open_count > self._config.waiting:
            raise TooMany(f"{self.open_count} backtests and replays run or wait already")
        self._launching += 1
        try:
            await self._note(begun(job), job.tenant, job.principal)
            await asyncio.to_thread(self._shelf.keep, job)
        finally:
            self._launching -= 1
        live = self._live[job.id] = _Live(job, self._task(job, new, against))
        self._jobs[job.id] = job
        live.doing = asyncio.create_task(self._do(live))

    async def cancel(self, job: Job, because: str, wait_s: float | None = None) -> bool:
        """End a job; False if it was over before.

        It is over when this returns, unless a read of the store takes longer than `wait_s`.
        """
        live = self._live.get(job.id)
        if live is None or live.doing is None:
            return False
        live.because = live.because or because
        if live.run is not None:
            live.run.end(because)
        elif job.state == "queued":
            live.doing.cancel()
        await asyncio.wait([live.doing], timeout=wait_s)
        if live.doing.done() and job.id in self._live:  # It was cancelled before its first step.
            del self._live[job.id]
            await self._over(job, "cancelled", live.because)
        return job.state in ("running", "cancelled")

    async def _do(self, live: _Live) -> None:
        job = live.job
        state: State = "failed"
        error, report = "", None
        try:
            async with self._turn:
                report = await self._report(live)
            state = "succeeded"
        except RunFailed as failed:
            error = str(failed)
        except OSError as failed:
            error = f"its files cannot be made: {failed}"
        except asyncio.CancelledError:
            error = live.because
        if live.because and state != "succeeded":
            state, error = "cancelled", live.because
        try:
            await self._over(job, state, error, report)
            await asyncio.to_thread(self._forget)
        finally:
            del self._live[job.id]

    async def _report(self, live: _Live) -> bytes:
        job = live.job
        job.state, job.started_unix_nano = "running", self._clock()
        live.task.folder = str(await asyncio.to_thread(self._shelf.scratch))

        def moved(done: int, total: int) -> None:
            job.done, job.total = done, total

        live.run = Run(live.task, self._rows, self._config.time_max_s, moved)
        if live.because:
            live.run.end(live.because)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, live.run.report)
        finally:
            await asyncio.to_thread(self._shelf.clear)

    async def _over(self, job: Job, state: State, error: str, report: bytes | None = None) -> None:
        try:
            if report is not None:
                await asyncio.to_thread(self._shelf.keep_report, job, report)
            job.state, job.error, job.ended_unix_nano = state, error, self._clock()
            await asyncio.to_thread(self._shelf.keep, job)
            await self._note(ended(job), job.tenant, job.principal)
        except (Busy, OSError) as problem:
            if not job.over:
                job.state, job.error = "failed", f"its report cannot be kept: {problem}"
            _log.warning("the end of %s %s is not on record: %s", job.kind, job.id, problem)

    def _forget(self) -> None:
        for job in self._shelf.too_many(list(self._jobs.values()), self._clock()):
            self._shelf.forget(job)
            self._jobs.pop(job.id, None)

    def _task(self, job: Job, new: bytes, against: bytes) -> Task:
        return Task(
            kind=job.kind,
            node=self._node,
            tenant=job.tenant,
            folder="",
            memory_max_bytes=self._config.memory_max_bytes,
            scratch_max_bytes=self._config.scratch_max_bytes,
            new=new,
            against=against,
            since_unix_nano=job.since_unix_nano,
            until_unix_nano=job.until_unix_nano,
            after_seq=job.after_seq,
            through_seq=job.through_seq,
        )
