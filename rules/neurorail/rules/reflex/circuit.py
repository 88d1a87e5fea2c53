"""A breaker of a reflex and a key, as the engine keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from neurorail.rules.config import MS
from neurorail.rules.kept import Kind, Row
from neurorail.rules.manifest.actions import Breaker as Settings
from neurorail.rules.reflex.breaker import HALF_OPEN, OPEN, Breaker
from neurorail.rules.reflex.window import PARTS, Window, part_ns
from neurorail.rules.state import State

CIRCUITS_MAX: Final = 10_000
"""Breakers a tenant may have; a further one is refused and counted."""
OUTCOMES_NS: Final = PARTS * 60_000 * MS
"""How long it is known what ended and what of it failed, minute by minute."""


@dataclass(slots=True)
class Circuit:
    """One breaker, what it is for, and how it heals."""

    id: str
    rule: str
    """The reflex; empty for one that an operator opened by itself."""
    scope: dict[str, str | None]
    settings: Settings
    reason: str = ""
    """Why it moved last."""
    probed: bool = True
    """Whether ends are observed that can close it; else it closes when the cooldown is over."""
    breaker: Breaker = field(default_factory=Breaker)
    called: dict[str, str] = field(default_factory=dict)
    """Probes in flight by the entity they belong to: its id, and the probe's."""
    outcomes: Window = field(default_factory=Window)
    """What ended lately, and what of it failed: to be looked at, nothing is decided by it."""

    def limits(self) -> dict[str, int]:
        """How many probes pass at once; nothing while none does."""
        if self.breaker.state != HALF_OPEN:
            return {}
        return {"probes": self.settings.probes}

    def half_open_at(self, state: State) -> int:
        """When the cooldown is over, downtimes of the server added; 0 for never."""
        until = self.breaker.until
        return until + state.shift_since(self.breaker.since) if until else 0

    def ttl_ms(self, state: State) -> int | None:
        """How long it stays as it is, in milliseconds; None if no time is set."""
        at = self.half_open_at(state)
        return max(at - state.now, 0) // MS if at else None

    def retry_after_ms(self, state: State) -> int | None:
        """When a call may be tried again: 0 for now, None when nobody can say."""
        if self.breaker.may_pass(state.now, self.settings):
            return 0
        if self.breaker.state == OPEN:
            at = self.half_open_at(state)
            return max(-(-(at - state.now) // MS), 1) if at else None
        freed = min(self.breaker.probes.values())
        return -(-(freed - state.now) // MS)

    def count(self, now: int, ended: int, failed: int) -> None:
        """Some calls ended, and so many of them failed."""
        self.outcomes.add(now, OUTCOMES_NS, ended, failed)

    def lately(self, now: int) -> list[tuple[int, int, int]]:
        """Minutes in which something ended: begin (Unix nanoseconds), ends, failures."""
        part = part_ns(OUTCOMES_NS)
        return [
            (number * part, ended, failed)
            for number, ended, failed in self.outcomes.parts
            if ended and number > now // part - PARTS
        ]

    def passed(self, state: State, entity_id: str, call: str) -> None:
        """A call was granted that concerns it."""
        if self.breaker.state != HALF_OPEN:
            return
        self.breaker.passed(state.now, self.settings, call)
        probes = self.breaker.probes
        self.called = {one: probe for one, probe in self.called.items() if probe in probes}
        if entity_id:
            self.called[entity_id] = call
        state.kept.changed(CIRCUITS, state.tenant, self.id)


_SETTINGS: Final = (
    "cooldown_ms",
    "backoff_percent",
    "cooldown_max_ms",
    "probes",
    "successes",
    "probe_timeout_ms",
)


def _to_row(circuit: Circuit) -> Row:
    return [
        circuit.id,
        circuit.rule,
        circuit.scope,
        [getattr(circuit.settings, name) for name in _SETTINGS],
        circuit.reason,
        circuit.probed,
        circuit.breaker.to_row(),
        [[entity_id, probe] for entity_id, probe in circuit.called.items()],
        circuit.outcomes.to_row(),
    ]


def _from_row(row: Row) -> Circuit:
    settings = Settings(**dict(zip(_SETTINGS, row[3], strict=True)))
    breaker, called = Breaker.from_row(row[6]), dict(row[7])
    # What earlier versions wrote ends before the outcomes.
    outcomes = Window.from_row([part for parts in row[8:] for part in parts])
    return Circuit(row[0], row[1], row[2], settings, row[4], row[5], breaker, called, outcomes)


def _fire(state: State, name: str, circuit: Circuit, at: int) -> None:
    from neurorail.rules.reflex import circuits

    circuits.due(state, circuit, at)


CIRCUITS: Final = Kind("circuit", CIRCUITS_MAX, _to_row, _from_row, fire=_fire)


def circuit_named(state: State, circuit_id: str) -> Circuit | None:
    """The circuit with this id, of the record's tenant."""
    return state.kept.get(CIRCUITS, state.tenant, circuit_id) if circuit_id else None
