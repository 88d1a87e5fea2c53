from collections.abc import Callable

import pytest

from neurorail.rules.config import EngineConfig
from neurorail.rules.engine import Engine
from neurorail.rules.manifest.facts import (
    FACTS,
    ChainFacts,
    call_facts,
    entity_facts,
    facts_apart,
    find_fact,
    request_facts,
)
from neurorail.rules.observations import (
    NO_IDS,
    Fields,
    Ids,
    SpanObserved,
    TransitionReported,
    Usage,
)
from neurorail.rules.state import State

CHAIN: Ids = ("m_1", "p_1", "j_1", "a_1", None)
CALL: Ids = ("m_1", "p_1", "j_1", "a_1", "r_1")
MS = 1_000_000


@pytest.fixture
def state() -> State:
    engine = Engine(EngineConfig())
    tags = (("environment", "production"), ("team", "search"), ("uses_personal_data", "Yes"))
    job = Fields(job_type="llm_call", agent="writer")
    attempt = Fields(attempt_number=2)
    span = SpanObserved(
        b"t" * 16, b"s" * 8, b"", 5 * MS, 25 * MS, CHAIN, entity=3, error_code="NR-E004",
        outcome="failed", fields=attempt, first_signal_ms=7,
    )  # fmt: skip
    engine.apply(
        100 * MS,
        "default",
        [
            TransitionReported(0, ("m_1", *NO_IDS[1:]), "create", 1, "log", fields=Fields(
                agent="crew", service="desk", tags=tags)),
            TransitionReported(2, (*CHAIN[:3], None, None), "create", 2, "log", fields=job),
            span,
        ],
    )  # fmt: skip
    return engine.state


def test_facts_of_an_entity_are_its_own_and_its_ancestors(state: State) -> None:
    attempt = state.existing("a_1")
    assert entity_facts(state, attempt) == {
        "tenant": "default",
        "mission_id": "m_1",
        "plan_id": "p_1",
        "job_id": "j_1",
        "attempt_id": "a_1",
        "entity_type": "attempt",
        "agent": "writer",
        "service": "desk",
        "environment": "production",
        "uses_personal_data": True,
        "tag.environment": "production",
        "tag.team": "search",
        "tag.uses_personal_data": "Yes",
        "job_type": "llm_call",
        "attempt_number": 2,
        "tokens": 0,
        "input_tokens": 0,
        "output_tokens": 0,
        "cost_usd_pico": 0,
        "tool_calls": 0,
        "model_calls": 0,
        "retries": 0,
        "outcome": "failed",
        "failed": True,
        "error_code": "NR-E004",
        "error_category": "MECHANICAL",
        "duration_ms": 20,
        "first_signal_ms": 7,
    }


def test_facts_that_are_asked_for_are_those_that_are_gathered(state: State) -> None:
    call = SpanObserved(b"t" * 16, b"c" * 8, b"", 10, 14, CALL, role="tool", error_code="timeout",
                        fields=Fields(tool="search", tags=(("team", "ads"),)))  # fmt: skip
    made: list[Callable[[], ChainFacts]] = [
        lambda: entity_facts(state, state.existing("a_1")),
        lambda: entity_facts(state, state.existing("m_1"), {"violation_type": "cost"}),
        lambda: call_facts(state, call, CALL, [1] * 9, "failed"),
    ]
    for facts in made:
        state.facts_of_call = None
        whole = dict(facts())
        for name in (*FACTS, "tag.team", "tag.other", "context.region"):
            state.facts_of_call = None
            assert facts().get(name) == whole.get(name)
        asked = facts()
        assert asked.get("tokens") is not None
        assert dict(asked) == whole
        assert len(asked) == len(whole)
        assert facts().get("context.region", "none") == "none"
        with pytest.raises(KeyError):
            facts()["context.region"]


