"""Events after a position, without a gap while they move from the outbox to the archive."""

from __future__ import annotations

import asyncio

from neurorail.collector.history.archived import StoreHistory
from neurorail.collector.history.outbox import OutboxEvents
from neurorail.collector.stream.event import EventLine, Position


class EventsAfter:
    """Reads the events of one node, of all tenants, from the archive and then from the outbox."""

    def __init__(self, node: str, history: StoreHistory, outbox: OutboxEvents) -> None:
        self._node = node
        self._history = history
        self._outbox = outbox
        self._pruned_seq = 0

    def pruning(self, through_seq: int) -> None:
        """Say, before it happens, that the outbox loses events of records up to `through_seq`.

        What is newer is read from the outbox alone, so that the archive is not asked for nothing.
        """
        self._pruned_seq = max(self._pruned_seq, through_seq)

    async def read(self, position: Position, limit: int) -> list[EventLine]:
        """At most `limit` events after `position`, oldest first; empty when there are none.

        Raises:
            HistoryUnavailable: what is archived is needed and the archive cannot be asked.
        """
        while True:
            pruned_seq = self._pruned_seq
            if position[1] <= pruned_seq:
                outside = await self._outbox.boundary()
                lines = await self._history.after_position(self._node, position, limit, outside)
                if lines:
                    return lines
            lines = await asyncio.to_thread(self._outbox.after_position, position, limit)
            # What was pruned meanwhile may be missing in what was just read.
            if self._pruned_seq == pruned_seq or position[1] > self._pruned_seq:
                return lines
