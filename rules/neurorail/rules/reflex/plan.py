"""A manifest's reflexes, sorted by what they look at."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from neurorail.rules.entity import LEVEL_NAMES
from neurorail.rules.manifest.facts import Facts
from neurorail.rules.manifest.model import Manifest, ReflexRule
from neurorail.rules.manifest.selection import Chosen
from neurorail.rules.manifest.triggers import BurnRate, FanOut, NoProgress, ViolationStorm
from neurorail.rules.reflex.watch import watch_name
from neurorail.rules.state import State

_LEVEL_OF_OVER: Final = {"missions": 0, "plans": 1, "jobs": 2, "attempts": 3}

Rules = tuple[ReflexRule, ...]
Watched = Chosen[ReflexRule, tuple[ReflexRule, str]]
"""Rules, each with the name under which it watches what has some facts."""


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
        self.calls = _watched(calls)
        self.violations: Rules = tuple(violations)
        self.burning: Rules = tuple(burning)
        self.ends = {level: _watched(rules) for level, rules in ends.items()}
        """Level of what ends → rules."""
        self.children = {level: tuple(rules) for level, rules in children.items()}
        """Level of the child that began → rules."""
        self.progress = {level: tuple(rules) for level, rules in progress.items()}
        """Level of what is watched → rules."""
        self.pools = {pool: tuple(rules) for pool, rules in pools.items()}


def _watched(rules: list[ReflexRule]) -> Watched:
    return Chosen(rules, _rule_and_name, _key_names)


def _rule_and_name(rule: ReflexRule, facts: Facts) -> tuple[ReflexRule, str]:
    return rule, watch_name(rule, facts)


def _key_names(rule: ReflexRule) -> tuple[str, ...]:
    return rule.per


def plan_of(state: State) -> Plan | None:
    """The reflexes of the record's tenant; None if there are none."""
    manifest = state.manifest
    if not manifest.reflexes:
        return None
    plan = state.reflex_plans.get(state.tenant)
    if plan is None or plan.manifest is not manifest:
        plan = state.reflex_plans[state.tenant] = Plan(manifest)
    return plan
