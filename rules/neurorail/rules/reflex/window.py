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

    __slots__ = ("first", "parts", "second")

    def __init__(self) -> None:
        self.parts: list[list[int]] = []
        """`[number of the part, first sum, second sum]`, oldest first."""
        self.first = 0
        self.second = 0
        """What the parts add up to."""

    def add(self, now: int, window_ns: int, first: int, second: int = 0) -> tuple[int, int]:
        """Add to the part that holds `now`, and both sums of the window then."""
        number = now // (window_ns // PARTS or 1)
        parts = self.parts
        if not parts or parts[-1][0] != number:
            while parts and parts[0][0] <= number - PARTS:
                _, gone, gone_too = parts.pop(0)
                self.first -= gone
                self.second -= gone_too
            parts.append([number, 0, 0])
        parts[-1][1] += first
        parts[-1][2] += second
        self.first += first
        self.second += second
        return self.first, self.second

    def clear(self) -> None:
        """Forget everything."""
        self.parts = []
        self.first = self.second = 0

    def to_row(self) -> list[Any]:
        """As plain values."""
        return self.parts

    @staticmethod
    def from_row(row: list[Any]) -> Window:
        """The window that `to_row` wrote."""
        window = Window()
        window.parts = [list(part) for part in row]
        window.first = sum(part[1] for part in row)
        window.second = sum(part[2] for part in row)
        return window


def part_ns(window_ns: int) -> int:
    """How long a part of a window is, at least a nanosecond."""
    return max(window_ns // PARTS, 1)
