"""A budget will be exhausted too soon, if spending goes on like this."""

from __future__ import annotations

from neurorail.rules.config import MS
from neurorail.rules.manifest import triggers
from neurorail.rules.reflex.step import USE, Fired, Step, Windowed


class BurnRate(Windowed):
    """Compares what is left with what the time left will take at the rate of the lookback."""

    __slots__ = ("min_used_percent",)

    def __init__(self, rule: triggers.BurnRate) -> None:
        super().__init__(rule.lookback_ms)
        self.min_used_percent = rule.min_used_percent

    def observe(self, now: int, step: Step) -> Fired | None:
        """Count what was consumed, and look ahead."""
        if step.kind != USE or step.consumed <= 0 or step.renews_unix_nano <= now:
            return None
        spent, _ = self.window.add(now, self.window_ns, step.consumed)
        left, left_ns = max(step.limit - step.used, 0), step.renews_unix_nano - now
        if step.used * 100 < step.limit * self.min_used_percent:
            return None
        if spent * left_ns <= left * self.window_ns:
            return None
        self.clear()
        lasts_ms = left * self.window_ns // spent // MS
        needed_ms = left_ns // MS
        return Fired(
            f"what is left lasts {lasts_ms} ms at this rate, and has to last {needed_ms} ms",
            {"spent": spent, "left": left, "lasts_ms": lasts_ms, "needed_ms": needed_ms},
        )
