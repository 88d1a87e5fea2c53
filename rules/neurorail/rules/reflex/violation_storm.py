"""Rules are broken again and again."""

from __future__ import annotations

from neurorail.rules.manifest import triggers
from neurorail.rules.reflex.counted import Counted
from neurorail.rules.reflex.step import VIOLATION, Fired, Step


class ViolationStorm(Counted):
    """Fires when so many violations came within the window."""

    __slots__ = ()
    what = "violations came"

    def __init__(self, rule: triggers.ViolationStorm) -> None:
        super().__init__(rule.window_ms, rule.count)

    def observe(self, now: int, step: Step) -> Fired | None:
        """Count a violation."""
        return self.again(now) if step.kind == VIOLATION else None
