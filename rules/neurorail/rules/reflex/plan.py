"""A manifest's reflexes, sorted by what they look at."""

from __future__ import annotations

from collections import defaultdict
from operator import itemgetter
from typing import Final

from neurorail.rules.entity import LEVEL_NAMES
from neurorail.rules.manifest.condition import CEL
from neurorail.rules.manifest.facts import Facts
from neurorail.rules.manifest.model import Manifest, ReflexRule
from neurorail.rules.manifest.triggers import BurnRate, FanOut, NoProgress, ViolationStorm
from neurorail.rules.state import State

_LEVEL_OF_OVER: Final = {"missions": 0, "plans": 1, "jobs": 2, "attempts": 3}

Rules = tuple[ReflexRule, ...]


class Selection:
    """Rules in their order, found by a fact whose value their conditions ask for plainly.

    Of many rules that each concern one agent or provider, only that one's are looked at.
    """

    def __init__(self, rules: list[ReflexRule]) -> None:
        self._always: list[tuple[int, ReflexRule]] = []
        self._by_fact: dict[str, dict[str, list[tuple[int, ReflexRule]]]] = {}
        for place, rule in enumerate(rules):
            plain = [(name, said) for name, said in rule.when.source.items() if type(said) is str]
            plain = [(name, said) for name, said in plain if name != CEL]
            if plain:
                name, said = plain[0]
                self._by_fact.setdefault(name, {}).setdefault(said, []).append((place, rule))
            else:
                self._always.append((place, rule))

    def __bool__(self) -> bool:
        return bool(self._always or self._by_fact)

    def of(self, facts: Facts) -> list[ReflexRule]:
        """The rules that may concern what has these facts, in the manifest's order."""
        found = list(self._always)
        for name, by_value in self._by_fact.items():
            found += by_value.get(facts.get(name), ())  # type: ignore[arg-type]
        found.sort(key=_place)
        return [rule for _, rule in found]


_place = itemgetter(0)


class Plan:
    """Which rules concern what happened; empty where none do."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.rules = {rule.id: rule for rule in manifest.reflexes}
        calls: list[ReflexRule] = []
        violations: list[ReflexRule] = []
        burning: list[ReflexRule] = []
        ends: defaultdict[int, list[ReflexRule]] = defaultdict(list)
        children: defaultdict[int, list[ReflexRule]] = defaultdict(list)
        progress: defaultdict[int, list[ReflexRule]] = defaultdict(list)
        pools: defaultdict[str, list[ReflexRule]] = defaultdict(list)
        for rule in manifest.reflexes:
            match rule.trigger:
                case FanOut(level=level):
                    children[LEVEL_NAMES.index(level) + 1].append(rule)
                case NoProgress(level=level):
                    progress[LEVEL_NAMES.index(level)].append(rule)
                case ViolationStorm():
                    violations.append(rule)
                case BurnRate(pool=str(pool)):
                    pools[pool].append(rule)
                case BurnRate():
                    burning.append(rule)
                case _ if rule.over == "calls":
                    calls.append(rule)
                case _:
                    ends[_LEVEL_OF_OVER[rule.over]].append(rule)
        self.calls = Selection(calls)
        self.violations: Rules = tuple(violations)
        self.burning: Rules = tuple(burning)
        self.ends = {level: Selection(rules) for level, rules in ends.items()}
        """Level of what ends → rules."""
        self.children = {level: tuple(rules) for level, rules in children.items()}
        """Level of the child that began → rules."""
        self.progress = {level: tuple(rules) for level, rules in progress.items()}
        """Level of what is watched → rules."""
        self.pools = {pool: tuple(rules) for pool, rules in pools.items()}


def plan_of(state: State) -> Plan | None:
    """The reflexes of the record's tenant; None if there are none."""
    manifest = state.manifest
    if not manifest.reflexes:
        return None
    plan = state.reflex_plans.get(state.tenant)
    if plan is None or plan.manifest is not manifest:
        plan = state.reflex_plans[state.tenant] = Plan(manifest)
    return plan
