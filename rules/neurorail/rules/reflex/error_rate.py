"""Too large a share of what ends in a window fails."""

from __future__ import annotations

from neurorail.rules.manifest import triggers
from neurorail.rules.reflex.share import Share
from neurorail.rules.reflex.step import Fired, Step


class ErrorRate(Share):
    """Fires when at least `percent` of at least `min_volume` ends within the window failed."""

    __slots__ = ("percent",)

    def __init__(self, rule: triggers.ErrorRate) -> None:
        super().__init__(rule.window_ms, rule.min_volume)
        self.percent = rule.percent

    def observe(self, now: int, step: Step) -> Fired | None:
        """Count an outcome."""
        if step.failed is None:
            return None
        counted = self.add(now, step.failed)
        if counted is None or not step.failed:
            return None
        total, failed = counted
        if failed * 100 < total * self.percent:
            return None
        self.clear()
        return Fired(
            f"{failed} of {total} failed, {self.percent} % is the limit",
            {"ends": total, "failures": failed, "error_permille": failed * 1_000 // total},
        )
