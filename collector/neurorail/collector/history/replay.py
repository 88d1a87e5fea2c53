"""What subscribers missed, from the archive and then from the outbox."""

from __future__ import annotations

import asyncio

from neurorail.collector.history.archived import StoreHistory
from neurorail.collector.history.outbox import OutboxEvents
from neurorail.collector.stream.event import Position, StreamEvent


class StoredReplay:
    """The hub's replay source over everything that is stored."""

    def __init__(self, node: str, history: StoreHistory, outbox: OutboxEvents) -> None:
        """Args: `node` is this server's id; another's events are not part of its stream."""
        self._node = node
        self._history = history
        self._outbox = outbox

    async def events_after(self, position: Position, limit: int) -> list[StreamEvent]:
        """At most `limit` events after `position`, oldest first; empty when there are none.

        Raises:
            HistoryUnavailable: what is archived is needed and the archive cannot be asked.
        """
        boundary = await self._outbox.boundary()
        lines = []
        if boundary is None or position < boundary.position:
            lines = await self._history.after_position(self._node, position, limit, boundary)
        if not lines:
            lines = await asyncio.to_thread(self._outbox.after_position, position, limit)
        return [line.to_stream_event() for line in lines]
