"""Shadows: other manifests asked beside the active one, wherever that one is asked.

A shadow decides nothing. It is asked for the mode, the effect and the limits of the same facts, and
whether by its entity budgets and its pools what was asked for would still fit. Its pools have books
of their own, since it became a shadow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from neurorail.rules.entity import COST, INPUT, LEVEL_NAMES, MODEL_CALLS, OUTPUT, TOOL_CALLS, Entity
from neurorail.rules.governor import shadow_pools
from neurorail.rules.governor.reservation_row import Reservation
from neurorail.rules.manifest.facts import Facts, entity_facts
from neurorail.rules.manifest.limits import ENFORCE, Limit
from neurorail.rules.manifest.model import CONFIRM, DIRECT, REFUSE, Manifest
from neurorail.rules.manifest.records import COMPARED, Compared, Entry
from neurorail.rules.observations import RESOURCE, Ids

if TYPE_CHECKING:
    from neurorail.rules.state import State

_STOPS: Final = (CONFIRM, REFUSE)


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a manifest says to some facts."""

    mode: str
    stops: tuple[str, ...]
    """Rules that refuse, or want a person's confirmation."""
    limits: tuple[tuple[str, Limit], ...]
    """Level and limit, of every entity of the chain."""
    pools: tuple[tuple[str, Limit], ...]
    """Window and limit of every pool."""


def opinion(manifest: Manifest, facts: Facts, ids: Ids) -> Opinion:
    """What a manifest says: mode, what its rules refuse, and its limits."""
    stops = [
        rule.id
        for rule in manifest.modes_of.matching(facts)
        if rule.severity == ENFORCE and rule.effect in _STOPS
    ]
    limits = [
        (LEVEL_NAMES[level], limit)
        for level in range(RESOURCE)
        if ids[level] is not None
        for limit in manifest.entity_limits(LEVEL_NAMES[level], facts)
    ]
    in_pools = [
        (pool.rule.window.text, limit)
        for pool in manifest.pools_of.matching(facts)
        for limit in manifest.pool_limits(pool.rule.id)
    ]
    return Opinion(manifest.mode_of(facts), tuple(stops), tuple(limits), tuple(in_pools))


def compare(
    state: State,
    facts: Facts,
    ids: Ids,
    asked: Mapping[str, int],
    granted: Reservation | None = None,
) -> None:
    """Ask every shadow of the record's tenant, and say where one differs.

    Args:
        state: the engine's state.
        facts: what was decided about.
        ids: its chain.
        asked: the amounts it asks for, by kind of limit; none of them for what runs without asking.
        granted: what was set aside for it; None if it was refused, or runs without asking.
    """
    if not state.shadows:
        return
    allowed = granted is not None or not asked
    active = opinion(state.manifest, facts, ids)
    # What was granted passes no pool: what it holds there already is its own.
    in_force = [] if granted is not None else shadow_pools.passed_in_force(state, facts, asked)
    active_stops = [*active.stops, *_exceeded(state, active, ids, asked), *in_force]
    for entry in state.shadows:
        shadow = opinion(entry.manifest, facts, ids)
        stops = [
            *shadow.stops,
            *_exceeded(state, shadow, ids, asked),
            *shadow_pools.passed_by(state, entry, facts, asked),
        ]
        differs = {
            "mode": shadow.mode != active.mode,
            "budget": _amounts(shadow) != _amounts(active),
            "newly_refused": allowed and bool(stops) and not active_stops,
            "newly_allowed": not allowed and bool(active_stops) and not stops,
        }
        _tell(state, entry, ids, differs, (active.mode, shadow.mode), stops)
        if granted is not None:
            shadow_pools.granted(state, entry, facts, granted, refused=bool(stops))


def attempt_started(state: State, attempt: Entity) -> None:
    """An attempt began that nobody had to ask for: shadows are asked what they would have said."""
    facts = entity_facts(state, attempt)
    if opinion(state.manifest, facts, attempt.ids).mode == DIRECT:
        compare(state, facts, attempt.ids, {})


def _tell(
    state: State,
    entry: Entry,
    ids: Ids,
    differs: Mapping[str, bool],
    modes: tuple[str, str],
    stops: list[str],
) -> None:
    one = state.kept.get(COMPARED, state.tenant, entry.version)
    assert one is not None, "a shadow has its numbers"
    _count(one, differs)
    state.kept.changed(COMPARED, state.tenant, entry.version)
    if not any(differs.values()):
        return
    kinds = [kind for kind, different in differs.items() if different]
    state.emit(
        "shadow_diverged",
        ids,
        state.now,
        {
            "shadow_version": entry.version,
            "active_version": state.manifest.version,
            "differs": kinds,
            "active_mode": modes[0],
            "shadow_mode": modes[1],
            "refused_by": stops,
        },
        f"manifest {entry.version} differs: {', '.join(kinds)}",
    )


def _count(one: Compared, differs: Mapping[str, bool]) -> None:
    one.evaluations += 1
    one.mode_diverged += differs["mode"]
    one.budget_diverged += differs["budget"]
    one.newly_refused += differs["newly_refused"]
    one.newly_allowed += differs["newly_allowed"]


def _amounts(one: Opinion) -> list[tuple[str, str, int, str]]:
    """The limits without the names of their rules; those of pools in no order."""
    limits = [*one.limits, *sorted(one.pools, key=_as_text)]
    return [(where, limit.kind, limit.amount, limit.severity) for where, limit in limits]


def _as_text(one: tuple[str, Limit]) -> tuple[str, str, int, str]:
    where, limit = one
    return (where, limit.kind, limit.amount, limit.severity)


def _exceeded(state: State, one: Opinion, ids: Ids, asked: Mapping[str, int]) -> list[str]:
    """The rules whose limits what was consumed and is asked for now would pass."""
    found: dict[str, None] = {}
    for level, limit in one.limits:
        if limit.severity != ENFORCE:
            continue
        entity_id = ids[LEVEL_NAMES.index(level)]
        entity = state.entity(entity_id) if entity_id is not None else None
        used = _used(entity, limit.kind) if entity is not None else 0
        if used + asked.get(limit.kind, 0) > limit.amount:
            found[limit.rule_id] = None
    return list(found)


def _used(entity: Entity, kind: str) -> int:
    totals = entity.totals
    used = {
        "tokens": totals[INPUT] + totals[OUTPUT],
        "input_tokens": totals[INPUT],
        "output_tokens": totals[OUTPUT],
        "cost": totals[COST],
        "tool_calls": totals[TOOL_CALLS],
        "model_calls": totals[MODEL_CALLS],
        "retries": entity.retries,
        "parallel": entity.attempts_running,
    }
    return used.get(kind, 0)
