"""It takes too long."""

from __future__ import annotations

from neurorail.rules.reflex.slow import Slow
from neurorail.rules.reflex.step import Fired, Step


class Latency(Slow):
    """The time from start to end, of what succeeded or failed."""

    __slots__ = ()
    what = "the duration"

    def observe(self, now: int, step: Step) -> Fired | None:
        """Count a duration."""
        if step.duration_ms is None or step.failed is None:
            return None
        return self.took(now, step.duration_ms)
