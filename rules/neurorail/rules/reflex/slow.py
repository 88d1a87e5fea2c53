"""A quantile of a time lies above a limit.

That is so when more than the rest lies above it, which can be counted: no histogram is needed, and
nothing is rounded.
"""

from __future__ import annotations

from neurorail.rules.manifest import triggers
from neurorail.rules.reflex.share import Share
from neurorail.rules.reflex.step import Fired


class Slow(Share):
    """Fires when the `percent`-quantile of a time, by nearest rank, is above `more_than_ms`."""

    __slots__ = ("more_than_ms", "percent")
    what = ""

    def __init__(self, rule: triggers.LatencyQuantile | triggers.TimeToFirstSignal) -> None:
        super().__init__(rule.window_ms, rule.min_volume)
        self.percent = rule.percent
        self.more_than_ms = rule.more_than_ms

    def took(self, now: int, time_ms: int) -> Fired | None:
        """Count something that took `time_ms`."""
        slow = time_ms > self.more_than_ms
        counted = self.add(now, slow)
        if counted is None or not slow:
            return None
        total, above = counted
        # The nearest rank is the smallest with at least the percentage of ends up to it.
        if (total - above) * 100 >= total * self.percent:
            return None
        self.clear()
        return Fired(
            f"{self.what} was above {self.more_than_ms} ms in {above} of {total},"
            f" so that its {self.percent} % quantile is",
            {"ends": total, "above": above, "more_than_ms": self.more_than_ms, "last_ms": time_ms},
        )
