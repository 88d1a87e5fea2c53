"""The manifest's budgets of entities, looked at when something is consumed.

Limits that an entity states itself are in `budgets`; both hold, each for itself.
"""

from __future__ import annotations

from typing import Final

from neurorail.rules import exhausted
from neurorail.rules.entity import LEVEL_NAMES, Entity
from neurorail.rules.governor import by_hand
from neurorail.rules.governor.accounts import ENTITY_ACCOUNTS, Account
from neurorail.rules.governor.amounts import PARALLEL, PLACE, RETRIES, USED
from neurorail.rules.governor.consumed import consumed_by
from neurorail.rules.governor.crossing import (
    VIOLATION,
    WARNING,
    crossed,
    is_near,
    tell_violation,
    tell_warning,
)
from neurorail.rules.manifest.facts import entity_facts
from neurorail.rules.manifest.limits import ENFORCE, OBSERVE, Limit
from neurorail.rules.observations import ATTEMPT, JOB, Ids
from neurorail.rules.reflex import observe
from neurorail.rules.state import State

_USED: Final = frozenset(USED)
_ATTEMPTS: Final = frozenset({RETRIES, PARALLEL})


def usage_charged(state: State, ids: Ids) -> None:
    """A call was charged: look at the levels that the manifest gives budgets."""
    policy = state.manifest
    for level, entity_id in enumerate(ids[: ATTEMPT + 1]):
        if entity_id is not None and policy.has_budgets(LEVEL_NAMES[level]):
            _check(state, state.existing(entity_id), _USED)


def attempt_started(state: State, attempt: Entity) -> None:
    """An attempt runs: look at retries and attempts at once on the levels above."""
    policy = state.manifest
    for level, entity_id in enumerate(attempt.ids[: JOB + 1]):
        if entity_id is not None and policy.has_budgets(LEVEL_NAMES[level]):
            _check(state, state.existing(entity_id), _ATTEMPTS)


def _check(state: State, entity: Entity, places: frozenset[int]) -> None:
    limits = state.manifest.entity_limits(entity.type, entity_facts(state, entity))
    if not limits:
        return
    consumed = consumed_by(state, entity)
    for limit in by_hand.in_force(entity, limits):
        place = PLACE[limit.kind]
        if place in places:
            _look(state, entity, limit, consumed[place])


def _look(state: State, entity: Entity, limit: Limit, consumed: int) -> None:
    if limit.severity == ENFORCE:
        over = consumed >= limit.amount
        exhausted.entity_checked(state, entity, limit.kind, exhausted=over, rule=limit.rule_id)
    kept, tenant = state.kept, state.tenant
    books = kept.get(ENTITY_ACCOUNTS, tenant, entity.id)
    if books is None:
        if not is_near(limit, consumed):
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
    limits = policy.entity_limits(entity.type, entity_facts(state, entity))
    stated = [
        limit.amount
        for limit in by_hand.in_force(entity, limits)
        if limit.kind == "wall_time" and limit.severity == ENFORCE
    ]
    return min([*stated, *([] if own is None else [own])], default=None)
