"""Reading past events: what is archived, united with what is applied but not archived yet.

Both sides speak in outbox lines, and in one order: receive time, then node, epoch, record sequence
and index. On one node that is the order in which the events happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from neurorail.collector.stream.event import EventLine, Position


class EventKey(NamedTuple):
    """The place of an event in the common order; the cursor of every list of events."""

    timestamp_unix_nano: int
    node: str
    epoch: int
    seq: int
    place: int
    """The event's index in its record."""

    @classmethod
    def of(cls, line: EventLine) -> EventKey:
        """The key of an event."""
        return cls(line.timestamp_unix_nano, line.node, line.epoch, line.seq, line.index)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """A conjunction; what is None or empty restricts nothing."""

    tenant: str
    chain: Mapping[str, str] = field(default_factory=dict)
    """Values wanted, by `mission_id`, `plan_id` … `resource_id` or `entity_id`."""
    channel: str | None = None
    event_type: str | None = None
    event_types: tuple[str, ...] = ()
    """Any of these."""
    event_category: str | None = None
    severities: tuple[str, ...] = ()
    since_unix_nano: int | None = None
    """Received at or after."""
    until_unix_nano: int | None = None
    """Received before."""

    def matches(self, line: EventLine) -> bool:
        """Whether an event passes."""
        received = line.timestamp_unix_nano
        return (
            line.tenant == self.tenant
            and all(getattr(line, name) == value for name, value in self.chain.items())
            and self.channel in (None, line.channel)
            and self.event_type in (None, line.event_type)
            and (not self.event_types or line.event_type in self.event_types)
            and self.event_category in (None, line.event_category)
            and (not self.severities or line.severity in self.severities)
            and (self.since_unix_nano is None or received >= self.since_unix_nano)
            and (self.until_unix_nano is None or received < self.until_unix_nano)
        )


@dataclass(frozen=True, slots=True)
class Boundary:
    """Where a node's outbox begins: its events from here on are read there, not in the archive."""

    node: str
    position: Position


@dataclass(slots=True)
class EventCounts:
    """How many events there are, by what."""

    by_type: dict[str, int] = field(default_factory=dict)
    by_severity: dict[str, int] = field(default_factory=dict)
    by_category: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_type.values())

    def add(self, event_type: str, severity: str, category: str, events: int) -> None:
        """Count some more."""
        for counts, key in (
            (self.by_type, event_type),
            (self.by_severity, severity),
            (self.by_category, category),
        ):
            counts[key] = counts.get(key, 0) + events

    def merge(self, other: EventCounts) -> None:
        """Add another's counts."""
        for counts, more in (
            (self.by_type, other.by_type),
            (self.by_severity, other.by_severity),
            (self.by_category, other.by_category),
        ):
            for key, events in more.items():
                counts[key] = counts.get(key, 0) + events


class History(Protocol):
    """Archived events. Raises HistoryUnavailable when the archive cannot be asked.

    `outside` leaves out the events of the boundary's node at or after its position.
    """

    async def events(
        self, wanted: EventFilter, *, before: EventKey | None, limit: int, outside: Boundary | None
    ) -> list[EventLine]:
        """At most `limit` events, newest first, all older than `before`."""
        ...

    async def newer(
        self, wanted: EventFilter, *, after: EventKey | None, limit: int, outside: Boundary | None
    ) -> list[EventLine]:
        """At most `limit` events, oldest first, all newer than `after`."""
        ...

    async def key_at(
        self, wanted: EventFilter, *, before: EventKey | None, skip: int, outside: Boundary | None
    ) -> EventKey | None:
        """The last of the `skip` (1 or more) newest events older than `before`; None: fewer."""
        ...

    async def counts(self, wanted: EventFilter, *, outside: Boundary | None) -> EventCounts:
        """Counts of events."""
        ...


class RecentEvents(Protocol):
    """Events that are applied and durable but may not be archived yet: the outbox."""

    async def boundary(self) -> Boundary | None:
        """Where they begin; None when there are none."""
        ...

    async def newest(
        self, wanted: EventFilter, *, before: EventKey | None, limit: int
    ) -> list[EventLine]:
        """At most `limit` events, newest first, all older than `before`."""
        ...

    async def oldest(
        self, wanted: EventFilter, *, after: EventKey | None, limit: int
    ) -> list[EventLine]:
        """At most `limit` events, oldest first, all newer than `after`."""
        ...

    async def counts(self, wanted: EventFilter, *, since: Boundary) -> EventCounts:
        """Counts of events at or after a boundary."""
        ...


class HistoryUnavailable(RuntimeError):
    """The archive cannot be asked now; trying again later can help."""
