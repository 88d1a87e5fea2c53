"""A token bucket in whole numbers, kept as one: the time at which it would be full again.

(The generic cell rate algorithm.) Times are scaled by the number of calls, so that no rate has to
be rounded.
"""

from __future__ import annotations

from neurorail.rules.config import MS
from neurorail.rules.manifest.actions import Throttle as Settings


def burst_of(settings: Settings) -> int:
    """How many calls may come at once after a pause."""
    return settings.calls if settings.burst is None else settings.burst


class Throttle:
    """One bucket; full at first."""

    __slots__ = ("full_at",)

    def __init__(self, full_at: int = 0) -> None:
        self.full_at = full_at
        """When it is full again, in nanoseconds × calls."""

    def retry_after_ns(self, now: int, settings: Settings) -> int:
        """How long until a call may be made; 0 if now."""
        room = (burst_of(settings) - 1) * settings.every_ms * MS
        over = self.full_at - now * settings.calls - room
        return -(-over // settings.calls) if over > 0 else 0

    def take(self, now: int, settings: Settings) -> None:
        """A call is made: take its token, whether or not there is one."""
        self.full_at = max(self.full_at, now * settings.calls) + settings.every_ms * MS

    def to_row(self) -> str:
        """As text: the number outgrows 64 bits."""
        return str(self.full_at)

    @staticmethod
    def from_row(row: str) -> Throttle:
        """The bucket that `to_row` wrote."""
        return Throttle(int(row))
