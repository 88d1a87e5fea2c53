"""A condition of the manifest's own holds too often."""

from __future__ import annotations

from neurorail.rules.reflex.counted import Counted
from neurorail.rules.reflex.step import Fired, Step


class ConditionMet(Counted):
    """Fires when the condition matched `limit` times within the window."""

    __slots__ = ()
    what = "calls matched the condition"

    def observe(self, now: int, step: Step) -> Fired | None:
        """Count a match."""
        return self.again(now) if step.matched else None
