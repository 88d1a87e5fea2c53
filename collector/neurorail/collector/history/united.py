"""The whole past of a tenant: outbox and archive, each event once.

The outbox is read first, then asked where it begins, and the archive only for what lies before.
What moved from one to the other meanwhile is then found in at least one of them, and counts once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from neurorail.collector.history.protocols import (
    EventCounts,
    EventFilter,
    EventKey,
    History,
    RecentEvents,
)
from neurorail.collector.stream.event import EventLine

_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events, and where to go on; None when there are no more."""

    events: list[EventLine]
    next_key: EventKey | None


class UnitedHistory:
    """Reads both sides as one. Raises HistoryUnavailable when the archive cannot be asked."""

    def __init__(self, history: History, recent: RecentEvents) -> None:
        self._history = history
        self._recent = recent

    async def events(
        self, wanted: EventFilter, *, before: EventKey | None, limit: int, skip: int = 0
    ) -> EventPage:
        """A page of events, newest first, after passing over `skip` of them."""
        if skip:
            before = await self._key_at(wanted, before, skip)
            if before is None:
                return EventPage([], None)
        recent = await self._recent.newest(wanted, before=before, limit=limit + 1)
        archived: list[EventLine] = []
        if len(recent) <= limit:
            archived = await self._history.events(
                wanted,
                before=before,
                limit=limit + 1,
                outside=await self._recent.boundary(),
            )
        return _page(sorted([*recent, *archived], key=EventKey.of, reverse=True), limit)

    async def newer(self, wanted: EventFilter, *, after: EventKey | None, limit: int) -> EventPage:
        """A page of events, oldest first."""
        recent = await self._recent.oldest(wanted, after=after, limit=limit + 1)
        archived = await self._history.newer(
            wanted, after=after, limit=limit + 1, outside=await self._recent.boundary()
        )
        return _page(sorted([*archived, *recent], key=EventKey.of), limit)

    async def transitions(
        self, tenant: str, entity_id: str, *, after: EventKey | None, limit: int
    ) -> EventPage:
        """A page of the transitions of one entity, oldest first."""
        wanted = EventFilter(tenant, {"entity_id": entity_id}, event_type="state_changed")
        return await self.newer(wanted, after=after, limit=limit)

    async def _key_at(
        self, wanted: EventFilter, before: EventKey | None, skip: int
    ) -> EventKey | None:
        """The key of the last event to pass over; None if there are fewer.

        While the archive moves fast it may be off by the events that move.
        """
        for _ in range(_TRIES):
            begins = await self._recent.boundary()
            recent = await self._recent.newest(wanted, before=before, limit=skip)
            if len(recent) == skip:
                return EventKey.of(recent[-1])
            if await self._recent.boundary() == begins:
                break
        return await self._history.key_at(
            wanted, before=before, skip=skip - len(recent), outside=begins
        )

    async def counts(self, wanted: EventFilter) -> EventCounts:
        """Counts of events. While the archive moves fast, those that move may be left out."""
        begins = await self._recent.boundary()
        for _ in range(_TRIES):
            if begins is None:
                return await self._history.counts(wanted, outside=None)
            boundary = begins
            recent = await self._recent.counts(wanted, since=boundary)
            begins = await self._recent.boundary()
            if begins == boundary:
                break
        counts = await self._history.counts(wanted, outside=boundary)
        counts.merge(recent)
        return counts


def _page(events: list[EventLine], limit: int) -> EventPage:
    # An event that was archived while the outbox was read again is there twice, side by side.
    unique = list({event.event_id: event for event in events}.values())
    more = len(unique) > limit
    page = unique[:limit]
    return EventPage(page, EventKey.of(page[-1]) if more else None)
