"""Past events: what is archived, united with what is applied but not archived yet."""

from neurorail.collector.history.after import EventsAfter
from neurorail.collector.history.archived import StoreHistory
from neurorail.collector.history.entities import (
    EntityFilter,
    EntityLists,
    EntityPage,
    EntityRow,
    ListKey,
)
from neurorail.collector.history.outbox import OutboxEvents, OutboxReader
from neurorail.collector.history.protocols import (
    Boundary,
    EventCounts,
    EventFilter,
    EventKey,
    History,
    HistoryUnavailable,
    RecentEvents,
)
from neurorail.collector.history.united import EventPage, UnitedHistory
from neurorail.collector.history.usage import UsageFilter, UsageSums

__all__ = [
    "Boundary",
    "EntityFilter",
    "EntityLists",
    "EntityPage",
    "EntityRow",
    "EventCounts",
    "EventFilter",
    "EventKey",
    "EventPage",
    "EventsAfter",
    "History",
    "HistoryUnavailable",
    "ListKey",
    "OutboxEvents",
    "OutboxReader",
    "RecentEvents",
    "StoreHistory",
    "UnitedHistory",
    "UsageFilter",
    "UsageSums",
]
