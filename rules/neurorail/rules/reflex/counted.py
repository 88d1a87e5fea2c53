"""How often something happened within a window."""

from __future__ import annotations

from typing import Any

from neurorail.rules.config import MS
from neurorail.rules.reflex.step import Fired
from neurorail.rules.reflex.window import Window


class Counted:
    """Fires when something happens for the `limit`-th time within the window."""

    __slots__ = ("limit", "window", "window_ns")
    what = ""

    def __init__(self, window_ms: int, limit: int) -> None:
        self.window_ns = window_ms * MS
        self.limit = limit
        self.window = Window()

    def again(self, now: int) -> Fired | None:
        """Count one more."""
        self.window.add(now, self.window_ns, 1)
        count, _ = self.window.sums(now, self.window_ns)
        if count < self.limit:
            return None
        self.window.clear()
        reason = f"{count} {self.what} within {self.window_ns // MS} ms"
        return Fired(reason, {"count": count, "window_ms": self.window_ns // MS})

    def clear(self) -> None:
        """Forget what was seen."""
        self.window.clear()

    def to_row(self) -> list[Any]:
        """What was seen, as plain values."""
        return self.window.to_row()

    def restore(self, row: list[Any]) -> None:
        """Put back what `to_row` wrote."""
        self.window = Window.from_row(row)
