"""Where the engine tells reflexes what happened. Nothing is spent where a manifest has none."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from neurorail.rules.config import MS
from neurorail.rules.entity import Entity
from neurorail.rules.governor import by_hand
from neurorail.rules.governor.consumed import USED_PLACES
from neurorail.rules.governor.scopes import OF_BUDGET
from neurorail.rules.lifecycle import CANCELLED, SUCCEEDED
from neurorail.rules.manifest import actions as manifest_actions
from neurorail.rules.manifest.facts import ChainFacts, Facts, call_facts, entity_facts
from neurorail.rules.manifest.model import ReflexRule
from neurorail.rules.manifest.triggers import BurnRate
from neurorail.rules.observations import JOB, RESOURCE, Ids, SpanObserved
from neurorail.rules.reflex import actions, circuits, progress
from neurorail.rules.reflex.breaker import CLOSED
from neurorail.rules.reflex.circuit import CIRCUITS, circuit_named
from neurorail.rules.reflex.plan import Plan, plan_of
from neurorail.rules.reflex.scope import scope_of
from neurorail.rules.reflex.step import CHILD, END, USE, VIOLATION, Step
from neurorail.rules.reflex.watch import (
    WATCHES,
    be_quiet,
    begin_watch,
    observe,
    watch_name,
    watch_named,
)
from neurorail.rules.state import State

REFUSALS: Final = frozenset({"NR-E002", "NR-E006", "NR-E008", "NR-E009", "NR-E010", "NR-E011"})
"""Codes of what was never tried: it says nothing about what would have been called."""


def call_ended(state: State, seen: SpanObserved, ids: Ids, amounts: list[int]) -> None:
    """A model or tool call ended and was metered."""
    plan = _plan(state)
    if plan is None or not (plan.calls or plan.burning):
        return
    facts = call_facts(state, seen, ids, amounts)
    watched = plan.calls.matching(facts)
    if watched:
        step = _call_step(facts, seen)
        _see_all(
            state, watched, ids, step, seen.start_unix_nano, (seen.reservation_id, ids[RESOURCE])
        )
    for rule in plan.burning:
        _burn(state, rule, facts, ids, amounts)


def _call_step(facts: ChainFacts, seen: SpanObserved) -> Step:
    lookup = facts.lookup
    own = lookup.own
    tool = lookup["tool"]
    name = str(tool or lookup["agent"] or lookup["model"] or "")
    called = tool or lookup["model"] or name
    return Step(
        END,
        _failed(str(own["outcome"]), seen.error_code),
        int(own["duration_ms"]),
        seen.first_signal_ms,
        name,
        f"{called}:{seen.arguments}" if seen.arguments else "",
        facts=facts,
    )


def entity_ended(state: State, entity: Entity) -> None:
    """An entity reached a terminal state."""
    plan = _plan(state)
    rules = plan.ends.get(entity.level) if plan is not None else None
    if not rules:
        return
    facts = entity_facts(state, entity)
    step = Step(
        END,
        failed=_failed(entity.state, entity.error_code),
        duration_ms=_number(facts, "duration_ms"),
        first_signal_ms=_number(facts, "first_signal_ms"),
        name=str(facts.get("agent") or facts.get("job_type") or ""),
        facts=facts,
    )
    _see_all(state, rules.matching(facts), entity.ids, step, entity.started, (entity.id,))


def entity_began(state: State, entity: Entity) -> None:
    """An entity began to run."""
    plan = _plan(state)
    if plan is None:
        return
    for rule in plan.children.get(entity.level, ()):
        parent_id = entity.ids[entity.level - 1]
        parent = state.entity(parent_id) if parent_id is not None else None
        if parent is not None:
            facts = entity_facts(state, parent)
            _see(state, rule, parent.ids, Step(CHILD, facts=facts), parent.id)
    for rule in plan.progress.get(entity.level, ()):
        progress.began(state, rule, entity)


def violated(state: State, entity: Entity, kind: str) -> None:
    """A budget of an entity was broken, or (`transition`) a transition of it rejected."""
    plan = _plan(state)
    if plan is None or not plan.violations:
        return
    facts = entity_facts(state, entity, {"violation_type": kind})
    for rule in plan.violations:
        _see(state, rule, entity.ids, Step(VIOLATION, facts=facts))


def watched_pools(state: State) -> Collection[str]:
    """The pools of which any reflex looks at how fast they are used up."""
    plan = _plan(state)
    return () if plan is None else plan.pools


def pool_used(
    state: State,
    pool: str,
    kind: str,
    facts: Facts,
    ids: Ids,
    *,
    consumed: int,
    used: int,
    limit: int,
    renews_unix_nano: int,
) -> None:
    """Something was taken from a pool.

    Args:
        state: the engine's state.
        pool: the pool rule's id.
        kind: which of its limits: tokens, cost …
        facts: of the call that took it.
        ids: the chain of the call.
        consumed: how much.
        used: of that limit within its window, this included.
        limit: the limit.
        renews_unix_nano: when the window ends; for a rolling one, a whole window from now.
    """
    plan = _plan(state)
    if plan is None:
        return
    step = Step(USE, consumed=consumed, used=used, limit=limit, facts=facts)
    step.renews_unix_nano = renews_unix_nano
    for rule in plan.pools.get(pool, ()):
        assert isinstance(rule.trigger, BurnRate), "sorted so"
        if rule.trigger.kind == kind:
            _see(state, rule, ids, step)


def _plan(state: State) -> Plan | None:
    """The reflexes that look at what happens; none look at what happened long ago."""
    return None if state.history else plan_of(state)


# ── one rule ─────────────────────────────────────────────────────────────────────────────────


def _see_all(
    state: State,
    watched: Sequence[tuple[ReflexRule, str]],
    ids: Ids,
    step: Step,
    started: int,
    calls: tuple[str | None, ...],
) -> None:
    """Let rules that apply see an end: each one's breaker while that heals, else its trigger."""
    kept, tenant, now = state.kept, state.tenant, state.now
    circuits_known = kept.number(CIRCUITS, tenant)
    for rule, name in watched:
        if circuits_known and _heals(state, rule, step, started, calls):
            continue
        watch = kept.renew(WATCHES, tenant, name) or begin_watch(state, rule, name)
        if now < watch.quiet_until:
            continue
        fired = (watch.machine or watch.trigger(rule)).observe(now, step)
        if fired is not None:
            be_quiet(state, rule, watch)
            actions.triggered(state, rule, step.facts, ids, fired)
            circuits_known = kept.number(CIRCUITS, tenant)


