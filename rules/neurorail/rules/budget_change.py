"""A person changes the budget of an entity while it runs.

The limits named hold from this record on, in place of what telemetry and the manifest say of the
same kinds; telemetry that repeats its own limit later changes nothing. What is consumed and
reserved already counts against them. Where they are above what is consumed, work goes on: what held
only because the old limit was used up is taken back, warnings and violations may come anew. Where
they are not, the budget is used up at once. Budgets above and pools hold as before.
"""

from __future__ import annotations

from typing import Final

from neurorail.rules import budgets, directives, placement
from neurorail.rules.directives import DIRECTIVES, entity_scope
from neurorail.rules.entity import LEVEL_NAMES, OVER_BUDGET, Entity
from neurorail.rules.events import INFO, WARNING
from neurorail.rules.governor import by_hand
from neurorail.rules.governor.idempotency import ANSWERS, Answer
from neurorail.rules.governor.scopes import OF_BUDGET, own_limits
from neurorail.rules.manifest.facts import entity_facts
from neurorail.rules.manifest.limits import ENFORCE
from neurorail.rules.observations import Budget, BudgetChanged
from neurorail.rules.once import is_repeated
from neurorail.rules.state import State

UNKNOWN: Final = "unknown"
ENDED: Final = "ended"
CODE: Final = "NR-E301"
"""Terminal is for ever, and so is what the end was judged by."""

_BITS: Final = {
    "tokens": budgets.TOKENS_BIT,
    "input_tokens": budgets.INPUT_BIT,
    "output_tokens": budgets.OUTPUT_BIT,
    "cost": budgets.COST_BIT,
    "tool_calls": budgets.TOOL_BIT,
    "model_calls": budgets.MODEL_BIT,
    "wall_time": budgets.TIMEOUT_BIT,
    "retries": budgets.RETRIES_BIT,
    "parallel": budgets.PARALLEL_BIT,
}
_LIFTED: Final = "its budget was changed"


def change(state: State, seen: BudgetChanged) -> None:
    """Let new limits hold, and say so; once for an idempotency key."""
    entity_id = seen.ids[seen.level]
    if seen.once is not None and is_repeated(state, seen.once, entity_id):
        return
    entity = state.entity(entity_id) if entity_id is not None else None
    if entity is None or not entity.state or entity.terminal:
        _refuse(state, seen, entity)
        return
    before = _limits_in_force(state, entity)
    kinds = _set(entity, seen.limits)
    limits = {name: getattr(seen.limits, name) for name in kinds.values()}
    by_hand.tell(state, entity, limits)
    state.touch(entity)
    state.emit(
        "budget_changed",
        entity.ids,
        state.now,
        {
            "entity_type": entity.type,
            "entity_id": entity.id,
            "scope": entity_scope(entity.type, entity.id),
            "before": {name: before.get(kind) for kind, name in kinds.items()},
            "limits": limits,
            "reason": seen.reason,
        },
        f"the budget of a {entity.type} was changed: {seen.reason or 'by hand'}",
        WARNING,
    )
    _judge_anew(state, entity, kinds)
    _take_back(state, entity, kinds)
    placement.arm(state, entity)


def _refuse(state: State, seen: BudgetChanged, entity: Entity | None) -> None:
    known = entity is not None and bool(entity.state)
    name = LEVEL_NAMES[seen.level]
    why = f"the {name} is {entity.state} for ever" if entity and known else f"no such {name}"
    state.emit(
        "budget_change_refused",
        seen.ids if entity is None else entity.ids,
        state.now,
        {
            "entity_type": name,
            "entity_id": seen.ids[seen.level],
            "refusal": ENDED if known else UNKNOWN,
            "current_state": entity.state if entity and known else None,
            "code": CODE if known else None,
            "reason": why,
        },
        f"a budget was not changed: {why}",
        INFO,
    )


def _limits_in_force(state: State, entity: Entity) -> dict[str, int]:
    """The strictest refusing limit of each kind, the entity's own and the manifest's."""
    limits = by_hand.in_force(
        entity, state.manifest.entity_limits(entity.type, entity_facts(state, entity))
    )
    if entity.budget is not None:
        limits += own_limits(entity.budget, state.config.warn_percent)
    found: dict[str, int] = {}
    for limit in limits:
        if limit.severity == ENFORCE:
            found[limit.kind] = min(limit.amount, found.get(limit.kind, limit.amount))
    return found


def _set(entity: Entity, limits: Budget) -> dict[str, str]:
    """Put the limits in force; the kinds that are set, with their fields."""
    if entity.budget is None:
        entity.budget = Budget()
    kinds = {kind: name for kind, name in OF_BUDGET if getattr(limits, name) is not None}
    for name in kinds.values():
        setattr(entity.budget, name, getattr(limits, name))
    by_hand.note_set(entity, kinds)
    return kinds


def _judge_anew(state: State, entity: Entity, kinds: dict[str, str]) -> None:
    """Nothing was said of the new limits yet: warn of them, and find them broken, anew."""
    for kind in kinds:
        entity.warned &= ~_BITS[kind]
        entity.violated &= ~_BITS[kind]
    if not entity.violated:
        entity.flags &= ~OVER_BUDGET
    if "parallel" in kinds:
        entity.intervals = []  # Who ran at once before was judged by the limit before.
    if "wall_time" in kinds:
        entity.timeout_enforced = False
        directives.lift(state, budgets.timeout_name(entity), _LIFTED)
    budgets.check_all(state, entity, state.now)


def _take_back(state: State, entity: Entity, kinds: dict[str, str]) -> None:
    """Lift what held because a limit was used up that is another one now."""
    starts = tuple(f"budget:{entity.id}:{kind}:" for kind in kinds)
    names = [name for name, _ in state.kept.of(DIRECTIVES, state.tenant) if name.startswith(starts)]
    still = {f"budget:{entity.id}:{kind}:" for kind in budgets.used_up(entity)}
    for name in names:
        if name not in still:
            directives.lift(state, name, _LIFTED)
    answers = list(state.kept.of(ANSWERS, state.tenant))
    for name, answer in answers:
        if _refused_for(answer, entity.id):
            state.kept.remove(ANSWERS, state.tenant, name)


def _refused_for(answer: Answer, entity_id: str) -> bool:
    """Whether a remembered answer is a refusal that has to do with an entity's budget."""
    return not answer.data["allowed"] and any(
        reason.get("scope", {}).get("entity_id") == entity_id for reason in answer.data["reasons"]
    )
