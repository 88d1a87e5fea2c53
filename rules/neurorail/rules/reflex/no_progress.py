"""Work that runs and shows no sign of life."""

from __future__ import annotations

from typing import Any

from neurorail.rules.config import MS
from neurorail.rules.manifest import triggers
from neurorail.rules.reflex.step import GONE, Fired, Step


class NoProgress:
    """Fires, by a timer, when nothing at all came for `silent_ms`."""

    __slots__ = ("last", "silent_ns")

    def __init__(self, rule: triggers.NoProgress) -> None:
        self.silent_ns = rule.silent_ms * MS
        self.last = 0
        """When something came last; 0 while there is nothing to wait for."""

    def observe(self, now: int, step: Step) -> Fired | None:
        """Anything is a sign of life; an end leaves nothing to wait for."""
        self.last = 0 if step.kind == GONE else now
        return None

    def deadline(self) -> int:
        """When it fires unless something comes; 0 for never."""
        return self.last + self.silent_ns if self.last else 0

    def due(self, now: int) -> Fired | None:
        """Look whether the silence lasted long enough at `now`."""
        if not self.last or now < self.last + self.silent_ns:
            return None
        silent_ms = (now - self.last) // MS
        self.last = 0
        return Fired(f"nothing came for {silent_ms} ms", {"silent_ms": silent_ms})

    def clear(self) -> None:
        """Forget what was seen."""
        self.last = 0

    def to_row(self) -> list[Any]:
        """What was seen, as plain values."""
        return [self.last]

    def restore(self, row: list[Any]) -> None:
        """Put back what `to_row` wrote."""
        self.last = row[0]