def test_what_a_call_has_only_from_its_chain_is_left_out_of_its_own(state: State) -> None:
    call = SpanObserved(b"t" * 16, b"c" * 8, b"", 10, 14, CALL, role="tool", fields=Fields(
        agent="writer", service="desk 2", tags=(("team", "search"), ("shift", "late")),
    ))  # fmt: skip
    own = facts_apart(call_facts(state, call, CALL, [1] * 9, "succeeded"))
    assert own == {
        "operation": "tool",
        "service": "desk 2",
        "tag.shift": "late",
        "input_tokens": 1,
        "output_tokens": 1,
        "tokens": 2,
        "cost_usd_pico": 1,
        "tool_calls": 1,
        "model_calls": 1,
        "duration_ms": 0,
        "outcome": "succeeded",
        "failed": False,
    }
    state.existing("j_1").fields = Fields(model="gpt-5")
    state.facts_of_call = None
    own = facts_apart(call_facts(state, call, CHAIN, [1] * 9, "succeeded"))
    assert (own["model"], own["entity_type"]) == ("gpt-5", "resource")


def test_facts_of_an_open_entity_say_no_end(state: State) -> None:
    facts = entity_facts(state, state.existing("m_1"))
    assert facts["agent"] == "crew"
    assert not {"outcome", "failed", "duration_ms", "job_type", "error_code"} & facts.keys()


def test_entity_that_never_started_has_no_duration(state: State) -> None:
    mission = state.existing("m_1")
    mission.state, mission.started = "cancelled", 0
    facts = entity_facts(state, mission)
    assert facts["outcome"] == "cancelled"
    assert "duration_ms" not in facts


def test_facts_of_a_call_are_what_it_alone_used(state: State) -> None:
    call = SpanObserved(
        b"t" * 16, b"c" * 8, b"s" * 8, 10 * MS, 14 * MS, CALL, role="inference", error=True,
        error_code="timeout", first_signal_ms=3,
        usage=Usage("inference", "openai", "gpt-5", input_tokens=5),
        fields=Fields(model="gpt", tags=(("team", "ads"),)),
    )  # fmt: skip
    facts = call_facts(state, call, CALL, [5, 6, 0, 0, 0, 9, 0, 1, 0], "failed")
    assert facts["operation"] == "inference"
    assert facts["tokens"] == 11
    assert facts["cost_usd_pico"] == 9
    assert facts["duration_ms"] == 4
    assert facts["first_signal_ms"] == 3
    assert facts["tag.team"] == "ads"
    assert facts["provider"] == "openai"
    assert facts["agent"] == "writer"
    assert facts["failed"] is True
    assert facts["resource_id"] == "r_1"


def test_facts_of_a_call_that_says_little(state: State) -> None:
    call = SpanObserved(b"t" * 16, b"c" * 8, b"", 10, 14, CALL, role="tool")
    facts = call_facts(state, call, CALL, [0] * 9, "succeeded")
    assert facts["operation"] == "tool"
    assert facts["failed"] is False
    assert not {"provider", "model", "first_signal_ms", "error_code"} & facts.keys()
    call.usage = Usage("embedding")
    facts = call_facts(state, call, CALL, [0] * 9, "succeeded")
    assert facts["operation"] == "embedding"
    assert "model" not in facts


def test_facts_of_a_request_are_its_context_above_the_chain(state: State) -> None:
    ids: Ids = ("m_1", None, "j_9", None, None)
    facts = request_facts(
        state,
        ids,
        "tool_execution",
        {"risk_class": "EXTERNAL", "idempotent": False, "tool": "search", "region": 7},
        {"tokens": 5, "duration_ms": 9},
    )
    assert facts["entity_type"] == "job"
    assert facts["job_type"] == "tool_execution"
    assert facts["risk_class"] == "EXTERNAL"
    assert facts["idempotent"] is False
    assert facts["context.idempotent"] == "false"
    assert facts["context.region"] == "7"
    assert facts["tool"] == "search"
    assert facts["tag.team"] == "search"
    assert facts["agent"] == "crew"
    assert facts["tokens"] == 5
    assert facts["duration_ms"] == 9
    assert "cost_usd_pico" not in facts


def test_request_without_a_chain_has_the_tenant_alone(state: State) -> None:
    assert request_facts(state, NO_IDS, None, {}, {}) == {"tenant": "default"}


def test_names_of_families_are_text() -> None:
    tag = find_fact("tag.team")
    assert tag is not None
    assert tag.type == "text"
    part = find_fact("context.region")
    assert part is not None
    assert part.meaning != tag.meaning
    assert find_fact("tag.") is None
    assert find_fact("tags.team") is None
