"""What callers of the engine rely on: failures, reading ahead, counts, and what is kept."""

from __future__ import annotations

from typing import Any

import pytest
from tests.rules.scenario import BASE, SECOND, observation, span_id, trace_id

from neurorail.rules.config import EngineConfig
from neurorail.rules.engine import ApplyError, Engine
from neurorail.rules.errors import category
from neurorail.rules.events import CATEGORIES, CHANNELS, EVENT_TYPES, SEVERITIES
from neurorail.rules.observations import (
    Observation,
    PricesLoaded,
    SpanLinks,
    Tick,
    TransitionReported,
)
from neurorail.rules.state import Row

MISSION_CREATED = {"log": "create", "ids": ["m_1"], "time": 0}
CALL = {
    "span": "c",
    "ids": ["m_1", "p_1", "j_1", "a_1"],
    "role": "inference",
    "usage": {"in": 5, "response_id": "x"},
}


def seen(*specs: dict[str, Any]) -> list[Observation]:
    return [observation(spec) for spec in specs]


# ── failing observations ─────────────────────────────────────────────────────────────────────


def test_observation_that_cannot_be_applied_names_itself() -> None:
    engine = Engine(EngineConfig())
    bad: list[Observation] = [*seen(MISSION_CREATED), PricesLoaded("v", "ab", b"[]")]
    with pytest.raises(ApplyError, match="observation 1 could not be applied") as raised:
        engine.apply(BASE, "default", bad)
    assert raised.value.index == 1
    assert raised.value.cause.startswith("ValueError: price table")


def test_observation_known_to_fail_becomes_an_event_and_the_rest_goes_on() -> None:
    engine = Engine(EngineConfig())
    bad: list[Observation] = [PricesLoaded("v", "ab", b"[]"), *seen(MISSION_CREATED, CALL)]
    events = engine.apply(BASE, "default", bad, {0: "ValueError: bad", 2: "KeyError: worse"})
    assert [event.type for event in events] == ["record_failed", "state_changed", "record_failed"]
    first, _, last = events
    assert first.data == {
        "observation": "PricesLoaded",
        "error": "ValueError: bad",
        "observation_index": 0,
    }
    assert first.severity == "critical"
    assert first.ids == (None,) * 5
    assert last.ids == ("m_1", "p_1", "j_1", "a_1", None)
    assert engine.state.counters["records_failed"] == 2


def test_lack_of_memory_is_no_failing_observation() -> None:
    def exhausted(key: str) -> Row | None:
        raise MemoryError

    with pytest.raises(MemoryError):
        Engine(EngineConfig(), exhausted).apply(BASE, "default", seen(MISSION_CREATED))


def test_something_else_than_an_observation_is_refused() -> None:
    with pytest.raises(ApplyError, match="KeyError"):
        Engine(EngineConfig()).apply(BASE, "default", ["nonsense"])  # type: ignore[list-item]


# ── reading ahead ────────────────────────────────────────────────────────────────────────────


def test_wanted_names_what_memory_does_not_hold() -> None:
    engine = Engine(EngineConfig())
    trace = f"acme|{trace_id('t').hex()}"
    links = SpanLinks(trace_id("u") + bytes(16) + trace_id("t") + bytes(16))
    told = [links, *seen(CALL, {"tick": None}, {"log": "start", "ids": ["m_2"], "time": 0})]
    assert engine.wanted("acme", told) == [
        trace,
        f"acme|{trace_id('u').hex()}",
        "acme|m_1",
        "acme|p_1",
        "acme|j_1",
        "acme|a_1",
        f"acme|r_{span_id('c').hex()}",
        "acme|m_2",
    ]
    engine.apply(BASE, "acme", told)
    assert engine.wanted("acme", told) == []
    assert engine.wanted("other", seen({"audit": [], "time": 0, **AUDIT})) == []


AUDIT = {
    "event_type": "note",
    "event_category": "safety",
    "severity": "info",
    "message": "m",
    "details_json": "{}",
}


