"""Work multiplies: too much begins below one entity in a short time."""

from __future__ import annotations

from neurorail.rules.manifest import triggers
from neurorail.rules.reflex.counted import Counted
from neurorail.rules.reflex.step import CHILD, Fired, Step


class FanOut(Counted):
    """Fires when so many children began within the window."""

    __slots__ = ()
    what = "children began"

    def __init__(self, rule: triggers.FanOut) -> None:
        super().__init__(rule.window_ms, rule.count)

    def observe(self, now: int, step: Step) -> Fired | None:
        """Count a beginning."""
        return self.again(now) if step.kind == CHILD else None
