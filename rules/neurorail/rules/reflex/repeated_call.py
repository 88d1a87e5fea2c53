"""The same tool or model is called with the same arguments again and again."""

from __future__ import annotations

from typing import Any, Final

from neurorail.rules.config import MS
from neurorail.rules.manifest import triggers
from neurorail.rules.reflex.step import Fired, Step

REMEMBERED_MAX: Final = 256
"""Calls that are remembered; as many identical ones are too many by any rule."""


class RepeatedCall:
    """Fires at the `count`-th identical call within the window, whatever came between."""

    __slots__ = ("count", "recent", "window_ns")

    def __init__(self, rule: triggers.RepeatedCall) -> None:
        self.window_ns = rule.window_ms * MS
        self.count = min(rule.count, REMEMBERED_MAX)
        self.recent: list[tuple[int, str]] = []
        """(Record time, fingerprint), oldest first."""

    def observe(self, now: int, step: Step) -> Fired | None:
        """Count a call whose arguments are known."""
        if not step.fingerprint:
            return None
        recent = self.recent
        old = 0
        while old < len(recent) and recent[old][0] <= now - self.window_ns:
            old += 1
        del recent[: max(old, len(recent) - REMEMBERED_MAX + 1)]
        recent.append((now, step.fingerprint))
        count = sum(1 for _, fingerprint in recent if fingerprint == step.fingerprint)
        if count < self.count:
            return None
        self.clear()
        reason = f"{step.name} was called {count} times with the same arguments"
        return Fired(reason, {"count": count, "name": step.name, "call": step.fingerprint})

    def clear(self) -> None:
        """Forget what was seen."""
        self.recent = []

    def to_row(self) -> list[Any]:
        """What was seen, as plain values."""
        return [list(item) for item in self.recent]

    def restore(self, row: list[Any]) -> None:
        """Put back what `to_row` wrote."""
        self.recent = [(at, fingerprint) for at, fingerprint in row]
