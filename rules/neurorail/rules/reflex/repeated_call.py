"""The same tool or model is called with the same arguments again and again."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from neurorail.rules.config import MS
from neurorail.rules.manifest import triggers
from neurorail.rules.reflex.step import Fired, Step

REMEMBERED_MAX: Final = 256
"""Calls that are remembered; as many identical ones are too many by any rule."""


class RepeatedCall:
    """Fires at the `count`-th identical call within the window, whatever came between."""

    __slots__ = ("count", "recent", "times", "window_ns")

    def __init__(self, rule: triggers.RepeatedCall) -> None:
        self.window_ns = rule.window_ms * MS
        self.count = min(rule.count, REMEMBERED_MAX)
        self.recent: deque[tuple[int, str]] = deque()
        """(Record time, fingerprint), oldest first."""
        self.times: dict[str, int] = {}
        """How often each of them was called."""

    def observe(self, now: int, step: Step) -> Fired | None:
        """Count a call whose arguments are known."""
        if not step.fingerprint:
            return None
        recent, times = self.recent, self.times
        while recent and (recent[0][0] <= now - self.window_ns or len(recent) >= REMEMBERED_MAX):
            _, gone = recent.popleft()
            left = times[gone] - 1
            if left:
                times[gone] = left
            else:
                del times[gone]
        recent.append((now, step.fingerprint))
        count = times.get(step.fingerprint, 0) + 1
        times[step.fingerprint] = count
        if count < self.count:
            return None
        self.clear()
        reason = f"{step.name} was called {count} times with the same arguments"
        return Fired(reason, {"count": count, "name": step.name, "call": step.fingerprint})

    def clear(self) -> None:
        """Forget what was seen."""
        self.recent = deque()
        self.times = {}

    def to_row(self) -> list[Any]:
        """What was seen, as plain values."""
        return [list(item) for item in self.recent]

    def restore(self, row: list[Any]) -> None:
        """Put back what `to_row` wrote."""
        self.recent = deque((at, fingerprint) for at, fingerprint in row)
        self.times = {}
        for _, fingerprint in self.recent:
            self.times[fingerprint] = self.times.get(fingerprint, 0) + 1
