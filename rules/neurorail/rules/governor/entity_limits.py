"""The manifest's budgets of entities, looked at when something is consumed.

Limits that an entity states itself are in `budgets`; both hold, each for itself.
"""

from __future__ import annotations

from neurorail.rules import directives, exhausted
from neurorail.rules.entity import (
    INPUT,
    LEVEL_NAMES,
    OUTPUT,
    Entity,
)
from neurorail.rules.governor import by_hand
from neurorail.rules.governor.accounts import ENTITY_ACCOUNTS, Account
from neurorail.rules.governor.amounts import PLACE
from neurorail.rules.governor.consumed import USED_PLACES
from neurorail.rules.governor.crossing import (
    VIOLATION,
    WARNING,
    crossed,
    tell_violation,
    tell_warning,
)
from neurorail.rules.manifest.entity_limits import EntityLimits
from neurorail.rules.manifest.facts import entity_facts
from neurorail.rules.manifest.limits import ENFORCE, OBSERVE, Limit
from neurorail.rules.observations import JOB, MISSION, Ids
from neurorail.rules.reflex import observe
from neurorail.rules.state import State


def usage_charged(state: State, ids: Ids) -> None:
    """A call was charged: look at the levels that the manifest gives budgets."""
    for level in state.manifest.budget_levels:
        entity_id = ids[level]
        if entity_id is not None:
            _usage_of(state, state.existing(entity_id))


def _usage_of(state: State, entity: Entity) -> None:
    totals = entity.totals
    for limit in _limits(state, entity):
        places = USED_PLACES.get(limit.kind)
        if places is not None:
            consumed = totals[places[0]] if len(places) == 1 else totals[INPUT] + totals[OUTPUT]
            _look(state, entity, limit, consumed)


def attempt_started(state: State, attempt: Entity) -> None:
    """An attempt runs: look at retries and attempts at once on the levels above."""
    for level in state.manifest.budget_levels:
        entity_id = attempt.ids[level] if level <= JOB else None
        if entity_id is not None:
            _attempts_of(state, state.existing(entity_id))


def _attempts_of(state: State, entity: Entity) -> None:
    for limit in _limits(state, entity):
        if limit.kind == "retries":
            _look(state, entity, limit, entity.retries)
        elif limit.kind == "parallel":
            _look(state, entity, limit, entity.attempts_running)


def _limits(state: State, entity: Entity) -> tuple[Limit, ...]:
    """The manifest's limits of an entity that hold."""
    of_level = state.manifest.limits_at(entity.type)
    assert of_level is not None, "asked of levels alone that have budgets"
    limits = of_level.of_all
    if limits is None:
        limits = _found(state, entity, of_level)
    return by_hand.in_force(entity, limits) if limits else limits


def _found(state: State, entity: Entity, of_level: EntityLimits) -> tuple[Limit, ...]:
    """Limits that depend on facts. What a mission says of itself seldom changes."""
    known = entity.limits_known
    if known is not None and known[0] is of_level and known[1] is entity.fields:
        found: tuple[Limit, ...] = known[2]
        return found
    limits = of_level.of(entity_facts(state, entity))
    if entity.level == MISSION and of_level.by_words:
        entity.limits_known = (of_level, entity.fields, limits)
    return limits


def _look(state: State, entity: Entity, limit: Limit, consumed: int) -> None:
    if limit.severity == ENFORCE:
        over = consumed >= limit.amount
        if over or directives.hold(state):
            exhausted.entity_checked(state, entity, limit.kind, exhausted=over, rule=limit.rule_id)
    kept, tenant = state.kept, state.tenant
    books = kept.get(ENTITY_ACCOUNTS, tenant, entity.id)
    if books is None:
        if consumed < limit.near:
            return
        books = Account()
    what = crossed(books, limit, consumed)
    if what is None:
        return
    kept.put(ENTITY_ACCOUNTS, tenant, entity.id, books)
    label = {"entity_type": entity.type, "entity_id": entity.id}
    held = books.held(PLACE[limit.kind])
    if what == WARNING:
        tell_warning(state, label, entity.ids, limit, consumed, held)
        return
    assert what == VIOLATION, "a limit is approached or passed"
    tell_violation(state, label, entity.ids, limit, consumed, held)
    if limit.severity != OBSERVE:
        observe.violated(state, entity, limit.kind)


def entity_ended(state: State, entity: Entity, books: Account) -> None:
    """What was told about an entity that ended need not be known any more."""
    books.warned, books.violated = {}, {}
    if books.idle:
        state.kept.remove(ENTITY_ACCOUNTS, state.tenant, entity.id)
    else:
        state.kept.changed(ENTITY_ACCOUNTS, state.tenant, entity.id)


def timeout_ms(state: State, entity: Entity) -> int | None:
    """The strictest time limit of an entity, its own and the manifest's."""
    own = entity.budget.timeout_ms if entity.budget is not None else None
    policy = state.manifest
    if LEVEL_NAMES[entity.level] not in policy.timed_levels:
        return own
    stated = [
        limit.amount
        for limit in _limits(state, entity)
        if limit.kind == "wall_time" and limit.severity == ENFORCE
    ]
    return min([*stated, *([] if own is None else [own])], default=None)
