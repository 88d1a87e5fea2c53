"""What is watched: one trigger for each reflex and each value of its key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from neurorail.rules.config import MS
from neurorail.rules.kept import Kind, Row
from neurorail.rules.manifest.facts import Facts
from neurorail.rules.manifest.model import ReflexRule
from neurorail.rules.reflex.step import Fired, Step, Trigger
from neurorail.rules.reflex.watching import machine_for
from neurorail.rules.state import State

WATCHES_MAX: Final = 20_000
"""Triggers a tenant has in memory; the one that saw nothing for longest begins anew."""


@dataclass(slots=True)
class Watch:
    """One trigger and what it has seen.

    After a restart `seen` is known and the machine, which needs the rule, is made when it is used.
    """

    rule: str
    entity_id: str
    """The entity that is watched by itself; empty for what the key alone says."""
    quiet_until: int = 0
    """It triggered, and sees nothing until then."""
    seen: Row | None = None
    machine: Trigger | None = None

    def trigger(self, rule: ReflexRule) -> Trigger:
        """The machine, with everything it has seen."""
        if self.machine is None:
            self.machine = machine_for(rule.trigger)
            if self.seen is not None:
                self.machine.restore(self.seen)
        return self.machine


def _to_row(watch: Watch) -> Row:
    seen: list[Any] | None = watch.seen if watch.machine is None else watch.machine.to_row()
    return [watch.rule, watch.entity_id, watch.quiet_until, seen]


def _from_row(row: Row) -> Watch:
    return Watch(*row)


def _fire(state: State, name: str, watch: Watch, at: int) -> None:
    from neurorail.rules.reflex import progress

    progress.due(state, name, watch, at)


WATCHES: Final = Kind("watch", WATCHES_MAX, _to_row, _from_row, evicts=True, fire=_fire)


def watch_name(rule: ReflexRule, facts: Facts, entity_id: str = "") -> str:
    """Under which name a rule watches what has these facts."""
    return f"{rule.id}|{entity_id}|{rule.key_of(facts)}"


def watch_named(state: State, rule: ReflexRule, name: str, entity_id: str = "") -> Watch:
    """The trigger of a rule with this name, as the youngest; a new one if there is none."""
    watch = state.kept.renew(WATCHES, state.tenant, name)
    return begin_watch(state, rule, name, entity_id) if watch is None else watch


def begin_watch(state: State, rule: ReflexRule, name: str, entity_id: str = "") -> Watch:
    """A new trigger of a rule, with this name."""
    watch = Watch(rule.id, entity_id)
    state.kept.put(WATCHES, state.tenant, name, watch)
    return watch


def observe(state: State, rule: ReflexRule, watch: Watch, step: Step) -> Fired | None:
    """Let a trigger see a step, unless it is quiet; when it fires it becomes quiet."""
    if state.now < watch.quiet_until:
        return None
    machine = watch.machine or watch.trigger(rule)
    fired = machine.observe(state.now, step)
    if fired is not None:
        be_quiet(state, rule, watch)
    return fired


def be_quiet(state: State, rule: ReflexRule, watch: Watch) -> None:
    """It fired: it sees nothing for a while."""
    watch.quiet_until = state.now + rule.quiet_ms * MS


def forget_rules(state: State, rules: frozenset[str]) -> None:
    """Forget what the triggers of some rules of the record's tenant have seen."""
    names = [name for name, watch in state.kept.of(WATCHES, state.tenant) if watch.rule in rules]
    for name in names:
        state.kept.remove(WATCHES, state.tenant, name)
