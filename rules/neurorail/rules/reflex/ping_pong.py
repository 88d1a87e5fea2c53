"""Two steps alternate without end: A, B, A, B."""

from __future__ import annotations

from typing import Any

from neurorail.rules.config import MS
from neurorail.rules.manifest import triggers
from neurorail.rules.reflex.step import Fired, Step


class PingPong:
    """Fires when the last steps, all within the window, were so many times the same pair.

    A step is a call with its arguments where they are known, else what was called: two agents that
    hand over to each other, or one tool whose call is undone by another's.
    """

    __slots__ = ("last", "previous", "steps", "times", "window_ns")

    def __init__(self, rule: triggers.PingPong) -> None:
        self.steps = 2 * rule.rounds
        self.window_ns = rule.window_ms * MS
        self.previous = ""
        self.last = ""
        self.times: list[int] = []
        """Record times of the steps that alternate, the newest at most so many."""

    def observe(self, now: int, step: Step) -> Fired | None:
        """Take in the next step."""
        taken = step.fingerprint or step.name
        if not taken:
            return None
        if taken == self.last:
            self.times = []
        elif taken != self.previous:
            self.times = self.times[-1:]
        self.times.append(now)
        del self.times[: -self.steps]
        self.previous, self.last = self.last, taken
        if len(self.times) < self.steps or self.times[0] <= now - self.window_ns:
            return None
        rounds, pair = self.steps // 2, [self.previous, self.last]
        self.clear()
        return Fired(f"two steps alternated {rounds} times", {"rounds": rounds, "pair": pair})

    def clear(self) -> None:
        """Forget what was seen."""
        self.previous = self.last = ""
        self.times = []

    def to_row(self) -> list[Any]:
        """What was seen, as plain values."""
        return [self.previous, self.last, self.times]

    def restore(self, row: list[Any]) -> None:
        """Put back what `to_row` wrote."""
        self.previous, self.last = row[:2]
        self.times = list(row[2])
