"""Spans: links of ordinary ones, and what entities' own spans say."""

from __future__ import annotations

import pytest
from tests.collector.decode.build import (
    CHAIN,
    IDS,
    PARENT,
    RECEIVED,
    SPAN,
    START,
    TRACE,
    decode_traces,
    observed,
    span,
)

from neurorail.collector.decode import Decoder
from neurorail.collector.decode.spans import links_of
from neurorail.rules.observations import (
    Budget,
    Fields,
    Heartbeat,
    SpanLinks,
    SpanObserved,
    TransitionReported,
)

ZERO = b"\0" * 8


def test_ordinary_spans_give_one_block_of_links() -> None:
    root = span({"http.request.method": "GET"}, span_id=b"\x01" * 8, parent=b"")
    child = span({"db.system": "x"}, span_id=b"\x02" * 8, parent=b"\x01" * 8)
    state = span({}, span_id=b"\x03" * 8, parent=b"\x01" * 8, trace_state="vendor=1")
    zeros = span({}, span_id=b"\x04" * 8, parent=ZERO)
    assert decode_traces(root, child, state, zeros) == [
        SpanLinks(
            TRACE
            + b"\x01" * 8
            + ZERO
            + TRACE
            + b"\x02" * 8
            + b"\x01" * 8
            + TRACE
            + b"\x03" * 8
            + b"\x01" * 8
            + TRACE
            + b"\x04" * 8
            + ZERO
        ),
        SpanObserved(TRACE, b"\x01" * 8, b"", START, START + 1000, role="root"),
        SpanObserved(TRACE, b"\x04" * 8, b"", START, START + 1000, role="root"),
    ]


def test_a_root_tells_how_it_ended() -> None:
    _, root = decode_traces(span({}, parent=b"", status=(2, "out of memory")))
    assert isinstance(root, SpanObserved)
    assert (root.role, root.error, root.reason) == ("root", True, "out of memory")


def test_links_come_first_and_the_rest_keeps_its_order() -> None:
    found = decode_traces(
        span(CHAIN, span_id=b"\x01" * 8),
        span({}, span_id=b"\x02" * 8),
        span({**CHAIN, "neurorail.attempt.id": "a_2"}, span_id=b"\x03" * 8),
        span({"note": "neurorail. is named here"}, span_id=b"\x04" * 8),
    )
    links, first, second = found
    assert isinstance(links, SpanLinks)
    assert links.links[16:24] == b"\x02" * 8
    assert links.links[48:56] == b"\x04" * 8
    assert isinstance(first, SpanObserved)
    assert isinstance(second, SpanObserved)
    assert (first.span_id, second.span_id) == (b"\x01" * 8, b"\x03" * 8)


def test_ordinary_spans_with_the_same_stamp_are_links_after_the_first() -> None:
    found = decode_traces(
        span({**CHAIN, "http.request.method": "GET"}, span_id=b"\x01" * 8),
        span({"db.system": "x", **CHAIN}, span_id=b"\x02" * 8, parent=b"\x01" * 8),
        span({**CHAIN, "gen_ai.operation.name": "chat"}, span_id=b"\x03" * 8),
        span({**CHAIN, "neurorail.entity.type": "attempt"}, span_id=b"\x04" * 8),
        span({**CHAIN, "note": "see neurorail.example"}, span_id=b"\x05" * 8),
    )
    links, *rest = found
    assert links == SpanLinks(TRACE + b"\x02" * 8 + b"\x01" * 8)
    assert [seen.span_id[0] for seen in rest if isinstance(seen, SpanObserved)] == [1, 3, 4, 5]


def test_the_stamp_of_an_entity_span_is_not_taken_for_an_ordinary_one() -> None:
    entity = {**CHAIN, "neurorail.entity.type": "attempt"}
    found = decode_traces(span(entity, span_id=b"\x01" * 8), span(entity, span_id=b"\x02" * 8))
    assert [type(seen) for seen in found] == [SpanObserved, SpanObserved]


def test_a_span_below_an_entity_says_where_it_belongs() -> None:
    assert observed({**CHAIN, "http.request.method": "GET"}) == SpanObserved(
        TRACE, SPAN, PARENT, START, START + 1000, IDS
    )


