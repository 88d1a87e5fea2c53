"""A token bucket in whole numbers, kept as one: the time at which it would be full again.

(The generic cell rate algorithm.) Times are scaled by the number of calls, so that no rate has to
be rounded.
"""

from __future__ import annotations

from dataclasses import dataclass

from neurorail.rules.config import MS


@dataclass(frozen=True, slots=True)
class ThrottleSettings:
    """`calls` each `per_ms`, of which `burst` may come at once."""

    calls: int
    per_ms: int
    burst: int = 1


class Throttle:
    """One bucket; full at first."""

    __slots__ = ("full_at",)

    def __init__(self, full_at: int = 0) -> None:
        self.full_at = full_at
        """When it is full again, in nanoseconds × calls."""

    def retry_after_ns(self, now: int, settings: ThrottleSettings) -> int:
        """How long until a call may be made; 0 if now."""
        room = (settings.burst - 1) * settings.per_ms * MS
        over = self.full_at - now * settings.calls - room
        return -(-over // settings.calls) if over > 0 else 0

    def take(self, now: int, settings: ThrottleSettings) -> None:
        """A call is made: take its token, whether or not there is one."""
        self.full_at = max(self.full_at, now * settings.calls) + settings.per_ms * MS

    def to_row(self) -> str:
        """As text: the number outgrows 64 bits."""
        return str(self.full_at)

    @staticmethod
    def from_row(row: str) -> Throttle:
        """The bucket that `to_row` wrote."""
        return Throttle(int(row))
