"""A budget will be exhausted before its window ends, if spending goes on like this."""

from __future__ import annotations

from typing import Any

from neurorail.rules.config import MS
from neurorail.rules.reflex.step import Fired, Step
from neurorail.rules.reflex.window import Window


class BurnRate:
    """Compares what is left with what the time left will take at the rate of the last window."""

    __slots__ = ("minimum_percent", "window", "window_ns")

    def __init__(self, window_ms: int, minimum_percent: int) -> None:
        """Args: `minimum_percent` of the budget must be used before a forecast is made at all."""
        self.window_ns = window_ms * MS
        self.minimum_percent = minimum_percent
        self.window = Window()

    def observe(self, now: int, step: Step) -> Fired | None:
        """Count what was consumed, and look ahead."""
        if step.consumed <= 0 or step.renews_unix_nano <= now:
            return None
        self.window.add(now, self.window_ns, step.consumed)
        spent, _ = self.window.sums(now, self.window_ns)
        left, left_ns = max(step.limit - step.used, 0), step.renews_unix_nano - now
        if step.used * 100 < step.limit * self.minimum_percent:
            return None
        if spent * left_ns <= left * self.window_ns:
            return None
        self.window.clear()
        lasts_ms = left * self.window_ns // spent // MS
        return Fired(
            f"what is left lasts {lasts_ms} ms at this rate, and has to last {left_ns // MS} ms",
            {"spent": spent, "left": left, "lasts_ms": lasts_ms, "renews_in_ms": left_ns // MS},
        )

    def clear(self) -> None:
        """Forget what was seen."""
        self.window.clear()

    def to_row(self) -> list[Any]:
        """What was seen, as plain values."""
        return self.window.to_row()

    def restore(self, row: list[Any]) -> None:
        """Put back what `to_row` wrote."""
        self.window = Window.from_row(row)
