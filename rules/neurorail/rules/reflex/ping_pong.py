"""Two steps alternate without end: A, B, A, B."""

from __future__ import annotations

from typing import Any, Final

from neurorail.rules.reflex.step import Fired, Step

ROUNDS_MAX: Final = 64


class PingPong:
    """Fires when the last steps were `rounds` times the same pair of two different ones.

    A step is a tool with its arguments where they are known, else what was called: two agents that
    hand over to each other, or one tool whose call is undone by another's.
    """

    __slots__ = ("last", "length", "previous", "rounds")

    def __init__(self, rounds: int) -> None:
        self.rounds = min(rounds, ROUNDS_MAX)
        self.previous = ""
        self.last = ""
        self.length = 0
        """How many steps the alternation at the end is long."""

    def observe(self, now: int, step: Step) -> Fired | None:
        """Take in the next step."""
        taken = step.fingerprint or step.name
        if not taken:
            return None
        if taken == self.previous and taken != self.last:
            self.length += 1
        else:
            self.length = 2 if self.last and taken != self.last else 1
        self.previous, self.last = self.last, taken
        if self.length < 2 * self.rounds:
            return None
        pair = [self.previous, self.last]
        self.clear()
        return Fired(
            f"two steps alternated {self.rounds} times",
            {"rounds": self.rounds, "first": pair[0], "second": pair[1]},
        )

    def clear(self) -> None:
        """Forget what was seen."""
        self.previous = self.last = ""
        self.length = 0

    def to_row(self) -> list[Any]:
        """What was seen, as plain values."""
        return [self.previous, self.last, self.length]

    def restore(self, row: list[Any]) -> None:
        """Put back what `to_row` wrote."""
        self.previous, self.last, self.length = row
