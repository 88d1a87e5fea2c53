"""Roots: what a span above a derived chain ends, and what a stray span may not rewrite."""

from __future__ import annotations

import pytest

from neurorail.rules.config import MS, EngineConfig
from neurorail.rules.engine import Engine
from neurorail.rules.entity import DERIVED
from neurorail.rules.events import Event
from neurorail.rules.observations import (
    Observation,
    SpanLinks,
    SpanObserved,
    Tick,
    TransitionReported,
    Usage,
)

SECOND = 1_000 * MS
BASE = 1_800_000_000 * SECOND
TRACE = b"t" * 16
ROOT, AGENT, CALL = b"r" * 8, b"a" * 8, b"c" * 8
MISSION = f"m_{TRACE.hex()}"


def root(error: bool = False, end: int = 9) -> SpanObserved:
    return SpanObserved(
        TRACE, ROOT, b"", BASE + SECOND, BASE + end * SECOND, role="root", error=error
    )


def call(parent: bytes = ROOT, span_id: bytes = CALL) -> SpanObserved:
    usage = Usage("inference", "openai", "gpt-4o", None, 10, 5, has_tokens=True)
    return SpanObserved(
        TRACE, span_id, parent, BASE + 2 * SECOND, BASE + 3 * SECOND, role="inference", usage=usage
    )


def link(span_id: bytes, parent: bytes = bytes(8)) -> SpanLinks:
    return SpanLinks(TRACE + span_id + parent)


def apply(engine: Engine, at_s: int, *seen: Observation) -> list[Event]:
    return engine.apply(BASE + at_s * SECOND, "default", seen)


def state_of(engine: Engine, entity_id: str) -> tuple[str, int, int]:
    entity = engine.state.entities[f"default|{entity_id}"]
    return entity.state, entity.started, entity.ended


@pytest.mark.parametrize(("error", "state"), [(False, "succeeded"), (True, "failed")])
def test_mission_derived_below_a_plain_root_ends_with_it(error: bool, state: str) -> None:
    engine = Engine(EngineConfig())
    apply(engine, 10, call())
    apply(engine, 11, link(ROOT), root(error))
    assert state_of(engine, MISSION) == (state, BASE + SECOND, BASE + 9 * SECOND)


def test_root_that_came_first_ends_the_mission_when_it_is_derived() -> None:
    engine = Engine(EngineConfig())
    apply(engine, 10, link(ROOT), root())
    assert f"default|{MISSION}" not in engine.state.entities
    apply(engine, 11, call())
    assert state_of(engine, MISSION)[0] == "succeeded"


def test_what_the_root_told_outlives_a_flush() -> None:
    engine = Engine(EngineConfig())
    apply(engine, 10, link(ROOT), root())
    rows = {key: row for key, _, _, row in engine.state.take_changes().rows}
    restored = Engine(EngineConfig(), rows.get)
    apply(restored, 11, call())
    assert state_of(restored, MISSION)[0] == "succeeded"


def test_mission_goes_on_while_its_root_is_unknown() -> None:
    engine = Engine(EngineConfig())
    apply(engine, 10, call())
    apply(engine, 30, Tick())
    assert state_of(engine, MISSION)[0] == "running"


def test_root_does_not_end_a_mission_that_telemetry_names() -> None:
    engine = Engine(EngineConfig())
    named = TransitionReported(0, (MISSION, None, None, None, None), "create", BASE, "log")
    apply(engine, 10, named)
    apply(engine, 11, link(ROOT), root())
    mission = engine.state.entities[f"default|{MISSION}"]
    assert (mission.state, mission.flags & DERIVED) == ("pending", 0)


def own(start: int, end: int, error: bool = False) -> SpanObserved:
    ids = ("m_1", None, None, None, None)
    return SpanObserved(
        TRACE, ROOT, b"", BASE + start * SECOND, BASE + end * SECOND, ids, 0, error=error
    )


def test_stray_own_span_of_an_ended_entity_does_not_rewrite_its_times() -> None:
    engine = Engine(EngineConfig())
    apply(engine, 10, own(2, 8))
    events = apply(engine, 20, own(-1_000, 9, error=True))
    assert [event.type for event in events] == ["late_outcome"]
    assert state_of(engine, "m_1") == ("succeeded", BASE + 2 * SECOND, BASE + 8 * SECOND)


def test_first_own_span_after_a_reported_end_still_tells_the_start() -> None:
    engine = Engine(EngineConfig())
    ids = ("m_1", None, None, None, None)
    below = SpanObserved(
        TRACE, CALL, ROOT, BASE + 5 * SECOND, BASE + 6 * SECOND, (*ids[:1], "p_1", None, None, None)
    )
    apply(engine, 10, below)
    apply(engine, 11, TransitionReported(0, ids, "succeed", BASE + 8 * SECOND, "log"))
    apply(engine, 12, own(2, 8))
    assert state_of(engine, "m_1") == ("succeeded", BASE + 2 * SECOND, BASE + 8 * SECOND)


def test_own_span_that_begins_after_the_end_tells_no_start() -> None:
    engine = Engine(EngineConfig())
    ids = ("m_1", None, None, None, None)
    below = SpanObserved(
        TRACE, CALL, ROOT, BASE + 5 * SECOND, BASE + 6 * SECOND, (*ids[:1], "p_1", None, None, None)
    )
    apply(engine, 10, below)
    apply(engine, 11, TransitionReported(0, ids, "succeed", BASE + 8 * SECOND, "log"))
    apply(engine, 12, own(30, 40))
    assert state_of(engine, "m_1")[1] == BASE + 5 * SECOND
