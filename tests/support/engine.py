"""An engine that answers from a dictionary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.events import SECOND, START_UNIX_NANO

from neurorail.collector.history.entities import EntityFilter, EntityRow, ListKey, row_of_view
from neurorail.collector.views import Counts, EntityView, Totals
from neurorail.rules.observations import Fields, Ids
from neurorail.semconv.attributes import ENTITY_TYPES


def make_view(*ids: str, **changes: Any) -> EntityView:
    """The entity at the end of the chain `ids`, from the mission down."""
    level = len(ids) - 1
    chain: Ids = (*ids, *[None] * (5 - len(ids)))
    view = EntityView(
        tenant="default",
        entity_type=ENTITY_TYPES[level],
        entity_id=ids[-1],
        ids=chain,
        state="running",
        created_unix_nano=START_UNIX_NANO,
        started_unix_nano=START_UNIX_NANO + SECOND,
        ended_unix_nano=0,
        last_transition_unix_nano=START_UNIX_NANO + SECOND,
        first_signal_ms=None,
        error_code=None,
        flags=(),
        fields=Fields(),
        totals=Totals(),
    )
    return replace(view, **changes)


@dataclass(slots=True)
class DictEngine:
    """Answers what it was given."""

    views: list[EntityView] = field(default_factory=list)
    answer: Counts = field(default_factory=Counts)

    async def entity(self, tenant: str, entity_id: str) -> EntityView | None:
        """The entity, if it was given."""
        found = [v for v in self.views if v.tenant == tenant and v.entity_id == entity_id]
        return found[0] if found else None

    async def subtree(self, tenant: str, entity_id: str, limit: int) -> Sequence[EntityView]:
        """Entities whose chain names the id, in the order given."""
        return [v for v in self.views if v.tenant == tenant and entity_id in v.ids][:limit]

    async def recent_missions(self, tenant: str, limit: int) -> Sequence[EntityView]:
        """Missions, the one given last first."""
        missions = [v for v in self.views if v.tenant == tenant and v.entity_type == "mission"]
        return missions[::-1][:limit]

    async def open_entities(
        self, wanted: EntityFilter, after: ListKey | None, limit: int
    ) -> Sequence[EntityRow]:
        """Those that have not ended and may pass, the one given last first."""
        views = [v for v in self.views if v.tenant == wanted.tenant and not v.ended_unix_nano]
        rows = [row_of_view(view) for view in views[::-1]]
        rows = [row for row in rows if after is None or row.key < after]
        return [row for row in rows if wanted.matches(row, (row.entity_id,))][:limit]

    async def counts(self, tenant: str) -> Counts:
        """The counts it was given."""
        return self.answer
