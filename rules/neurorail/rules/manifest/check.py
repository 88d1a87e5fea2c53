"""What no field can know of itself: whether the parts of a manifest fit together."""

from __future__ import annotations

from collections.abc import Callable

from yaml import Node

from neurorail.rules.manifest.actions import Suspend
from neurorail.rules.manifest.facts import FAMILIES, TAG, find_fact
from neurorail.rules.manifest.faults import Faults, nearest, unknown
from neurorail.rules.manifest.limits import Limits
from neurorail.rules.manifest.model import CONFIRM, REFUSE, Manifest, ModeRule, PoolRule, ReflexRule
from neurorail.rules.manifest.satisfiable import LEVELS
from neurorail.rules.manifest.triggers import BurnRate
from neurorail.rules.manifest.windows import UTC
from neurorail.semconv.genai import MEANINGS

NodeAt = Callable[[str], Node]


def check(manifest: Manifest, node_at: NodeAt, faults: Faults) -> None:
    """Add the faults of a manifest whose fields are each for itself right."""

    def add(path: str, message: str) -> None:
        faults.add(node_at(path), path, message)

    for place, rule in enumerate(manifest.mode_rules):
        _mode_rule(rule, f"mode_rules[{place}]", add)
    for group in ("defaults", "overrides"):
        for place, budget in enumerate(getattr(manifest.budgets, group)):
            _limited(budget.limits, f"budgets.{group}[{place}].limits", add)
    for place, pool in enumerate(manifest.pools):
        _pool(pool, f"pools[{place}]", add)
    for place, reflex in enumerate(manifest.reflexes):
        _reflex(reflex, f"reflexes[{place}]", manifest, add)
    _unique_ids(manifest, add)
    _attributes(manifest, add)


Add = Callable[[str, str], None]


def _mode_rule(rule: ModeRule, path: str, add: Add) -> None:
    says = rule.mode or rule.recovery or rule.effect != "allow"
    if not says:
        add(path, "the rule says nothing: give it a `mode`, an `effect` or a `recovery`")
    if rule.code is not None and rule.effect not in (REFUSE, CONFIRM):
        add(f"{path}.code", "a code is for what is refused: write `effect: refuse`")


def _limited(limits: Limits, path: str, add: Add) -> None:
    if not limits.stated():
        add(path, "there is no limit: give at least one, such as `max_cost_usd`")


def _pool(pool: PoolRule, path: str, add: Add) -> None:
    _limited(pool.limits, f"{path}.limits", add)
    window = pool.window
    if (window.rolling_ms is None) == (window.calendar is None):
        add(f"{path}.window", "write either `rolling` or `calendar`")
    elif window.calendar is None and window.zone != UTC:
        add(f"{path}.window.zone", "a rolling window has no time zone")


def _reflex(rule: ReflexRule, path: str, manifest: Manifest, add: Add) -> None:
    trigger = rule.trigger
    if isinstance(trigger, BurnRate):
        where = f"{path}.trigger.burn_rate"
        if (trigger.pool is None) == (trigger.level is None):
            add(where, "write either `pool` or `level`")
        elif trigger.pool is not None:
            pool = manifest.pool(trigger.pool)
            if pool is None:
                names = [one.id for one in manifest.pools]
                add(f"{where}.pool", unknown("pool", trigger.pool, names))
            elif pool.limits.get(trigger.kind) is None:
                stated = [kind for kind, _ in pool.limits.stated()]
                hint = nearest(trigger.kind, stated)
                add(f"{where}.limit", f"the pool has no limit of {trigger.kind}; {hint}")
    if rule.breaker.cooldown_max_ms < rule.breaker.cooldown_ms:
        add(f"{path}.breaker.cooldown_max", "it is shorter than `cooldown`")
    if any(isinstance(action, Suspend) for action in rule.actions):
        level = {"calls": 4, "attempts": 3, "jobs": 2, "missions": 0}[rule.over]
        for place, name in enumerate(rule.per):
            fact = find_fact(name)
            if fact is not None and fact.lowest_level > level:
                add(f"{path}.per[{place}]", f"a {LEVELS[level]} has no {name}")


def _unique_ids(manifest: Manifest, add: Add) -> None:
    """Reasons and reports name a rule by its id alone."""
    groups = {
        "mode_rules": manifest.mode_rules,
        "budgets.defaults": manifest.budgets.defaults,
        "budgets.overrides": manifest.budgets.overrides,
        "pools": manifest.pools,
        "reflexes": manifest.reflexes,
    }
    seen: dict[str, str] = {}
    for group, rules in groups.items():
        for place, rule in enumerate(rules):
            known = seen.setdefault(rule.id, group)
            if known != group:
                add(f"{group}[{place}].id", f"id {rule.id!r} is there already, in {known}")


def _attributes(manifest: Manifest, add: Add) -> None:
    for meaning in manifest.attributes:
        if meaning not in MEANINGS and not (meaning.startswith(TAG) and len(meaning) > len(TAG)):
            names = (*MEANINGS, f"{FAMILIES[0]}<name>")
            add(f"attributes.{meaning}", unknown("meaning", meaning, names))
