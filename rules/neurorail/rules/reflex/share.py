"""How large a share of calls is of a kind, within a window."""

from __future__ import annotations

from typing import Any

from neurorail.rules.config import MS
from neurorail.rules.reflex.window import Window


class Share:
    """Counts calls, and those among them that matter, within a window."""

    __slots__ = ("minimum", "window", "window_ns")

    def __init__(self, window_ms: int, minimum: int) -> None:
        self.window_ns = window_ms * MS
        self.minimum = minimum
        self.window = Window()

    def add(self, now: int, matters: bool) -> tuple[int, int] | None:
        """Count one call; (all, those that matter), or None below the minimum volume."""
        self.window.add(now, self.window_ns, 1, 1 if matters else 0)
        total, mattering = self.window.sums(now, self.window_ns)
        return None if total < self.minimum else (total, mattering)

    def clear(self) -> None:
        """Forget what was seen."""
        self.window.clear()

    def to_row(self) -> list[Any]:
        """What was seen, as plain values."""
        return self.window.to_row()

    def restore(self, row: list[Any]) -> None:
        """Put back what `to_row` wrote."""
        self.window = Window.from_row(row)
