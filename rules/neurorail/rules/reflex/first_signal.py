"""Answers begin too late."""

from __future__ import annotations

from neurorail.rules.reflex.slow import Slow
from neurorail.rules.reflex.step import Fired, Step


class FirstSignal(Slow):
    """The time to the first sign of life: a first chunk, or the first thing below an entity."""

    __slots__ = ()
    what = "the time to first signal"

    def observe(self, now: int, step: Step) -> Fired | None:
        """Count a time to first signal."""
        if step.first_signal_ms is None:
            return None
        return self.took(now, step.first_signal_ms)
