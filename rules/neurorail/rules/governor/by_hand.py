"""Limits whose amount a person set: they hold in place of what telemetry and manifest say."""

from __future__ import annotations

from collections.abc import Iterable

from neurorail.rules.entity import Entity
from neurorail.rules.governor.amounts import PLACE
from neurorail.rules.manifest.limits import ENFORCE, Limit


def is_set(entity: Entity, kind: str) -> bool:
    """Whether a person set the limit of a kind."""
    return bool(entity.limits_by_hand >> PLACE[kind] & 1)


def note_set(entity: Entity, kinds: Iterable[str]) -> None:
    """Remember that a person set these."""
    for kind in kinds:
        entity.limits_by_hand |= 1 << PLACE[kind]


def in_force(entity: Entity, limits: tuple[Limit, ...]) -> tuple[Limit, ...]:
    """Those of the manifest's limits of an entity that hold.

    What only observes or warns refuses nothing, so that it goes on whatever a person allowed.
    """
    if not entity.limits_by_hand:
        return limits
    return tuple(
        limit for limit in limits if limit.severity != ENFORCE or not is_set(entity, limit.kind)
    )