def _see(state: State, rule: ReflexRule, ids: Ids, step: Step, entity_id: str = "") -> None:
    """Let one rule see what is no end of a call or an entity, if it concerns the rule."""
    facts = step.facts
    if not rule.when.matches(facts) or _heals(state, rule, step, 0, ()):
        return
    watch = watch_named(state, rule, watch_name(rule, facts, entity_id), entity_id)
    fired = observe(state, rule, watch, step)
    if fired is not None:
        actions.triggered(state, rule, facts, ids, fired)


def _heals(
    state: State,
    rule: ReflexRule,
    step: Step,
    started: int,
    calls: tuple[str | None, ...],
) -> bool:
    """Tell a rule's breaker, if it has one; whether the trigger is to see nothing of the step."""
    if not any(isinstance(action, manifest_actions.Suspend) for action in rule.actions):
        return False
    name = circuits.circuit_id(rule.id, scope_of(rule, step.facts))
    circuit = circuit_named(state, name)
    if circuit is None:
        return False
    since, before = circuit.breaker.since, circuit.breaker.state
    if step.kind == END:
        circuits.ended(state, circuit, started, step.failed, calls)
        return before != CLOSED or started < since
    return before != CLOSED


def _burn(state: State, rule: ReflexRule, facts: Facts, ids: Ids, amounts: list[int]) -> None:
    """Look ahead at the budget of a level above a call."""
    assert isinstance(rule.trigger, BurnRate), "sorted so"
    level = _LEVELS[str(rule.trigger.level)]
    entity_id = ids[level]
    entity = state.entity(entity_id) if entity_id is not None else None
    if entity is None or not entity.started:
        return
    limit = _limit(state, entity, rule.trigger.kind)
    timeout_ms = entity.budget.timeout_ms if entity.budget is not None else None
    if limit is None or timeout_ms is None:
        return
    places = USED_PLACES[rule.trigger.kind]
    step = Step(
        USE,
        consumed=sum(amounts[place] for place in places),
        used=sum(entity.totals[place] for place in places),
        limit=limit,
        renews_unix_nano=entity.started + timeout_ms * MS + state.shift_since(entity.started),
        facts=facts,
    )
    _see(state, rule, ids, step, entity.id)


_LEVELS: Final = {"mission": 0, "plan": 1, "job": JOB, "attempt": 3}


def _limit(state: State, entity: Entity, kind: str) -> int | None:
    """The strictest limit of an entity's own and the manifest's."""
    limits = state.manifest.entity_limits(entity.type, entity_facts(state, entity))
    stated = [limit.amount for limit in by_hand.in_force(entity, limits) if limit.kind == kind]
    own: Any = getattr(entity.budget, _OWN[kind], None)
    if own is not None:
        stated.append(own)
    return min(stated, default=None)


_OWN: Final = dict(OF_BUDGET)


def _failed(outcome: str, code: str | None) -> bool | None:
    if outcome == CANCELLED or code in REFUSALS:
        return None
    return outcome != SUCCEEDED


def _number(facts: Facts, name: str) -> int | None:
    value = facts.get(name)
    return None if value is None else int(value)