def test_an_entity_says_everything_about_itself() -> None:
    found = observed(
        {
            **CHAIN,
            "neurorail.entity.type": "Attempt",
            "neurorail.attempt.number": 2,
            "neurorail.plan.type": "DAG",
            "neurorail.job.type": "llm_call",
            "neurorail.job.dependencies": ["j_0", "nonsense", "j_x", "j_0"],
            "neurorail.resource.type": "api_call",
            "neurorail.mission.parent_id": "m_0",
            "neurorail.tag.team": "blue",
            "neurorail.tag.area": 7,
            "neurorail.budget.timeout_ms": 1000,
            "neurorail.budget.max_tokens": "2000",
            "neurorail.budget.max_cost_usd": 0.05,
            "neurorail.budget.max_retries": 0,
            "neurorail.budget.max_parallel": 3.0,
            "neurorail.budget.max_tool_calls": 4,
            "neurorail.outcome": "TIMEOUT",
            "neurorail.error.code": "NR-E001",
            "neurorail.reservation.id": "rsv-1",
            "gen_ai.agent.name": "planner",
            "error.type": "TimeoutError",
        },
        status=(2, "too slow"),
    )
    assert found == SpanObserved(
        TRACE,
        SPAN,
        PARENT,
        START,
        START + 1000,
        IDS,
        entity=3,
        outcome="timeout",
        error_code="NR-E001",
        error=True,
        reason="too slow",
        reservation_id="rsv-1",
        fields=Fields(
            parent_mission_id="m_0",
            plan_type="dag",
            job_type="llm_call",
            dependencies=("j_0", "j_x"),
            attempt_number=2,
            resource_type="api_call",
            agent="planner",
            service="svc",
            tags=(("area", "7"), ("team", "blue")),
            budget=Budget(1000, 2000, 50_000_000_000, 0, 3, 4),
        ),
    )


@pytest.mark.parametrize(
    ("value", "pico"),
    [
        ("0.05", 50_000_000_000),
        (0.05, 50_000_000_000),
        (1, 10**12),
        ("1e-6", 10**6),
        (" 2.50 ", 2_500_000_000_000),
        ("0", 0),
        (0.1 + 0.2, 300_000_000_000),
        (-0.05, None),
        ("ten", None),
        ("NaN", None),
        (float("inf"), None),
        ("1e999999999", None),
        (True, None),
        (None, None),
        ([1], None),
        ("9" * 70, None),
    ],
)
def test_money_is_read_as_decimal_text(value: object, pico: int | None) -> None:
    decoder = Decoder()
    found = observed(
        {**CHAIN, "neurorail.entity.type": "job", "neurorail.budget.max_cost_usd": value}, decoder
    )
    assert found.fields is not None
    if pico is None:
        assert found.fields.budget is None
        assert decoder.stats["bad_budget"] == 1
    else:
        assert found.fields.budget == Budget(max_cost_usd_pico=pico)
        assert not decoder.stats


@pytest.mark.parametrize("value", [-1, "-1", 1.5, "1.5", "many", 1 << 62 << 2, True, float("nan")])
def test_a_limit_that_is_no_whole_number_limits_nothing_and_is_counted(value: object) -> None:
    decoder = Decoder()
    if isinstance(value, int) and value > 1 << 62:
        value = str(value)
    found = observed({**CHAIN, "neurorail.budget.max_tokens": value}, decoder)
    assert found.fields is not None
    assert found.fields.budget is None
    assert decoder.stats["bad_budget"] == 1


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("neurorail.mission.id", "mission-1", "bad_id"),
        ("neurorail.mission.id", "p_1", "bad_id"),
        ("neurorail.mission.id", "m_", "bad_id"),
        ("neurorail.mission.id", "m_1\n", "bad_id"),
        ("neurorail.mission.id", "m_" + "x" * 65, "bad_id"),
        ("neurorail.mission.id", 7, "bad_id"),
        ("neurorail.mission.parent_id", "p_1", "bad_id"),
        ("neurorail.plan.type", "spiral", "bad_plan_type"),
        ("neurorail.attempt.number", 0, "bad_attempt_number"),
        ("neurorail.attempt.number", "first", "bad_attempt_number"),
        ("neurorail.job.dependencies", ["x"], "bad_dependency"),
        ("neurorail.outcome", "splendid", "unknown_outcome"),
        ("neurorail.tag.", "x", "bad_tag"),
        ("neurorail.tag.t", ["x"], "bad_tag"),
        ("neurorail.tag." + "k" * 65, "x", "bad_tag"),
        ("neurorail.tag.t", "v" * 257, "tag_cut"),
    ],
)
def test_what_cannot_be_used_is_left_out_and_counted(name: str, value: object, reason: str) -> None:
    decoder = Decoder()
    found = observed({"neurorail.plan.id": "p_1", name: value}, decoder)
    assert found.ids == (None, "p_1", None, None, None)
    assert decoder.stats == {reason: 1}
    if reason != "tag_cut":
        assert found.fields is None or found.fields == Fields(service="svc")


def test_tags_are_bounded() -> None:
    decoder = Decoder()
    found = observed({f"neurorail.tag.k{number:03d}": number for number in range(70)}, decoder)
    assert found.fields is not None
    assert [key for key, _ in found.fields.tags] == [f"k{number:03d}" for number in range(64)]
    assert decoder.stats == {"tags_dropped": 6}


