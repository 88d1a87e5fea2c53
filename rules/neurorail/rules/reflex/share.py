"""How large a share of what ended is of a kind, within a window."""

from __future__ import annotations

from neurorail.rules.reflex.step import Windowed


class Share(Windowed):
    """Counts ends, and those among them that matter, within a window."""

    __slots__ = ("min_volume",)

    def __init__(self, window_ms: int, min_volume: int) -> None:
        super().__init__(window_ms)
        self.min_volume = min_volume

    def add(self, now: int, matters: bool) -> tuple[int, int] | None:
        """Count one end; (all, those that matter), or None below the minimum volume."""
        total, mattering = self.window.add(now, self.window_ns, 1, int(matters))
        return None if total < self.min_volume else (total, mattering)
