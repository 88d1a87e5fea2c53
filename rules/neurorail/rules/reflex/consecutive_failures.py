"""One failure after the other."""

from __future__ import annotations

from typing import Any

from neurorail.rules.manifest import triggers
from neurorail.rules.reflex.step import Fired, Step


class ConsecutiveFailures:
    """Fires at the `count`-th failure without a success between."""

    __slots__ = ("count", "failures")

    def __init__(self, rule: triggers.ConsecutiveFailures) -> None:
        self.count = rule.count
        self.failures = 0

    def observe(self, now: int, step: Step) -> Fired | None:
        """Count a failure; a success begins anew."""
        if step.failed is None:
            return None
        if not step.failed:
            self.failures = 0
            return None
        self.failures += 1
        if self.failures < self.count:
            return None
        self.failures = 0
        return Fired(f"{self.count} failed in a row", {"failures": self.count})

    def clear(self) -> None:
        """Forget what was seen."""
        self.failures = 0

    def to_row(self) -> list[Any]:
        """What was seen, as plain values."""
        return [self.failures]

    def restore(self, row: list[Any]) -> None:
        """Put back what `to_row` wrote."""
        self.failures = row[0]