def test_a_resource_places_all_its_spans() -> None:
    resource = {"service.name": "worker", **CHAIN}
    found = decode_traces(
        span({}, span_id=b"\x01" * 8),
        span({"neurorail.resource.id": "r_9"}, span_id=b"\x02" * 8),
        span(
            {"neurorail.mission.id": "m_1", "neurorail.entity.type": "mission"}, span_id=b"\x03" * 8
        ),
        span({"neurorail.attempt.id": "a_other"}, span_id=b"\x04" * 8),
        span({"neurorail.mission.id": "m_2", "neurorail.job.id": "j_2"}, span_id=b"\x05" * 8),
        resource=resource,
    )
    assert [one.ids for one in found if isinstance(one, SpanObserved)] == [
        IDS,
        (*IDS[:4], "r_9"),
        ("m_1", None, None, None, None),
        ("m_1", "p_1", "j_1", "a_other", None),
        ("m_2", None, "j_2", None, None),
    ]


def test_times_are_kept_in_what_the_store_can_hold() -> None:
    found = observed(CHAIN, start_time_unix_nano=0, end_time_unix_nano=0)
    assert (found.start_unix_nano, found.end_unix_nano) == (RECEIVED, RECEIVED)
    found = observed(CHAIN, end_time_unix_nano=2**64 - 1)
    assert found.end_unix_nano == 2**63 - 1
    found = observed(CHAIN, end_time_unix_nano=START - 5)
    assert found.end_unix_nano == START - 5


@pytest.mark.parametrize(
    ("state", "sampled"),
    [
        ("ot=th:8", True),
        ("ot=rv:1;th:c", True),
        ("ot=th:0", False),
        ("a=1,ot=th:4", True),
        ("x=th:8", False),
        ("", False),
    ],
)
def test_a_threshold_in_the_trace_state_tells_of_sampling(state: str, sampled: bool) -> None:
    assert observed(CHAIN, trace_state=state).sampled is sampled


def test_span_events_report_transitions_and_life() -> None:
    found = decode_traces(
        span(
            {**CHAIN, "neurorail.entity.type": "attempt"},
            events=[
                ("something else", START, {"neurorail.transition": "start"}),
                ("neurorail.lifecycle.transition", START + 1, {"neurorail.transition": "START"}),
                ("neurorail.heartbeat", START + 2, {"neurorail.entity.type": "job"}),
                ("neurorail.heartbeat", 0, {"neurorail.mission.id": "m_7"}),
            ],
        ),
        span({}, events=[("neurorail.heartbeat", START, {})]),
    )
    links, own, start, beat, other = found
    assert isinstance(links, SpanLinks)
    assert isinstance(own, SpanObserved)
    assert start == TransitionReported(
        3,
        IDS,
        "start",
        START + 1,
        "span_event",
        fields=Fields(service="svc"),
        trace_id=TRACE,
        span_id=SPAN,
    )
    assert beat == Heartbeat(2, IDS, START + 2)
    assert other == Heartbeat(0, ("m_7", None, None, None, None), START)


def test_a_pending_span_speaks_for_the_real_one() -> None:
    found = observed(
        {
            **CHAIN,
            "neurorail.entity.type": "attempt",
            "neurorail.budget.max_tokens": 5,
            "logfire.span_type": "pending_span",
            "logfire.pending_parent_id": "aabbccddeeff0011",
            "gen_ai.operation.name": "chat",
            "gen_ai.usage.input_tokens": 5,
        }
    )
    assert found.pending
    assert found.span_id == PARENT
    assert found.parent_span_id == bytes.fromhex("aabbccddeeff0011")
    assert found.role == "inference"
    assert found.usage is None
    assert found.fields is not None
    assert found.fields.budget == Budget(max_tokens=5)


@pytest.mark.parametrize("parent", ["0000000000000000", "", "nonsense", "aabb"])
def test_a_pending_root_has_no_parent(parent: str) -> None:
    values = {"logfire.span_type": "pending_span", "logfire.pending_parent_id": parent}
    assert observed({**CHAIN, **values}).parent_span_id == b""
    assert decode_traces(span(values)) == [SpanLinks(TRACE + PARENT + ZERO)]


def test_a_finished_logfire_span_is_a_span_like_any() -> None:
    found = observed({**CHAIN, "logfire.span_type": "span"})
    assert not found.pending
    assert found.span_id == SPAN


def test_a_pending_span_without_the_real_one_is_taken_as_it_is() -> None:
    decoder = Decoder()
    found = observed({**CHAIN, "logfire.span_type": "pending_span"}, decoder, parent=b"")
    assert not found.pending
    assert decoder.stats == {"pending_without_parent": 1}


def test_the_same_record_always_gives_the_same() -> None:
    decoder = Decoder()
    values = {**CHAIN, "neurorail.entity.type": "job", "gen_ai.operation.name": "chat"}
    first = decode_traces(span(values), span({}), decoder=decoder)
    assert decode_traces(span(values), span({}), decoder=decoder) == first
    assert decode_traces(span(values), span({})) == first


def test_ids_in_another_order_on_the_wire_mean_the_same() -> None:
    plain = span({}).SerializeToString()
    at = plain.index(b"\x22\x08")
    moved = plain[:at] + plain[at + 10 :] + plain[at : at + 10]
    assert moved != plain
    assert links_of([moved, plain]) == (TRACE + SPAN + PARENT) * 2
