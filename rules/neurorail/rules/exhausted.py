"""Telling agents that a budget is used up: `decide` sees for itself, those that do not ask cannot.

A budget that is used up to its limit, or past it, suspends what would use more of it (NR-E002). Its
directive expires, and the next usage that finds it so renews it.
"""

from __future__ import annotations

import json
from typing import Final

from neurorail.rules import directives
from neurorail.rules.config import MS
from neurorail.rules.directives import BUDGET_CODE, SUSPEND, Directive, Scope, entity_scope
from neurorail.rules.entity import Entity
from neurorail.rules.manifest.model import PoolRule
from neurorail.rules.reflex.scope import known_before, plain_scope
from neurorail.rules.state import State

HOLDS_MS: Final = 3_600_000
"""How long a budget that never renews holds without further usage."""
STOPPABLE: Final = frozenset(
    {"tokens", "input_tokens", "output_tokens", "cost", "tool_calls", "model_calls", "wall_time"}
)
"""Kinds of limit that a further call would pass."""


def entity_checked(
    state: State, entity: Entity, kind: str, *, exhausted: bool, rule: str = ""
) -> None:
    """A budget of an entity was looked at: suspend what is below it, or let it go on.

    Args:
        state: the engine's state.
        entity: whose budget it is.
        kind: which of its limits.
        exhausted: whether it is used up.
        rule: the manifest's rule; empty for what the entity states itself.
    """
    if kind not in STOPPABLE or (not exhausted and not directives.hold(state)):
        return
    name = f"budget:{entity.id}:{kind}:{rule}"
    if not exhausted:
        directives.lift(state, name, "the budget is not used up any more")
        return
    if directives.find(state, name) is not None:
        return
    scope = entity_scope(entity.type, entity.id)
    if kind == "tool_calls":
        scope = {f"{entity.type}_id": entity.id, "operation": "tool"}
    reason = f"{entity.type} used up its {kind} budget"
    _suspend(state, name, scope, reason, rule, state.now + HOLDS_MS * MS)


def pool_checked(
    state: State, rule: PoolRule, name: str, kind: str, *, exhausted: bool, renews_at: int
) -> None:
    """A pool was looked at: suspend what belongs to it until it renews, or let it go on.

    There is nothing to let go on where no directive holds: then it need not be told.

    Args:
        state: the engine's state.
        rule: the pool's rule.
        name: the name of its books, which ends in its key.
        kind: which of its limits.
        exhausted: whether it is used up.
        renews_at: when its period ends or its oldest usage leaves; 0 for never.
    """
    key = name.partition("|")[2]
    directive_id = f"budget:pool {rule.id}:{key}:{kind}"
    if not exhausted:
        directives.lift(state, directive_id, "the pool is not used up any more")
        return
    scope = _pool_scope(rule, key, kind)
    if scope is None or directives.find(state, directive_id) is not None:
        return
    expires = renews_at or state.now + HOLDS_MS * MS
    if expires > state.now:
        _suspend(state, directive_id, scope, f"pool {rule.id} is used up: {kind}", rule.id, expires)


def _pool_scope(rule: PoolRule, key: str, kind: str) -> Scope | None:
    """What belongs to a pool; None where agents could not tell, or would not stop using it."""
    scope = plain_scope(rule.when)
    if scope is None or kind not in STOPPABLE or not all(map(known_before, rule.key)):
        return None
    for fact, value in zip(rule.key, json.loads(key), strict=True):
        scope[fact] = None if value is None else directives.fact_text(value)
    if kind == "tool_calls":
        scope["operation"] = "tool"
    return scope


def _suspend(state: State, name: str, scope: Scope, reason: str, rule: str, expires: int) -> None:
    directives.issue(
        state,
        Directive(name, SUSPEND, scope, BUDGET_CODE, reason, rule, state.now, expires),
    )
