"""The limits that a manifest's budgets set entities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neurorail.rules.manifest.facts import Facts, is_said
from neurorail.rules.manifest.limits import KINDS, SEVERITIES, Limit
from neurorail.rules.manifest.selection import ByValues, Selection

if TYPE_CHECKING:
    from neurorail.rules.manifest.model import Budgets


class EntityLimits:
    """The manifest's limits of the entities of one level."""

    def __init__(self, budgets: Budgets, level: str) -> None:
        self._groups = [
            Selection(rule for rule in rules if rule.level == level)
            for rules in (budgets.overrides, budgets.defaults)
        ]
        names: list[str] | None = []
        for group in self._groups:
            names = None if names is None or group.names is None else [*names, *group.names]
        self.of = self._limits if names is None else ByValues(names, self._limits).of
        """The limits of an entity with these facts."""
        self.of_all = None if names is None or names else self._limits({})
        """The limits of every entity; None where rules ask for facts."""
        self.by_words = names is not None and all(map(is_said, names))
        """Whether what entities say of themselves decides alone."""

    def _limits(self, facts: Facts) -> tuple[Limit, ...]:
        found: list[Limit] = []
        matching = [rules.matching(facts) for rules in self._groups]
        for kind in KINDS:
            for rules in matching:
                limits = [
                    Limit(kind, amount, rule.severity, rule.warn_percent, rule.id)
                    for rule in rules
                    if (amount := rule.limits.get(kind)) is not None
                ]
                if limits:
                    found.extend(_strictest_by_severity(limits))
                    break
        return tuple(found)


def _strictest_by_severity(limits: list[Limit]) -> list[Limit]:
    """The lowest limit of each severity: a mild rule never hides a strict one."""
    kept: dict[str, Limit] = {}
    for limit in limits:
        known = kept.get(limit.severity)
        if known is None or limit.amount < known.amount:
            kept[limit.severity] = limit
    return [kept[severity] for severity in SEVERITIES if severity in kept]
