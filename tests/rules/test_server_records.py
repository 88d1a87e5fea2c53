"""What the server notes, and writes that are sent again."""

from __future__ import annotations

import pytest

from neurorail.rules.config import EngineConfig
from neurorail.rules.engine import Engine
from neurorail.rules.events import EVENT_TYPES
from neurorail.rules.noted import NOTED_TYPES
from neurorail.rules.observations import (
    NO_IDS,
    AuditLogged,
    ErasureOrdered,
    Fields,
    Ids,
    Noted,
    Once,
    TransitionReported,
    Usage,
    UsageReported,
)
from neurorail.rules.once import WRITES_MAX

MISSION_1 = ("m_1", None, None, None, None)


@pytest.fixture
def engine() -> Engine:
    return Engine(EngineConfig())


def entry(once: Once | None) -> AuditLogged:
    return AuditLogged(NO_IDS, "x", "safety", "info", "m", "{}", 5, once=once)


def test_what_the_server_notes_becomes_an_event(engine: Engine) -> None:
    seen = Noted("key_revoked", '{"key_id":"1"}', "gone", "warning")
    (event,) = engine.apply(7, "acme", [seen])
    assert (event.type, event.data, event.message) == ("key_revoked", {"key_id": "1"}, "gone")
    assert (event.severity, event.event_time_unix_nano) == ("warning", 7)
    (loud,) = engine.apply(8, "acme", [Noted("key_revoked", "{}", "gone", "deafening")])
    assert loud.severity == "warning"


def test_nobody_notes_what_the_engine_decides(engine: Engine) -> None:
    assert engine.apply(7, "acme", [Noted("state_changed", "{}", "x", "info")]) == []
    assert engine.state.counters["unknown_notes"] == 1
    assert set(EVENT_TYPES) >= NOTED_TYPES


def test_a_write_sent_again_changes_nothing(engine: Engine) -> None:
    once = Once("create-mission k", "aa")

    def create(entity_id: str, given: Once | None) -> list[str]:
        ids = (entity_id, None, None, None, None)
        seen = TransitionReported(0, ids, "create", 5, "rest", once=given)
        return [event.type for event in engine.apply(5, "default", [seen])]

    assert create("m_1", once) == ["state_changed"]
    assert create("m_2", once) == ["write_repeated"]
    assert engine.state.entity("m_2") is None
    assert create("m_2", None) == ["state_changed"]
    ids = MISSION_1
    usage = Usage("inference", input_tokens=3, has_tokens=True)
    for expected in (True, False):
        seen = UsageReported(0, ids, 6, usage, once=Once("telemetry-record k", "bb"))
        told = [event.type for event in engine.apply(6, "default", [seen])]
        assert ("cost_tracked" in told) is expected
    mission = engine.state.entity("m_1")
    assert mission is not None
    assert mission.tokens == 3


def test_a_repetition_says_where_the_first_is_and_whether_it_was_the_same(engine: Engine) -> None:
    engine.apply(5, "default", [entry(Once("audit-log k", "aa"))])
    (same,) = engine.apply(6, "default", [entry(Once("audit-log k", "aa"))])
    (other,) = engine.apply(7, "default", [entry(Once("audit-log k", "bb"))])
    assert same.data == {
        "endpoint": "audit-log",
        "same_body": True,
        "entity_id": None,
        "first_received_unix_nano": 5,
    }
    assert other.data["same_body"] is False
    (elsewhere,) = engine.apply(8, "acme", [entry(Once("audit-log k", "aa"))])
    assert elsewhere.type == "audit_logged", "keys are a tenant's own"


def test_the_oldest_key_is_forgotten_and_the_rest_survive_a_restart(engine: Engine) -> None:
    for number in range(WRITES_MAX + 1):
        engine.apply(number, "default", [entry(Once(f"audit-log {number}", "aa"))])
    rows, removed = engine.state.kept.take_rows()
    assert len(rows) == WRITES_MAX
    assert len(removed) == 1
    again = Engine(EngineConfig())
    again.state.kept.restore(rows)
    (forgotten,) = again.apply(20_000, "default", [entry(Once("audit-log 0", "aa"))])
    (known,) = again.apply(20_001, "default", [entry(Once(f"audit-log {WRITES_MAX}", "aa"))])
    assert (forgotten.type, known.type) == ("audit_logged", "write_repeated")


def test_a_rest_transition_after_the_end_is_illegal_at_once(engine: Engine) -> None:
    for at, name in enumerate(("create", "enqueue", "cancel"), 1):
        engine.apply(at, "default", [TransitionReported(0, MISSION_1, name, at, "rest")])
    (event,) = engine.apply(4, "default", [TransitionReported(0, MISSION_1, "start", 4, "rest")])
    assert event.type == "transition_rejected"
    (late,) = engine.apply(5, "default", [TransitionReported(0, MISSION_1, "start", 5, "log")])
    assert late.type == "late_input"


def test_erased_entities_keep_what_was_decided(engine: Engine) -> None:
    fields = Fields(tags=(("a", "b"),), metadata_json="{}", agent="x", plan_type="dag")
    chain: Ids = ("m_1", "p_1", None, None, None)
    for level, ids in ((0, MISSION_1), (1, chain)):
        seen = TransitionReported(level, ids, "create", 5, "rest", fields=fields)
        engine.apply(5, "default", [seen])
    order = ErasureOrdered(("m_1", "m_unknown"), "mission", "asked for")
    (event,) = engine.apply(6, "default", [order])
    assert event.data == {"missions": 2, "entities": 2, "scope": "mission", "reason": "asked for"}
    plan = engine.state.entity("p_1")
    assert plan is not None
    assert plan.state == "pending"
    assert plan.fields == Fields(plan_type="dag")
    (again,) = engine.apply(7, "default", [order])
    assert again.data["entities"] == 2
    bare: Ids = ("m_2", None, None, None, None)
    engine.apply(8, "default", [TransitionReported(0, bare, "create", 8, "rest")])
    (of_bare,) = engine.apply(9, "default", [ErasureOrdered(("m_2",), "mission", "x")])
    assert of_bare.data["entities"] == 1
