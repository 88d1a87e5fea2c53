"""Every memory of the engine has a limit, a counter, and says what it does when it is full."""

from __future__ import annotations

from typing import Any

import pytest
from tests.rules.scenario import BASE, SECOND, chain, observation, span_id, trace_id

from neurorail.rules import trace as trace_module
from neurorail.rules import transitions
from neurorail.rules.config import EngineConfig
from neurorail.rules.engine import DUE_PER_TICK_MAX, Engine
from neurorail.rules.events import Event
from neurorail.rules.observations import SpanLinks, Tick
from neurorail.rules.state import RESUMPTIONS_MAX, State
from neurorail.rules.trace import LINKS_MAX, WAITING_MAX

CALL = {"role": "tool", "start": 0, "end": 1}


def apply(engine: Engine, at: float, *specs: dict[str, Any]) -> list[Event]:
    seen = [observation(spec) for spec in specs]
    return engine.apply(BASE + round(at * SECOND), "default", seen)


def types(events: list[Event]) -> list[str]:
    return [event.type for event in events]


def links(*pairs: tuple[str, str]) -> SpanLinks:
    parts = [trace_id("t") + span_id(one) + (span_id(up) or bytes(8)) for one, up in pairs]
    return SpanLinks(b"".join(parts))


def test_links_of_a_trace() -> None:
    engine = Engine(EngineConfig())
    many = links(*[(f"s{number}", "root") for number in range(LINKS_MAX - 1)])
    engine.apply(BASE, "default", [many])
    apply(engine, 1, {"span": "c", "parent": "x", **CALL}, {"span": "d", "parent": "y", **CALL})
    assert engine.state.counters["links_dropped"] == 1
    assert len(engine.state.traces["default|" + trace_id("t").hex()].links) == LINKS_MAX
    # What is beyond the limit has a chain of its own all the same.
    events = engine.apply(BASE + 11 * SECOND, "default", [Tick()])
    assert types(events).count("cost_tracked") == 2


def test_links_of_a_trace_that_would_complete_a_chain() -> None:
    engine = Engine(EngineConfig())
    apply(engine, 0, {"span": "c", "parent": "x", **CALL})
    engine.apply(BASE + 11 * SECOND, "default", [Tick()])
    many = links(*[(f"s{number}", "root") for number in range(LINKS_MAX)], ("x", "root"))
    engine.apply(BASE + 12 * SECOND, "default", [many])
    assert engine.state.counters["links_dropped"] == 2
    trace = engine.state.traces["default|" + trace_id("t").hex()]
    assert span_id("x") not in trace.links


def test_spans_that_wait_in_a_trace() -> None:
    engine = Engine(EngineConfig())
    waiting = [{"span": f"s{number}", "parent": "x", **CALL} for number in range(WAITING_MAX)]
    assert not apply(engine, 0, *waiting)
    events = apply(engine, 1, {"span": "more", "parent": "x", **CALL})
    assert "cost_tracked" in types(events)
    assert engine.state.counters["waiting_overflow"] == 1


def test_bills_of_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_module, "BILLS_MAX", 2)
    engine = Engine(EngineConfig())
    ids = ["m_1", "p_1", "j_1", "a_1"]
    usage = {"in": 1}
    for number in range(4):
        call = {"span": f"s{number}", "parent": "x", "ids": ids, "role": "inference"}
        one = {**usage, "response_id": f"r{number}"} if number else usage
        apply(engine, number, {**call, "usage": one})
    assert engine.state.counters["bills_forgotten"] == 2
    trace = engine.state.traces["default|" + trace_id("t").hex()]
    assert list(trace.bills) == [span_id("s2"), span_id("s3")]
    assert list(trace.responses) == ["r2", "r3"]


def test_children_that_an_entity_lists() -> None:
    engine = Engine(EngineConfig(children_max=1))
    apply(engine, 0, {"log": "create", "ids": ["m_1", "p_1"], "time": 0})
    apply(engine, 1, {"log": "create", "ids": ["m_1", "p_2"], "time": 0})
    assert engine.state.entities["default|m_1"].children == ["p_1"]
    assert engine.state.counters["children_unlisted"] == 1


def test_a_child_that_was_not_listed_moves_all_the_same() -> None:
    engine = Engine(EngineConfig(children_max=0))
    apply(engine, 0, {"span": "c", "parent": "a", **CALL})
    engine.apply(BASE + 11 * SECOND, "default", [Tick()])
    apply(engine, 12, {"span": "a", "role": "agent", "start": 0, "end": 9})
    resource = engine.state.entities[f"default|r_{span_id('c').hex()}"]
    assert resource.ids[2] == f"j_{span_id('a').hex()}"


