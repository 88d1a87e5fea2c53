"""Kept objects: their order, their limits, their timers, and that a restart changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from neurorail.rules import engine as engine_module
from neurorail.rules.config import EngineConfig
from neurorail.rules.engine import Engine
from neurorail.rules.kept import Kind, kept_key
from neurorail.rules.observations import Tick
from neurorail.rules.state import Row, State

SECOND = 1_000_000_000


@dataclass
class Lamp:
    """Something to keep: it burns until its time has come."""

    hours: int
    burning: bool = True


def _out(state: State, name: str, lamp: Lamp, at: int) -> None:
    lamp.burning = False
    state.count(f"{state.tenant} {name} went out at {at // SECOND}")


def _lamp(row: Row) -> Lamp:
    return Lamp(row[0], bool(row[1]))


LAMPS = Kind("lamp", 3, lambda lamp: [lamp.hours, lamp.burning], _lamp, fire=_out)
CANDLES = Kind("candle", 2, lambda lamp: [lamp.hours, lamp.burning], _lamp, evicts=True)
KINDS: tuple[Kind[Any], ...] = (LAMPS, CANDLES)


def fresh() -> State:
    return State(EngineConfig(), lambda key: None, KINDS)


def restarted(state: State, rows: dict[str, tuple[int, Row]]) -> State:
    """Flushes into `rows` and puts everything back into a new state."""
    changes = state.take_changes()
    rows.update({key: (deadline, row) for key, deadline, _, row in changes.rows})
    for key in changes.removed:
        del rows[key]
    again = fresh()
    again.restore_meta(changes.meta, b"")
    again.kept.restore([(key, row) for key, (_, row) in reversed(rows.items())])
    for key, (deadline, _) in rows.items():
        again.schedule(key, deadline)
    return again


def test_objects_are_found_by_kind_tenant_and_name() -> None:
    kept = fresh().kept
    assert kept.get(LAMPS, "acme", "hall") is None
    assert list(kept.of(LAMPS, "acme")) == []
    hall, porch, other = Lamp(1), Lamp(2), Lamp(3)
    assert kept.put(LAMPS, "acme", "hall|left", hall)
    assert kept.put(LAMPS, "acme", "porch", porch)
    assert kept.put(LAMPS, "umbrella", "porch", other)
    assert kept.put(CANDLES, "acme", "porch", Lamp(4))
    assert kept.get(LAMPS, "acme", "hall|left") is hall
    assert kept.get(LAMPS, "umbrella", "porch") is other
    assert list(kept.of(LAMPS, "acme")) == [("hall|left", hall), ("porch", porch)]
    assert (kept.number(LAMPS, "acme"), kept.number(LAMPS, "nobody")) == (2, 0)
    assert (kept.total(LAMPS), kept.total(CANDLES)) == (3, 1)
    assert list(kept.every(LAMPS)) == [hall, porch, other]
    # What is put again is the youngest.
    kept.put(LAMPS, "acme", "hall|left", hall)
    assert [name for name, _ in kept.of(LAMPS, "acme")] == ["porch", "hall|left"]


def test_a_full_kind_refuses_or_evicts_and_counts() -> None:
    state = fresh()
    kept = state.kept
    for number in range(4):
        assert kept.put(LAMPS, "acme", f"l{number}", Lamp(number)) is (number < 3)
        assert kept.put(CANDLES, "acme", f"c{number}", Lamp(number))
    assert kept.put(LAMPS, "umbrella", "l", Lamp(9))  # Tenants fill their own places only.
    assert [name for name, _ in kept.of(LAMPS, "acme")] == ["l0", "l1", "l2"]
    assert [name for name, _ in kept.of(CANDLES, "acme")] == ["c2", "c3"]
    assert state.counters == {"lamp_refused": 1, "candle_evicted": 2}


def test_a_restart_changes_nothing() -> None:
    state, rows = fresh(), dict[str, tuple[int, Row]]()
    kept = state.kept
    for name in ("b", "a", "c"):
        kept.put(LAMPS, "acme", name, Lamp(1))
    kept.schedule(LAMPS, "acme", "a", 5 * SECOND)
    assert kept.dirty == state.dirty == 3
    state = restarted(state, rows)
    kept = state.kept
    assert kept.dirty == 0
    assert [name for name, _ in kept.of(LAMPS, "acme")] == ["b", "a", "c"]
    assert state.next_deadline() == 5 * SECOND
    # What changes later is written, what is removed is gone, what is untouched stays.
    lamp = kept.get(LAMPS, "acme", "c")
    assert lamp is not None
    lamp.hours = 7
    kept.changed(LAMPS, "acme", "c")
    kept.remove(LAMPS, "acme", "a")
    kept.put(LAMPS, "acme", "d", Lamp(4))
    kept.put(LAMPS, "acme", "b", Lamp(5))
    assert kept.dirty == 4
    state = restarted(state, rows)
    assert state.next_deadline() is None
    assert list(state.kept.of(LAMPS, "acme")) == [("c", Lamp(7)), ("d", Lamp(4)), ("b", Lamp(5))]
    assert state.kept.put_count == 5
    # Removed and put again between two flushes: it is there.
    state.kept.remove(LAMPS, "acme", "d")
    state.kept.put(LAMPS, "acme", "d", Lamp(6))
    assert [name for name, _ in restarted(state, rows).kept.of(LAMPS, "acme")] == ["c", "b", "d"]


@pytest.mark.interpreted
def test_objects_are_due_in_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "KINDS", KINDS)
    engine = Engine(EngineConfig(timers_max=0))  # Their number has a limit of its own.
    kept = engine.state.kept
    for tenant in ("acme", "umbrella"):
        kept.put(LAMPS, tenant, "a|b", Lamp(1))
        kept.schedule(LAMPS, tenant, "a|b", 5 * SECOND)
    kept.schedule(LAMPS, "umbrella", "a|b", 0)
    engine.state.take_changes()
    engine.apply(6 * SECOND, "default", [Tick()])
    assert kept.get(LAMPS, "acme", "a|b") == Lamp(1, burning=False)
    assert kept.get(LAMPS, "umbrella", "a|b") == Lamp(1)
    assert engine.state.counters["acme a|b went out at 5"] == 1
    (row,) = engine.state.take_changes().rows
    assert row == (kept_key("lamp", "acme", "a|b"), 0, 0, [1, 1, False])
