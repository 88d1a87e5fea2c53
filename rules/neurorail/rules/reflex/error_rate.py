"""Too many of the calls in a window fail."""

from __future__ import annotations

from neurorail.rules.reflex.share import Share
from neurorail.rules.reflex.step import Fired, Step


class ErrorRate(Share):
    """Fires when at least `percent` of at least `minimum` calls within the window failed."""

    __slots__ = ("percent",)

    def __init__(self, window_ms: int, minimum: int, percent: int) -> None:
        super().__init__(window_ms, minimum)
        self.percent = percent

    def observe(self, now: int, step: Step) -> Fired | None:
        """Count a call's outcome."""
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
            f"{failed} of {total} calls failed, {self.percent} % is the limit",
            {"calls": total, "failures": failed, "error_permille": failed * 1_000 // total},
        )
