"""How often something happened within a window."""

from __future__ import annotations

from neurorail.rules.config import MS
from neurorail.rules.reflex.step import Fired, Windowed


class Counted(Windowed):
    """Fires when something happens for the `count`-th time within the window."""

    __slots__ = ("count",)
    what = ""

    def __init__(self, window_ms: int, count: int) -> None:
        super().__init__(window_ms)
        self.count = count

    def again(self, now: int) -> Fired | None:
        """Count one more."""
        count, _ = self.window.add(now, self.window_ns, 1)
        if count < self.count:
            return None
        self.clear()
        window_ms = self.window_ns // MS
        return Fired(f"{count} {self.what} in {window_ms} ms", {"count": count})
