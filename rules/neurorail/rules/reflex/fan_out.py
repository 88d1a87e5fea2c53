"""Work multiplies: too much begins below one entity at once."""

from __future__ import annotations

from neurorail.rules.reflex.counted import Counted
from neurorail.rules.reflex.step import STARTED, Fired, Step


class FanOut(Counted):
    """Fires when `limit` entities began within the window."""

    __slots__ = ()
    what = "entities began"

    def observe(self, now: int, step: Step) -> Fired | None:
        """Count a beginning."""
        return self.again(now) if step.kind == STARTED else None
