"""Limits whose amount a person set: they hold in place of what telemetry and manifest say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from neurorail.rules.entity import Entity
from neurorail.rules.governor.amounts import PLACE
from neurorail.rules.kept import Kind
from neurorail.rules.manifest.limits import ENFORCE, Limit
from neurorail.rules.state import State

CHANGED_MAX: Final = 10_000
"""Open entities of a tenant whose changed limits agents are told when they connect; the newest."""
CHANGED: Final[Kind[dict[str, int]]] = Kind(
    "changed_budget",
    CHANGED_MAX,
    lambda limits: [limits],
    lambda row: dict(row[0]),
    evicts=True,
)
"""By entity id: fields of `Budget` and the amounts that a person set, while the entity is open."""


def is_set(entity: Entity, kind: str) -> bool:
    """Whether a person set the limit of a kind."""
    return bool(entity.limits_by_hand >> PLACE[kind] & 1)


def note_set(entity: Entity, kinds: Iterable[str]) -> None:
    """Remember that a person set these."""
    for kind in kinds:
        entity.limits_by_hand |= 1 << PLACE[kind]


def tell(state: State, entity: Entity, limits: dict[str, int]) -> None:
    """Remember what agents are to be told of an open entity."""
    known = state.kept.get(CHANGED, state.tenant, entity.id) or {}
    state.kept.put(CHANGED, state.tenant, entity.id, known | limits)


def forget(state: State, entity: Entity) -> None:
    """It has ended: nobody need be told any more."""
    if state.kept.get(CHANGED, state.tenant, entity.id) is not None:
        state.kept.remove(CHANGED, state.tenant, entity.id)


def in_force(entity: Entity, limits: tuple[Limit, ...]) -> tuple[Limit, ...]:
    """Those of the manifest's limits of an entity that hold.

    What only observes or warns refuses nothing, so that it goes on whatever a person allowed.
    """
    if not entity.limits_by_hand:
        return limits
    return tuple(
        limit for limit in limits if limit.severity != ENFORCE or not is_set(entity, limit.kind)
    )
