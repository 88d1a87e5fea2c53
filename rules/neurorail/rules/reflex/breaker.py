"""A circuit breaker: closed, open, half-open with a few probes in flight, closed again."""

from __future__ import annotations

from typing import Any, Final

from neurorail.rules.config import MS
from neurorail.rules.manifest.actions import Breaker as Settings

CLOSED: Final = "closed"
OPEN: Final = "open"
HALF_OPEN: Final = "half_open"
BREAKER_STATES: Final = (CLOSED, OPEN, HALF_OPEN)

_BACKOFFS_MAX: Final = 100
"""Back-off steps that are computed; the longest cap is reached before, or never."""


def cooldown_ns(settings: Settings, openings: int) -> int:
    """The cooldown of the `openings`-th opening in a row, in nanoseconds."""
    cooldown = settings.cooldown_ms
    for _ in range(min(openings - 1, _BACKOFFS_MAX)):
        if cooldown >= settings.cooldown_max_ms:
            break
        cooldown = cooldown * settings.backoff_percent // 100
    return min(cooldown, settings.cooldown_max_ms) * MS


class Breaker:
    """One breaker. Every method takes the record time; those that move it say whether they did.

    A call that began before the breaker entered its present state says nothing about that state:
    late failures of an outage neither prolong it nor open the breaker again.
    """

    __slots__ = ("failures", "held", "openings", "probes", "since", "state", "successes", "until")

    def __init__(self) -> None:
        self.state = CLOSED
        self.since = 0
        """When it entered its state; 0 for a new one."""
        self.until = 0
        """When the cooldown ends; 0 unless it is open and not held."""
        self.held = False
        """Opened by a person, and open until a person closes it."""
        self.openings = 0
        """Openings since it was closed last."""
        self.failures = 0
        """Failures counted in this state."""
        self.successes = 0
        self.probes: dict[str, int] = {}
        """Probes in flight: id, and when they count as lost. Oldest first."""

    # ── moves ────────────────────────────────────────────────────────────────────────────────

    def open(self, now: int, settings: Settings, *, hold: bool = False) -> bool:
        """Open it, or hold open what is open already."""
        if self.state == OPEN and (self.held or not hold):
            return False
        self.openings += 0 if self.state == OPEN else 1
        self._enter(OPEN, now)
        self.held = hold
        self.until = 0 if hold else now + cooldown_ns(settings, self.openings)
        return True

    def close(self, now: int) -> bool:
        """Close it."""
        if self.state == CLOSED:
            return False
        self._enter(CLOSED, now)
        self.openings = 0
        return True

    def cooled_down(self, now: int, shift_ns: int = 0) -> bool:
        """Become half-open if the cooldown is over; `shift_ns` is the server's downtime since."""
        if self.state != OPEN or self.held or now < self.until + shift_ns:
            return False
        self._enter(HALF_OPEN, now)
        return True

    def ended(
        self, now: int, settings: Settings, started: int, failed: bool | None, probe: str
    ) -> bool:
        """Take in how a call ended.

        Args:
            now: record time.
            settings: how the breaker heals.
            started: when the call began, by its sender's clock.
            failed: None for a call that was cancelled or refused: it only frees its place.
            probe: the id the call was admitted under; empty for one that did not ask.
        """
        mine = self.probes.pop(probe, None) is not None
        if failed is None or not (mine or started >= self.since):
            return False
        if failed:
            self.failures += 1
            return self.state == HALF_OPEN and self.open(now, settings)
        self.successes += 1
        if self.state != HALF_OPEN or self.successes < settings.successes:
            return False
        return self.close(now)

    def _enter(self, state: str, now: int) -> None:
        self.state = state
        self.since = now
        self.until = 0
        self.held = False
        self.failures = 0
        self.successes = 0
        self.probes = {}

    # ── admission ────────────────────────────────────────────────────────────────────────────

    def may_pass(self, now: int, settings: Settings) -> bool:
        """Whether a call may be made now."""
        if self.state != HALF_OPEN:
            return self.state == CLOSED
        self.lose_probes(now)
        return len(self.probes) < settings.probes

    def passed(self, now: int, settings: Settings, probe: str) -> None:
        """A call that may pass was granted, under this id."""
        if self.state == HALF_OPEN:
            self.probes[probe] = now + settings.probe_timeout_ms * MS

    def release(self, probe: str) -> None:
        """A granted call is not made after all."""
        self.probes.pop(probe, None)

    def lose_probes(self, now: int) -> None:
        """Free the places of probes that nobody heard of for too long."""
        if self.probes:
            self.probes = {probe: at for probe, at in self.probes.items() if at > now}

    # ── rows ─────────────────────────────────────────────────────────────────────────────────

    def to_row(self) -> list[Any]:
        """As plain values."""
        return [
            self.state,
            self.since,
            self.until,
            self.held,
            self.openings,
            self.failures,
            self.successes,
            [[probe, at] for probe, at in self.probes.items()],
        ]

    @staticmethod
    def from_row(row: list[Any]) -> Breaker:
        """The breaker that `to_row` wrote."""
        breaker = Breaker()
        breaker.state, breaker.since, breaker.until, breaker.held = row[:4]
        breaker.openings, breaker.failures, breaker.successes = row[4:7]
        breaker.probes = dict(row[7])
        return breaker
