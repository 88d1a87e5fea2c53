"""What a subscriber wants to see, checked against the registry of event types."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from neurorail.collector.stream.event import StreamEvent
from neurorail.rules.events import ALL, CHANNELS, EVENT_TYPES


class UnknownName(ValueError):
    """A channel or event type that does not exist. `field` names the parameter."""

    def __init__(self, field: str, value: str, known: Iterable[str]) -> None:
        super().__init__(f"unknown {field} {value[:100]!r}; known: {', '.join(known)}")
        self.field = field
        self.value = value


@dataclass(frozen=True, slots=True)
class StreamFilter:
    """A conjunction; None lets everything pass. `tenant` None sees all tenants."""

    tenant: str | None
    channels: frozenset[str] | None = None
    event_types: frozenset[str] | None = None
    entity_ids: frozenset[str] | None = None

    @classmethod
    def of(
        cls,
        tenant: str | None,
        channels: Sequence[str] = (),
        event_types: Sequence[str] = (),
        entity_ids: Sequence[str] = (),
    ) -> StreamFilter:
        """A filter from lists of names; an empty list, and the channel `all`, restrict nothing.

        Raises:
            UnknownName: a channel or event type is not in the registry.
        """
        for channel in channels:
            if channel not in CHANNELS:
                raise UnknownName("channels", channel, CHANNELS)
        for event_type in event_types:
            if event_type not in EVENT_TYPES:
                raise UnknownName("event_types", event_type, EVENT_TYPES)
        return cls(
            tenant=tenant,
            channels=None if not channels or ALL in channels else frozenset(channels),
            event_types=frozenset(event_types) or None,
            entity_ids=frozenset(entity_ids) or None,
        )

    def matches(self, event: StreamEvent) -> bool:
        """Whether a subscriber with this filter sees the event."""
        if self.tenant is not None and event.tenant != self.tenant:
            return False
        if self.channels is not None and event.channel not in self.channels:
            return False
        if self.event_types is not None and event.event_type not in self.event_types:
            return False
        return self.entity_ids is None or not self.entity_ids.isdisjoint(event.entity_ids)

    def includes_channel(self, channel: str) -> bool:
        """Whether events of a channel can pass."""
        return self.channels is None or channel in self.channels
