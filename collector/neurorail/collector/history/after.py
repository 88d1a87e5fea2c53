"""Events after a position, without a gap while they move from the outbox to the archive."""

from __future__ import annotations

import asyncio

from neurorail.collector.history.archived import StoreHistory
from neurorail.collector.history.outbox import OutboxEvents
from neurorail.collector.history.protocols import Boundary
from neurorail.collector.stream.event import EventLine, Position, StreamEvent


class EventsAfter:
    """Reads the events of one node, of all tenants, from the archive and then from the outbox.

    The hub's replay source, and what exports read. Events leave the outbox when the archive has
    them, so where the outbox begins, looked up after reading it, tells what may be missing in what
    was read.
    """

    def __init__(self, node: str, history: StoreHistory, outbox: OutboxEvents) -> None:
        """Args: `node` is this server's id; another's events are not part of its stream."""
        self._node = node
        self._history = history
        self._outbox = outbox

    async def read(self, position: Position, limit: int) -> list[EventLine]:
        """At most `limit` events after `position`, oldest first; empty when there are none.

        Raises:
            HistoryUnavailable: what is archived is needed and the archive cannot be asked.
        """
        begins = await self._outbox.boundary()
        if _lacks(begins, position):
            archived = await self._archived(position, limit, begins)
            if archived:
                return archived
        recent = await asyncio.to_thread(self._outbox.after_position, position, limit)
        begins_now = await self._outbox.boundary()
        stayed = begins is not None and begins_now == begins
        if stayed or not _lacks(begins_now, position):
            return recent
        return await self._archived(position, limit, begins_now) or recent

    async def events_after(self, position: Position, limit: int) -> list[StreamEvent]:
        """The same as a stream sends them.

        Raises:
            HistoryUnavailable: what is archived is needed and the archive cannot be asked.
        """
        return [line.to_stream_event() for line in await self.read(position, limit)]

    async def _archived(
        self, position: Position, limit: int, begins: Boundary | None
    ) -> list[EventLine]:
        return await self._history.after_position(self._node, position, limit, begins)


def _lacks(begins: Boundary | None, position: Position) -> bool:
    """Whether an outbox that begins there may lack events after a position."""
    return begins is None or position < begins.position
