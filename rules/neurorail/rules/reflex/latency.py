"""Calls take too long.

That a quantile lies above a limit says that more than the rest of the calls do, which can be
counted: no histogram is needed, and nothing is rounded.
"""

from __future__ import annotations

from neurorail.rules.reflex.share import Share
from neurorail.rules.reflex.step import Fired, Step


class Slow(Share):
    """Fires when the `percentile` of a time, by nearest rank, lies above `limit_ms`."""

    __slots__ = ("limit_ms", "percentile")
    what = ""

    def __init__(self, window_ms: int, minimum: int, percentile: int, limit_ms: int) -> None:
        super().__init__(window_ms, minimum)
        self.percentile = percentile
        self.limit_ms = limit_ms

    def took(self, now: int, time_ms: int) -> Fired | None:
        """Count a call that took `time_ms`."""
        slow = time_ms > self.limit_ms
        counted = self.add(now, slow)
        if counted is None or not slow:
            return None
        total, above = counted
        # The nearest rank is the smallest with at least the percentile of calls up to it.
        if (total - above) * 100 >= total * self.percentile:
            return None
        self.clear()
        return Fired(
            f"{self.what} of {above} of {total} calls was above {self.limit_ms} ms,"
            f" so that the {self.percentile}th percentile is",
            {"calls": total, "above": above, "limit_ms": self.limit_ms, "last_ms": time_ms},
        )


class Latency(Slow):
    """The time a call took, whatever its outcome."""

    __slots__ = ()
    what = "the duration"

    def observe(self, now: int, step: Step) -> Fired | None:
        """Count a call's duration."""
        if step.duration_ms is None or step.failed is None:
            return None
        return self.took(now, step.duration_ms)
