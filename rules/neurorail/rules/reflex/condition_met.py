"""A condition of the manifest's own holds for too many of the ends in a window."""

from __future__ import annotations

from neurorail.rules.manifest import triggers
from neurorail.rules.manifest.condition import Condition
from neurorail.rules.reflex.counted import Counted
from neurorail.rules.reflex.step import END, Fired, Step


class ConditionMet(Counted):
    """Fires when the condition held for so many ends within the window."""

    __slots__ = ("holds",)
    what = "times the condition held"

    def __init__(self, rule: triggers.ConditionMet) -> None:
        super().__init__(rule.window_ms, rule.count)
        self.holds: Condition = rule.holds

    def observe(self, now: int, step: Step) -> Fired | None:
        """Ask the condition of an end."""
        if step.kind != END or not self.holds.matches(step.facts):
            return None
        return self.again(now)
