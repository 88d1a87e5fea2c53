"""Entities that run and show no sign of life, by timers alone."""

from __future__ import annotations

from typing import Final

from neurorail.rules.config import MS
from neurorail.rules.entity import Entity
from neurorail.rules.manifest.facts import entity_facts
from neurorail.rules.manifest.model import ReflexRule
from neurorail.rules.manifest.triggers import NoProgress as Rule
from neurorail.rules.reflex import actions
from neurorail.rules.reflex.no_progress import NoProgress
from neurorail.rules.reflex.plan import plan_of
from neurorail.rules.reflex.step import SIGN_OF_LIFE, Step
from neurorail.rules.reflex.watch import WATCHES, Watch, watch_name, watch_named
from neurorail.rules.state import State

LOOKED_AT_MAX: Final = 1_000
"""Descendants that are asked for a sign of life."""


def began(state: State, rule: ReflexRule, entity: Entity) -> None:
    """Something that is to show signs of life began."""
    facts = entity_facts(state, entity)
    if not rule.when.matches(facts):
        return
    name = watch_name(rule, facts, entity.id)
    watch = watch_named(state, rule, name, entity.id)
    watch.trigger(rule).observe(state.now, Step(SIGN_OF_LIFE))
    assert isinstance(rule.trigger, Rule), "sorted so"
    state.kept.schedule(WATCHES, state.tenant, name, state.now + rule.trigger.silent_ms * MS)


def due(state: State, name: str, watch: Watch, at: int) -> None:
    """Look whether an entity has been silent for too long; if not, look again later."""
    plan = plan_of(state)
    rule = plan.rules.get(watch.rule) if plan is not None else None
    entity = state.entity(watch.entity_id)
    if rule is None or entity is None or entity.terminal:
        state.kept.remove(WATCHES, state.tenant, name)
        return
    machine = watch.trigger(rule)
    assert isinstance(machine, NoProgress), "only these have timers"
    heard = _last_sign(state, entity)
    machine.observe(heard + state.shift_since(heard), Step(SIGN_OF_LIFE))
    fired = machine.due(at)
    if fired is None:
        state.kept.schedule(WATCHES, state.tenant, name, machine.deadline())
        return
    again = max(rule.quiet_ms * MS, machine.silent_ns)
    state.kept.schedule(WATCHES, state.tenant, name, at + again)
    actions.triggered(state, rule, entity_facts(state, entity), entity.ids, fired)


def _last_sign(state: State, entity: Entity) -> int:
    """When the newest sign of life of an entity or something below it was received."""
    newest = 0
    level = [entity]
    left = LOOKED_AT_MAX
    while level and left > 0:
        below: list[Entity] = []
        for one in level[:left]:
            newest = max(newest, one.last_received, one.heartbeat_received)
            below.extend(state.existing(child) for child in one.children[:left])
        left -= len(level)
        level = below
    return newest
