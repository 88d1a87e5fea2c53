"""Pictures of the engine's state for readers, taken on the applier's thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol, TypeVar

from neurorail.collector.history.entities import (
    OPEN_MAX,
    EntityFilter,
    EntityRow,
    ListKey,
    row_of_view,
)
from neurorail.collector.views import Counts, EntityView, Totals
from neurorail.rules.engine import Engine
from neurorail.rules.entity import (
    CACHE_READ,
    CACHE_WRITE,
    COST,
    FLAG_NAMES,
    INPUT,
    LEVEL_NAMES,
    MODEL_CALLS,
    OUTPUT,
    REASONING,
    TOOL_CALLS,
    UNPRICED,
    Entity,
    entity_key,
)
from neurorail.rules.lifecycle import TERMINAL
from neurorail.rules.observations import Fields

T = TypeVar("T")
TENANTS_MAX: Final = 1_000


class Asked(Protocol):
    """An engine that runs, here or in a process of its own."""

    @property
    def seq(self) -> int:
        """The last record applied."""
        ...

    async def ask(self, question: Callable[[Engine], T]) -> T:
        """Let the engine answer; the question is a function of a module, or a partial of one."""
        ...


class AppliedView:
    """The `EngineView` of a running applier."""

    def __init__(self, applier: Asked) -> None:
        self._applier = applier

    async def entity(self, tenant: str, entity_id: str) -> EntityView | None:
        """One entity; None when it was never seen."""
        return await self._applier.ask(partial(_entity, tenant=tenant, entity_id=entity_id))

    async def subtree(self, tenant: str, entity_id: str, limit: int) -> Sequence[EntityView]:
        """The entity and its descendants, parents first."""
        return await self._applier.ask(
            partial(_subtree, tenant=tenant, entity_id=entity_id, limit=limit)
        )

    async def recent_missions(self, tenant: str, limit: int) -> Sequence[EntityView]:
        """The missions that were created last, newest first."""
        return await self._applier.ask(partial(_recent, tenant=tenant, limit=limit))

    async def open_entities(
        self, wanted: EntityFilter, after: ListKey | None, limit: int
    ) -> Sequence[EntityRow]:
        """Entities that have not ended, are in memory and may pass; `OPEN_MAX` are looked at."""
        return await self._applier.ask(partial(_open, wanted=wanted, after=after, limit=limit))

    async def tenants(self) -> Sequence[str]:
        """Tenants with entities, at most `TENANTS_MAX`."""
        return await self._applier.ask(_tenants)

    async def counts(self, tenant: str) -> Counts:
        """Counts over all entities of a tenant."""
        return await self._applier.ask(partial(_counts, tenant=tenant, seq=self._applier.seq))


def _found(engine: Engine, tenant: str, entity_id: str) -> Entity | None:
    found = engine.state.entity_by_key(entity_key(tenant, entity_id))
    engine.state.absent.clear()
    return found if found is not None and found.state else None


def _entity(engine: Engine, tenant: str, entity_id: str) -> EntityView | None:
    found = _found(engine, tenant, entity_id)
    return None if found is None else view_of(found)


def _subtree(engine: Engine, tenant: str, entity_id: str, limit: int) -> list[EntityView]:
    views: list[EntityView] = []
    level = [entity_id]
    while level and len(views) < limit:
        below: list[str] = []
        for child_id in level[: limit - len(views)]:
            found = _found(engine, tenant, child_id)
            if found is not None:
                views.append(view_of(found))
                below.extend(found.children)
        level = below
    return views


def _recent(engine: Engine, tenant: str, limit: int) -> list[EntityView]:
    ids = list(engine.state.recent_missions.get(tenant, {}))
    views = (_entity(engine, tenant, mission_id) for mission_id in reversed(ids[-limit:]))
    return [view for view in views if view is not None]


def _open(
    engine: Engine, wanted: EntityFilter, after: ListKey | None, limit: int
) -> list[EntityRow]:
    level = LEVEL_NAMES.index(wanted.entity_type)
    found = [
        entity
        for entity in engine.state.entities.values()
        if entity.level == level
        and entity.state
        and entity.state not in TERMINAL
        and entity.tenant == wanted.tenant
        and (after is None or (entity.created, entity.id) < after)
    ]
    found.sort(key=lambda entity: (entity.created, entity.id), reverse=True)
    rows: list[EntityRow] = []
    for entity in found[:OPEN_MAX]:
        row = row_of_view(view_of(entity))
        if wanted.matches(row, (row.entity_id,)):
            rows.append(row)
            if wanted.is_sure and len(rows) == limit:
                break
    return rows


def _tenants(engine: Engine) -> list[str]:
    return list(engine.state.by_state)[:TENANTS_MAX]


def _counts(engine: Engine, tenant: str, seq: int) -> Counts:
    state = engine.state
    by_state = {kind: dict(states) for kind, states in state.by_state.get(tenant, {}).items()}
    return Counts(by_state=by_state, sums=dict(state.counters), as_of_seq=seq)


def view_of(entity: Entity) -> EntityView:
    """The picture of one entity."""
    totals = entity.totals
    fields = entity.fields or Fields()
    if entity.budget is not None:
        fields = Fields(*[getattr(fields, name) for name in Fields.__slots__])
        fields.budget = entity.budget
    return EntityView(
        tenant=entity.tenant,
        entity_type=entity.type,
        entity_id=entity.id,
        ids=entity.ids,
        state=entity.state,
        created_unix_nano=entity.created,
        started_unix_nano=entity.started,
        ended_unix_nano=entity.ended,
        last_transition_unix_nano=entity.last_transition,
        first_signal_ms=entity.first_signal_ms,
        error_code=entity.error_code,
        flags=tuple(name for bit, name in FLAG_NAMES if entity.flags & bit),
        fields=fields,
        totals=Totals(
            input_tokens=totals[INPUT],
            output_tokens=totals[OUTPUT],
            cache_read_tokens=totals[CACHE_READ],
            cache_write_tokens=totals[CACHE_WRITE],
            reasoning_tokens=totals[REASONING],
            cost_usd_pico=totals[COST],
            unpriced_calls=totals[UNPRICED],
            model_calls=totals[MODEL_CALLS],
            tool_calls=totals[TOOL_CALLS],
            attempts=entity.attempts,
            retries=entity.retries,
        ),
        children=tuple(entity.children),
    )
