"""Pictures of the governor's books, taken on the applier's thread."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from neurorail.collector.engine.view import Asked
from neurorail.rules.engine import Engine
from neurorail.rules.entity import entity_key
from neurorail.rules.governor import books
from neurorail.rules.governor.by_hand import CHANGED
from neurorail.rules.governor.decided import Decided, decided
from neurorail.rules.observations import Ids


@dataclass(frozen=True, slots=True)
class Books:
    """Budgets and pools at one moment."""

    as_of_unix_nano: int
    """When the last record was received that they know of."""
    scopes: list[dict[str, Any]]
    """Each with its limits; money in pico-USD."""


@dataclass(frozen=True, slots=True)
class ChangedBudget:
    """Limits of an open entity that a person set."""

    entity_type: str
    entity_id: str
    ids: Ids
    limits: dict[str, int]
    """Money in pico-USD."""


class AppliedGovernor:
    """Asks a running engine what it decided and what is left."""

    def __init__(self, engine: Asked) -> None:
        self._engine = engine

    async def decided(self, tenant: str) -> Decided:
        """How much was decided, and the newest decisions."""
        return await self._engine.ask(partial(_decided, tenant=tenant))

    async def pools(self, tenant: str, most: int) -> Books:
        """The newest windows of all pools, newest first."""
        return await self._engine.ask(partial(_pools, tenant=tenant, most=most))

    async def missions(self, tenant: str, most: int) -> Books:
        """The budgets of the newest open missions that have any, newest first."""
        return await self._engine.ask(partial(_missions, tenant=tenant, most=most))

    async def budgets(self, tenant: str, entity_id: str) -> Books | None:
        """What an entity may still use, on every level and in every pool; None if it is unknown."""
        return await self._engine.ask(partial(_budgets, tenant=tenant, entity_id=entity_id))

    async def changed(self, tenant: str) -> list[ChangedBudget]:
        """What people set of entities that are open, oldest first."""
        return await self._engine.ask(partial(_changed, tenant=tenant))


def _decided(engine: Engine, tenant: str) -> Decided:
    return decided(engine.state, tenant)


def _pools(engine: Engine, tenant: str, most: int) -> Books:
    engine.state.tenant = tenant
    return Books(engine.state.now, books.of_pools(engine.state, most))


def _missions(engine: Engine, tenant: str, most: int) -> Books:
    engine.state.tenant = tenant
    return Books(engine.state.now, books.of_missions(engine.state, most))


def _budgets(engine: Engine, tenant: str, entity_id: str) -> Books | None:
    state = engine.state
    state.tenant = tenant
    entity = state.entity_by_key(entity_key(tenant, entity_id))
    found = None
    if entity is not None and entity.state:
        found = Books(state.now, books.of_entity(state, entity))
    state.absent.clear()
    return found


def _changed(engine: Engine, tenant: str) -> list[ChangedBudget]:
    state = engine.state
    state.tenant = tenant
    found = []
    for entity_id, limits in state.kept.of(CHANGED, tenant):
        entity = state.existing(entity_id)
        found.append(ChangedBudget(entity.type, entity.id, entity.ids, dict(limits)))
    state.absent.clear()
    return found
