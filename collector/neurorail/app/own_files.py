"""What erasure needs of the server's own files: the inbox and the engine's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Final

from neurorail.app.exporting import Exporting
from neurorail.collector.archive.archiver import Archiver
from neurorail.collector.engine.remote import EngineProcess
from neurorail.collector.inbox import SqliteInbox

ARCHIVED_S: Final = 30.0
FLUSHED_S: Final = 30.0
"""How long erasure waits for the engine's state to be written."""
LOOK_S: Final = 0.1


class OwnFiles:
    """The inbox and the engine's file, as far as something of them can be removed."""

    def __init__(
        self,
        inbox: SqliteInbox,
        engine: EngineProcess,
        archiver: Archiver,
        exporting: Exporting,
    ) -> None:
        self._inbox = inbox
        self._engine = engine
        self._archiver = archiver
        self._exporting = exporting
        self._sealed_seq = 0

    def seal(self) -> None:
        """Let what is taken in from now on be in files of its own."""
        self._inbox.seal()
        self._sealed_seq = self._inbox.last_seq

    async def archived(self) -> bool:
        """Wait until what is applied now is archived; False if that takes too long."""
        engine = self._engine
        wait = partial(self._archiver.wait_until, seq=engine.seq, ordinal=engine.ordinal)
        return await asyncio.to_thread(wait, timeout_s=ARCHIVED_S)

    async def scrubbed(self) -> Sequence[str]:
        """Remove the files of what is archived, and the bytes of what was deleted; what is left."""
        remains = []
        wanted = self._engine.seq
        ends = time.monotonic() + FLUSHED_S
        while self._engine.flushed_seq < wanted and time.monotonic() < ends:
            await asyncio.sleep(LOOK_S)
        await asyncio.to_thread(self._exporting.prune, self._archiver)
        if self._inbox.first_seq <= self._sealed_seq:
            remains.append("records in the inbox, until they are archived and delivered everywhere")
        try:
            written_anew = await self._engine.scrub()
        except RuntimeError:
            written_anew = False
        if not written_anew:
            remains.append("deleted bytes in engine.db, until the next start of the server")
        return remains
