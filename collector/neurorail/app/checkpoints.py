"""Signs where the chain stands, at a steady pace, and puts on record that it did."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from neurorail.api.audit_verify import OnProgress, VerifyBody
from neurorail.app.audit_check import verify_as_asked
from neurorail.collector.audit.bundle import write_bundle
from neurorail.collector.audit.checkpoint import Anchors, Checkpoint, Rotation, Statement, Tombstone
from neurorail.collector.audit.checkpointer import ChainBroken, Checkpointer
from neurorail.collector.audit_chain import GENESIS
from neurorail.collector.decode.system import NotedRecord, encode_system
from neurorail.collector.engine.applier import Busy
from neurorail.collector.envelope import Kind, Signal, Submission
from neurorail.collector.inbox.errors import InboxError
from neurorail.collector.store.audit import VerificationReport
from neurorail.collector.store.errors import StoreError
from neurorail.collector.store.store import Store

_LOG = logging.getLogger(__name__)


class ArchivedHead(Protocol):
    """The engine, as far as checkpoints ask it."""

    async def archived_head(self) -> str:
        """The hash of the newest event that is archived."""
        ...


class Checkpoints:
    """The running side of checkpoints. Made without reading anything; `start` opens the files."""

    def __init__(
        self,
        store: Store,
        node: str,
        directory: Path,
        anchors: Anchors,
        clock: Callable[[], int],
        engine: ArchivedHead,
        append: Callable[[Sequence[Submission]], Awaitable[object]],
    ) -> None:
        self._store = store
        self._node = node
        self._directory = directory
        self._anchors = anchors
        self._clock = clock
        self._engine = engine
        self._append = append
        self._one_at_a_time = asyncio.Lock()
        self._checkpointer: Checkpointer | None = None
        self._told = ""
        self.faults: int | None = None
        """What the last verification found; None before the first."""
        self._task: asyncio.Task[None] | None = None

    def start(self, interval_s: float) -> None:
        """Sign every so often; 0 is never.

        Raises:
            ValueError: the anchors or the key are not what they have to be.
            OSError: they cannot be read.
        """
        self._checkpointer = Checkpointer(
            self._store, self._node, self._directory, self._anchors, self._clock
        )
        if interval_s:
            self._task = asyncio.create_task(self._run(interval_s))

    async def stop(self) -> None:
        """Sign no more. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def take(self) -> Checkpoint | None:
        """Sign what was archived since the last time; None if that is nothing, or goes wrong."""
        async with self._one_at_a_time:
            try:
                head = await self._engine.archived_head()
                if self._checkpointer is None or head == GENESIS.hex():
                    return None
                taken = await asyncio.to_thread(self._checkpointer.take, head)
                if taken is not None:
                    await self._note(said(taken))
                return taken
            except ChainBroken as broken:
                await self._broken(str(broken))
            except (StoreError, InboxError, Busy, OSError, RuntimeError) as error:
                _LOG.warning("no checkpoint of the audit chain now: %s", error)
            return None

    async def rotate(self) -> Rotation:
        """Let another key sign from now on."""
        assert self._checkpointer is not None, "start comes first"
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._checkpointer.rotate)

    async def retain(self, before_unix_nano: int) -> Tombstone | None:
        """Remove verified events that were received before a time; None if there is nothing.

        Raises:
            ChainBroken: they do not hold; nothing was removed.
            StoreError: the archive cannot be read or written.
        """
        assert self._checkpointer is not None, "start comes first"
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._checkpointer.retain, before_unix_nano)

    async def verify(self, asked: VerifyBody, tell: OnProgress) -> VerificationReport:
        """Verify the chain, against what was signed, or against the anchors that are handed in.

        Raises:
            StoreError: the store cannot be read.
            Busy: the engine is not running.
        """
        head = await self._engine.archived_head()

        report = await asyncio.to_thread(
            verify_as_asked, self._store, self._node, self._directory, head, self.statements,
            asked, tell,
        )  # fmt: skip
        self.faults = sum(one.fault_count for one in report.nodes)
        return report

    def statements(self) -> list[Statement]:
        """What was signed so far. Blocks on the disk."""
        return self._anchors.read()

    def bundle(self, tenant: str, about: Mapping[str, str]) -> Iterator[bytes]:
        """The lines of a bundle. Blocks."""
        return write_bundle(self._store, self.statements(), tenant, about)

    async def _run(self, interval_s: float) -> None:
        while True:
            await asyncio.sleep(interval_s)
            await self.take()

    async def _broken(self, text: str) -> None:
        _LOG.critical("NR-E302: the audit chain does not hold: %s", text)
        if text != self._told:
            self._told = text
            noted = NotedRecord(
                "audit_failed", {"code": "NR-E302", "error": text}, text, "critical"
            )
            await self._note(noted)

    async def _note(self, noted: NotedRecord) -> None:
        body = encode_system(noted)
        record = Submission(Kind.SYSTEM, Signal.NONE, body, principal="server", encoding="json")
        await self._append([record])


def said(taken: Checkpoint) -> NotedRecord:
    """The record of a checkpoint: all that it signs, so that it can be verified by itself."""
    places = {name: ".".join(map(str, getattr(taken, name))) for name in ("first", "last")}
    return NotedRecord(
        "audit_checkpoint",
        {
            **{name: f"{taken.node}.{place}" for name, place in places.items()},
            "covered": taken.count,
            "total": taken.total,
            "node": taken.node,
            "root": taken.root,
            "prev_head": taken.prev_head,
            "head": taken.head,
            "time_unix_nano": taken.time_unix_nano,
            "public_key": taken.public_key,
            "signature": taken.signature,
        },
        f"the chain was signed up to event {taken.total}",
    )
