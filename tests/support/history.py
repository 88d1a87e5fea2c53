"""An archive in a list."""

from __future__ import annotations

from dataclasses import dataclass, field

from neurorail.collector.history import (
    Boundary,
    EventCounts,
    EventFilter,
    EventKey,
    HistoryUnavailable,
)
from neurorail.collector.stream import EventLine


@dataclass(slots=True)
class ListHistory:
    """Archived events; `down` makes it fail as an archive that is away."""

    lines: list[EventLine] = field(default_factory=list)
    down: bool = False

    async def events(
        self, wanted: EventFilter, *, before: EventKey | None, limit: int, outside: Boundary | None
    ) -> list[EventLine]:
        """Newest first."""
        found = self._matching(wanted, outside)[::-1]
        return [line for line in found if before is None or EventKey.of(line) < before][:limit]

    async def newer(
        self, wanted: EventFilter, *, after: EventKey | None, limit: int, outside: Boundary | None
    ) -> list[EventLine]:
        """Oldest first."""
        found = self._matching(wanted, outside)
        return [line for line in found if after is None or EventKey.of(line) > after][:limit]

    async def key_at(
        self, wanted: EventFilter, *, before: EventKey | None, skip: int, outside: Boundary | None
    ) -> EventKey | None:
        """Counted one by one."""
        found = await self.events(wanted, before=before, limit=skip, outside=outside)
        return EventKey.of(found[-1]) if len(found) == skip else None

    async def counts(self, wanted: EventFilter, *, outside: Boundary | None) -> EventCounts:
        """Counted one by one."""
        counts = EventCounts()
        for line in self._matching(wanted, outside):
            counts.add(line.event_type, line.severity, line.event_category, 1)
        return counts

    def _matching(self, wanted: EventFilter, outside: Boundary | None) -> list[EventLine]:
        if self.down:
            raise HistoryUnavailable("the archive does not answer: connection refused")
        return [
            line
            for line in sorted(self.lines, key=EventKey.of)
            if wanted.matches(line)
            and (outside is None or line.node != outside.node or line.position < outside.position)
        ]