def rows_of(engine: Engine) -> dict[str, Row]:
    return {key: row for key, _, _, row in engine.state.take_changes().rows}


def test_what_was_read_ahead_is_not_read_again() -> None:
    first = Engine(EngineConfig())
    first.apply(BASE, "default", seen(CALL))
    rows = rows_of(first)
    asked: list[str] = []

    def load(key: str) -> Row | None:
        asked.append(key)
        return rows.get(key)

    second = Engine(EngineConfig(), load)
    again = seen(CALL)
    for key in second.wanted("default", again):
        second.supply(key, rows.get(key))
    assert second.apply(BASE + SECOND, "default", again) == []
    assert asked == []
    assert second.state.counters["duplicate_usage"] == 1


def test_what_is_missing_is_asked_for_once() -> None:
    asked: list[str] = []

    def load(key: str) -> Row | None:
        asked.append(key)
        return None

    engine = Engine(EngineConfig(), load)
    told = seen(MISSION_CREATED)
    for key in engine.wanted("default", told):
        engine.supply(key, None)
    engine.apply(BASE, "default", told)
    assert asked == []
    engine.apply(BASE, "default", seen({"log": "create", "ids": ["m_9", "p_9"], "time": 0}))
    assert asked == ["default|m_9", "default|p_9"]


def test_rows_older_than_memory_are_ignored() -> None:
    engine = Engine(EngineConfig(traces_in_memory=1))
    links = {"links": [["q", "p"]], "trace": "t"}
    engine.apply(BASE, "default", seen(MISSION_CREATED, links))
    rows = rows_of(engine)
    engine.apply(BASE, "default", seen(CALL))
    engine.apply(BASE, "default", seen({"links": [["q", "p"]], "trace": "u"}))
    # Trace t has left memory and its last row is not written yet.
    key = f"default|{trace_id('t').hex()}"
    assert key in engine.wanted("default", seen(CALL))
    engine.supply(key, rows[key])
    engine.supply("default|m_1", rows["default|m_1"])
    assert engine.apply(BASE + SECOND, "default", seen(CALL)) == []
    assert engine.state.entities["default|m_1"].state == "running"


def test_trace_without_bills_leaves_nothing_behind() -> None:
    engine = Engine(EngineConfig(traces_in_memory=1))
    engine.apply(BASE, "default", seen({"links": [["q", "p"]], "trace": "t"}))
    engine.apply(BASE, "default", seen({"links": [["q", "p"]], "trace": "u"}))
    changes = engine.state.take_changes()
    assert changes.removed == [f"default|{trace_id('t').hex()}"]
    assert [key for key, *_ in changes.rows] == [f"default|{trace_id('u').hex()}"]
    # Before that is written, it comes back empty.
    engine.apply(BASE, "default", seen({"links": [["q", "p"]], "trace": "t"}))
    engine.apply(BASE, "default", seen({"links": [["q", "p"]], "trace": "u"}))
    assert len(engine.state.traces) == 1


# ── counts ───────────────────────────────────────────────────────────────────────────────────


def test_resources_are_counted_by_type_each_state() -> None:
    engine = Engine(EngineConfig())
    told: list[dict[str, Any]] = [
        {"span": "a", "parent": "x", "ids": ["m_1", "p_1", "j_1", "a_1"], "role": "inference"},
        {"span": "b", "parent": "x", "ids": ["m_1", "p_1", "j_1", "a_1"], "role": "embedding"},
        {"span": "c", "parent": "x", "ids": ["m_1", "p_1", "j_1", "a_1"], "role": "tool"},
        {"span": "d", "ids": ["m_1", "p_1", "j_1", "a_1", "r_d"], "entity": "resource",
         "resource_type": "retrieval", "role": "tool"},
        {"span": "e", "ids": ["m_1", "p_1", "j_1", "a_1", "r_e"], "entity": "resource",
         "resource_type": "quantum"},
        {"log": "create", "ids": ["m_1", "p_1", "j_1", "a_1", "r_f"], "time": 0},
    ]  # fmt: skip
    engine.apply(BASE, "default", seen(*told))
    by_state = engine.state.by_state["default"]
    resources = {name: states for name, states in by_state.items() if "resource" in name}
    ended = {"pending": 0, "queued": 0, "running": 0, "succeeded": 1}
    assert resources == {
        "resource:llm_call": ended,
        "resource:embedding": ended,
        "resource:tool_call": ended,
        "resource:retrieval": ended,
        "resource:other": {**ended, "pending": 1},
    }
    resource = engine.state.entities[f"default|r_{span_id('a').hex()}"]
    assert resource.fields is not None
    assert resource.fields.resource_type == "llm_call"


