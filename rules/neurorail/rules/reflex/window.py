"""A sliding window of record time that costs the same however much happens in it."""

from __future__ import annotations

from typing import Any, Final

PARTS: Final = 20
"""Equal parts a window is cut into: it moves on by a part, the oldest falls out whole."""


class Window:
    """Sums of two numbers over the last `window_ns`, the part that has just begun included.

    A part is `window_ns / PARTS` of record time, cut at multiples of it since the Unix epoch, so
    that the sums depend on times alone. The window is at most `window_ns` long and at least
    nineteen twentieths of it.
    """

    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts: list[list[int]] = []
        """`[number of the part, first sum, second sum]`, oldest first."""

    def add(self, now: int, window_ns: int, first: int, second: int = 0) -> None:
        """Add to the part that holds `now`."""
        part = now // part_ns(window_ns)
        parts = self.parts
        if parts and parts[-1][0] == part:
            parts[-1][1] += first
            parts[-1][2] += second
            return
        self._forget(part)
        parts.append([part, first, second])

    def sums(self, now: int, window_ns: int) -> tuple[int, int]:
        """Both sums at `now`."""
        self._forget(now // part_ns(window_ns))
        first = second = 0
        for _, one, other in self.parts:
            first += one
            second += other
        return first, second

    def clear(self) -> None:
        """Forget everything."""
        self.parts = []

    def _forget(self, part: int) -> None:
        parts = self.parts
        old = 0
        while old < len(parts) and parts[old][0] <= part - PARTS:
            old += 1
        del parts[:old]

    def to_row(self) -> list[Any]:
        """As plain values."""
        return self.parts

    @staticmethod
    def from_row(row: list[Any]) -> Window:
        """The window that `to_row` wrote."""
        window = Window()
        window.parts = [[part, first, second] for part, first, second in row]
        return window


def part_ns(window_ns: int) -> int:
    """How long a part of a window is, at least a nanosecond."""
    return max(window_ns // PARTS, 1)