def test_recent_missions_of_a_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transitions, "RECENT_MISSIONS_MAX", 2)
    engine = Engine(EngineConfig())
    for number in range(3):
        apply(engine, number, {"log": "create", "ids": [f"m_{number}"], "time": 0})
    assert list(engine.state.recent_missions["default"]) == ["m_1", "m_2"]


def test_open_deadlines() -> None:
    engine = Engine(EngineConfig(timers_max=1))
    budget = {"timeout_ms": 1000}
    for number in range(2):
        apply(
            engine, number, {"log": "create", "ids": [f"m_{number}"], "time": 0, "budget": budget}
        )
    assert list(engine.state.scheduled) == ["default|m_0"]
    assert engine.state.counters["timers_dropped"] == 1


def test_deadlines_that_one_tick_fires() -> None:
    engine = Engine(EngineConfig(idle_ms=1000))
    many = DUE_PER_TICK_MAX + 1
    for number in range(many):
        apply(engine, 0, {"log": "create", "ids": [f"m_{number}"], "time": 0})
    events = engine.apply(BASE + 9 * SECOND, "default", [Tick()])
    assert types(events) == ["entity_idle"] * DUE_PER_TICK_MAX
    assert engine.next_deadline() == BASE + SECOND
    assert types(engine.apply(BASE + 9 * SECOND + 1, "default", [Tick()])) == ["entity_idle"]
    assert engine.next_deadline() is None


def test_deadlines_fire_in_the_order_of_time_then_key() -> None:
    engine = Engine(EngineConfig(idle_ms=1000))
    for at, mission in ((2.0, "m_c"), (1.0, "m_b"), (1.0, "m_a")):
        apply(engine, at, {"log": "create", "ids": [mission], "time": 0})
    events = engine.apply(BASE + 9 * SECOND, "default", [Tick()])
    assert [event.data["entity_id"] for event in events] == ["m_a", "m_b", "m_c"]


def test_deadlines_that_no_longer_hold_are_swept() -> None:
    state = State(EngineConfig(), lambda key: None)
    for number in range(10_001):
        state.schedule(f"default|m_{number}", 100_000 - number)
        state.schedule(f"default|m_{number}", 0)
    assert len(state.heap) < 10_001
    assert state.next_deadline() is None
    state.schedule("default|m_1", 0)
    assert state.next_deadline() is None


def test_downtimes_that_are_remembered() -> None:
    state = State(EngineConfig(), lambda key: None)
    for number in range(RESUMPTIONS_MAX + 5):
        state.now = number
        state.note_resumption(1)
    assert state.shift_since(-1) == RESUMPTIONS_MAX
    assert state.shift_since(RESUMPTIONS_MAX + 3) == 1


def test_reports_that_an_entity_remembers_stay_few() -> None:
    engine = Engine(EngineConfig())
    apply(engine, 0, {"log": "create", "ids": ["m_1"], "time": 0})
    for number in range(1, 100):
        apply(engine, 1, {"log": "create", "ids": ["m_1"], "time": number})
    assert len(engine.state.entities["default|m_1"].seen) == transitions.SEEN_MAX


def test_memory_forgets_the_entities_that_were_quiet_longest_but_none_that_is_not_kept() -> None:
    engine = Engine(EngineConfig(entities_in_memory=2))
    for number in range(3):
        apply(engine, number, {"log": "create", "ids": [f"m_{number}"], "time": 0})
    assert engine.state.dirty == 3
    assert engine.state.evict() == 1
    assert len(engine.state.entities) == 3  # Its row is not written yet.
    engine.state.take_changes()
    apply(engine, 4, {"log": "enqueue", "ids": ["m_0"], "time": 4})
    assert engine.state.dirty == 1
    engine.state.evict()
    assert list(engine.state.entities) == ["default|m_2", "default|m_0"]
    assert engine.state.evict() == 0


def test_waiting_in_several_tenants_is_judged_by_one_tick_without_mixing_them() -> None:
    engine = Engine(EngineConfig())
    call = {"span": "c", "parent": "x", "ids": ["m_1"], **CALL}
    for tenant in ("one", "two"):
        engine.apply(BASE, tenant, [observation(call)])
    engine.apply(BASE + 10 * SECOND, "default", [Tick()])
    for tenant in ("one", "two"):
        assert engine.state.entities[f"{tenant}|m_1"].state == "running"
        assert engine.state.by_state[tenant]["mission"] == {
            "pending": 0, "queued": 0, "running": 1,
        }  # fmt: skip
    assert chain(["m_1"])[0] == "m_1"
