"""The end of a clean stop: what was taken in is applied and archived, for a limited time."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from neurorail.collector.archive.archiver import Archiver
from neurorail.collector.engine.remote import EngineProcess
from neurorail.collector.inbox import SqliteInbox

LOOK_S: Final = 0.01
AWAY_S: Final = 1.0
"""A store that was there when the stop began is away when it fails for so long."""

_log = logging.getLogger(__name__)


class Drain:
    """Waits for the archive once nothing is taken in any more. Used on the event loop."""

    def __init__(
        self, inbox: SqliteInbox, engine: EngineProcess, archiver: Archiver, limit_ms: int
    ) -> None:
        self._inbox = inbox
        self._engine = engine
        self._archiver = archiver
        self._limit_ms = limit_ms
        self._timeout: asyncio.Timeout | None = None
        self._hurried = False
        self._why = ""

    def hurry(self) -> None:
        """Wait no longer, now or when it comes to that."""
        self._hurried = True
        if self._timeout is not None and not self._timeout.expired():
            self._timeout.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> None:
        """Wait until everything is archived, or nothing can be gained by waiting."""
        try:
            async with asyncio.timeout(0 if self._hurried else self._limit_ms / 1000) as timeout:
                self._timeout = timeout
                self._why = await self._caught_up()
        except TimeoutError:
            self._why = (
                "a second signal came"
                if self._hurried
                else f"archive.drain_ms ({self._limit_ms}) is over"
            )
        finally:
            self._timeout = None

    def tell(self) -> None:
        """Say what waits for the next start, if anything does. Call it when all else has ended."""
        archiver, inbox = self._archiver, self._inbox
        records = inbox.last_seq - max(archiver.archived_seq, inbox.first_seq - 1)
        batches = self._engine.depth()
        if records or batches:
            # How far an archive got that was never opened is not known here.
            most = "" if archiver.opened else "at most "
            _log.warning(
                "%s%d records and %d batches of events wait for the next start to be archived: %s",
                most, records, batches, self._why,
            )  # fmt: skip

    async def _caught_up(self) -> str:
        """Wait for the archive; why it did not get everything, empty if it did."""
        archiver, inbox, engine = self._archiver, self._inbox, self._engine
        if not archiver.opened:
            return "the store could not be reached since the start"
        if away := self._away():
            return away
        inbox.hold_telemetry(lambda: False)  # Nobody asks any more.
        try:
            # What falls due from now on is said after the next start: there is an end to wait for.
            await engine.end_ticks()
        except RuntimeError as error:
            return str(error)
        archiver.hasten()
        well_s = time.monotonic()
        while not self._all_is_archived():
            failure = engine.failure or inbox.failure
            if failure is not None:
                return str(failure)
            if not (away := self._away()):
                well_s = time.monotonic()
            elif time.monotonic() - well_s >= AWAY_S:
                return away
            await asyncio.sleep(LOOK_S)
        return ""

    def _all_is_archived(self) -> bool:
        # First what is on its way into the inbox: once there is none, its end stays where it is.
        if self._inbox.stats().queue_bytes:
            return False
        archiver = self._archiver
        recorded = archiver.archived_seq >= self._inbox.last_seq
        return recorded and archiver.archived_ordinal >= self._engine.ordinal

    def _away(self) -> str:
        """What the archive waits for; empty while it waits for nothing."""
        for counts in self._archiver.counts:
            if counts.waiting_for:
                return f"the archive waits for the {counts.waiting_for}: {counts.last_error}"
        return ""
