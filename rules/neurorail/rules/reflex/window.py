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

    def add(self, now: int, window_ns: int, first: int, second: int = 0) -> tuple[int, int]:
        """Add to the part that holds `now`, and both sums of the window then."""
        number = now // part_ns(window_ns)
        parts = self.parts
        if parts and parts[-1][0] == number:
            parts[-1][1] += first
            parts[-1][2] += second
        else:
            self.parts = parts = [part for part in parts if part[0] > number - PARTS]
            parts.append([number, first, second])
        return sum(part[1] for part in parts), sum(part[2] for part in parts)

    def clear(self) -> None:
        """Forget everything."""
        self.parts = []

    def to_row(self) -> list[Any]:
        """As plain values."""
        return self.parts

    @staticmethod
    def from_row(row: list[Any]) -> Window:
        """The window that `to_row` wrote."""
        window = Window()
        window.parts = [list(part) for part in row]
        return window


def part_ns(window_ns: int) -> int:
    """How long a part of a window is, at least a nanosecond."""
    return max(window_ns // PARTS, 1)