def test_resource_whose_type_comes_late_is_counted_under_it() -> None:
    engine = Engine(EngineConfig())
    ids = ["m_1", "p_1", "j_1", "a_1", "r_1"]
    engine.apply(BASE, "default", seen({"log": "create", "ids": ids, "time": 0}))
    typed = {"log": "enqueue", "ids": ids, "time": 1, "resource_type": "memory"}
    engine.apply(BASE, "default", seen(typed))
    by_state = engine.state.by_state["default"]
    assert by_state["resource:other"] == {"pending": 0}
    assert by_state["resource:memory"] == {"pending": 0, "queued": 1}
    # What is stated later does not change it.
    engine.apply(BASE, "default", seen({**typed, "log": "cancel", "resource_type": "api_call"}))
    assert "resource:api_call" not in by_state
    call = {"span": "s", "ids": ids, "entity": "resource", "role": "tool"}
    engine.apply(BASE, "default", seen(call))
    assert by_state["resource:memory"]["cancelled"] == 1


def test_metadata_is_kept_from_the_first_who_says_it() -> None:
    engine = Engine(EngineConfig())
    for name, metadata in (("create", '{"a":1}'), ("enqueue", "{}")):
        (told,) = seen({"log": name, "ids": ["m_1"], "time": 0})
        assert isinstance(told, TransitionReported)
        told.metadata_json = metadata
        engine.apply(BASE, "default", [told])
    fields = engine.state.entities["default|m_1"].fields
    assert fields is not None
    assert fields.metadata_json == '{"a":1}'


def test_what_names_nobody_is_counted() -> None:
    engine = Engine(EngineConfig())
    for spec in (
        {"log": "start", "level": "plan", "ids": ["m_1"], "time": 0},
        {"heartbeat": ["m_1"], "time": 0, "level": "plan"},
        {"usage": ["m_1"], "time": 0, "level": "plan"},
    ):
        (told,) = seen({key: value for key, value in spec.items() if key != "level"})
        told.level = 1  # type: ignore[union-attr]
        assert engine.apply(BASE, "default", [told]) == []
    assert engine.state.counters["reports_without_id"] == 3


def test_span_that_names_nobody_says_nothing() -> None:
    engine = Engine(EngineConfig())
    assert engine.apply(BASE, "default", seen({"span": "s"})) == []
    assert engine.apply(BASE, "default", [Tick()]) == []


# ── registries ───────────────────────────────────────────────────────────────────────────────


def test_event_types_name_channels_and_categories_that_exist() -> None:
    for kind in EVENT_TYPES.values():
        assert kind.channel in CHANNELS
        assert kind.channel != "all"
        assert kind.category in CATEGORIES
        assert kind.meaning.endswith(".")
    assert SEVERITIES == ("info", "warning", "error", "critical")


@pytest.mark.parametrize(
    ("code", "expected"),
    [(None, "MECHANICAL"), ("NR-E301", "SYSTEM"), ("NR-E250", "ETHICAL"), ("odd", "MECHANICAL")],
)
def test_category_of_a_code(code: str | None, expected: str) -> None:
    assert category(code) == expected
