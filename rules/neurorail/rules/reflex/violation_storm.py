"""Rules are broken again and again."""

from __future__ import annotations

from neurorail.rules.reflex.counted import Counted
from neurorail.rules.reflex.step import VIOLATION, Fired, Step


class ViolationStorm(Counted):
    """Fires when `limit` violations came within the window."""

    __slots__ = ()
    what = "violations came"

    def observe(self, now: int, step: Step) -> Fired | None:
        """Count a violation."""
        return self.again(now) if step.kind == VIOLATION else None
