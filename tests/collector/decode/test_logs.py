"""Log records: transitions, several at once, and heartbeats."""

from __future__ import annotations

import pytest
from tests.collector.decode.build import (
    CHAIN,
    IDS,
    RECEIVED,
    SPAN,
    START,
    TRACE,
    Attributes,
    decode_logs,
    envelope,
    logs,
)

from neurorail.collector.decode import Decoder
from neurorail.collector.envelope import Kind, Signal
from neurorail.rules.observations import (
    NO_IDS,
    Budget,
    Fields,
    Heartbeat,
    Observation,
    TransitionReported,
)

TRANSITION = "neurorail.lifecycle.transition"
HEARTBEAT = "neurorail.heartbeat"
ATTEMPT: Attributes = {**CHAIN, "neurorail.entity.type": "attempt"}


def transition(values: Attributes, decoder: Decoder | None = None) -> TransitionReported:
    (found,) = decode_logs((TRANSITION, START, values), decoder=decoder)
    assert isinstance(found, TransitionReported)
    return found


def nothing(values: Attributes, name: str = TRANSITION) -> Decoder:
    decoder = Decoder()
    assert decode_logs((name, START, values), decoder=decoder) == []
    return decoder


def test_a_transition_with_all_it_can_say() -> None:
    found = decode_logs(
        (
            TRANSITION,
            START,
            {
                **ATTEMPT,
                "neurorail.transition": "Start",
                "neurorail.state.from": "QUEUED",
                "neurorail.state.to": "Running",
                "neurorail.reason": "its turn",
                "neurorail.error.code": "NR-E010",
                "neurorail.attempt.number": 3,
                "neurorail.tag.team": "blue",
                "neurorail.budget.max_tokens": 100,
                "gen_ai.agent.name": "planner",
            },
        ),
        trace_id=TRACE,
        span_id=SPAN,
    )
    assert found == [
        TransitionReported(
            3,
            IDS,
            "start",
            START,
            "log",
            from_state="queued",
            to_state="running",
            reason="its turn",
            fields=Fields(
                attempt_number=3,
                agent="planner",
                service="svc",
                tags=(("team", "blue"),),
                budget=Budget(max_tokens=100),
            ),
            error_code="NR-E010",
            trace_id=TRACE,
            span_id=SPAN,
        )
    ]


def test_one_event_may_report_several_transitions_with_their_times() -> None:
    values = {
        **ATTEMPT,
        "neurorail.transitions": ["create", "ENQUEUE", "start"],
        "neurorail.transition.times_unix_nano": [START - 3, str(START - 2), START - 1],
        "neurorail.tag.team": "blue",
    }
    found = decode_logs((TRANSITION, START, values))
    assert [
        (one.transition, one.time_unix_nano, one.fields and one.fields.tags)
        for one in found
        if isinstance(one, TransitionReported)
    ] == [
        ("create", START - 3, (("team", "blue"),)),
        ("enqueue", START - 2, (("team", "blue"),)),
        ("start", START - 1, (("team", "blue"),)),
    ]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (None, [START, START]),
        ([START - 1], [START - 1, START]),
        (["soon", START - 1], [START, START]),
        ([START - 1, -5], [START - 1, START]),
        ([START - 2, START - 1, START], [START - 2, START - 1]),
    ],
)
def test_a_missing_time_is_the_time_of_the_event(times: object, expected: list[int]) -> None:
    values = {**ATTEMPT, "neurorail.transitions": ["create", "enqueue"]}
    if times is not None:
        values["neurorail.transition.times_unix_nano"] = times
    found = decode_logs((TRANSITION, START, values))
    assert [one.time_unix_nano for one in found if isinstance(one, TransitionReported)] == expected


def test_several_transitions_are_bounded() -> None:
    values = {**ATTEMPT, "neurorail.transitions": ["create"] * 100}
    assert len(decode_logs((TRANSITION, START, values))) == 16


@pytest.mark.parametrize(
    ("state", "name"),
    [("pending", "create"), ("QUEUED", "enqueue"), ("running", "start"), ("Timeout", "timeout")],
)
def test_a_new_state_names_its_transition(state: str, name: str) -> None:
    assert transition({**ATTEMPT, "neurorail.state.to": state}).transition == name


def test_a_transition_that_is_not_in_the_table_is_passed_on_to_be_judged() -> None:
    values = {**ATTEMPT, "neurorail.transition": "explode", "neurorail.state.from": "none"}
    found = transition(values)
    assert (found.transition, found.from_state) == ("explode", "")


def test_a_state_that_is_none_is_passed_on_and_counted() -> None:
    decoder = Decoder()
    values = {**ATTEMPT, "neurorail.transition": "start", "neurorail.state.to": "flying"}
    assert transition(values, decoder).to_state == "flying"
    assert decoder.stats == {"unknown_state": 1}


def test_without_a_type_the_deepest_id_is_meant() -> None:
    assert transition({**CHAIN, "neurorail.transition": "start"}).level == 3
    assert transition({**ATTEMPT, "neurorail.transition": "start"}).level == 3


def test_ids_of_the_resource_complete_those_of_the_event() -> None:
    found = decode_logs(
        (HEARTBEAT, START, {}),
        (HEARTBEAT, START, {"neurorail.resource.id": "r_1"}),
        (HEARTBEAT, START, {"neurorail.mission.id": "m_2"}),
        resource=CHAIN,
    )
    assert found == [
        Heartbeat(3, IDS, START),
        Heartbeat(4, (*IDS[:4], "r_1"), START),
        Heartbeat(0, ("m_2", None, None, None, None), START),
    ]


def test_events_that_name_nothing_are_left_out_and_counted() -> None:
    assert nothing({"neurorail.transition": "start"}).stats == {"event_without_entity": 1}
    assert nothing({}, HEARTBEAT).stats == {"event_without_entity": 1}
    wrong = {"neurorail.mission.id": "m_1", "neurorail.entity.type": "job"}
    assert nothing({**wrong, "neurorail.transition": "start"}).stats == {"event_without_entity": 1}
    assert nothing(ATTEMPT).stats == {"event_without_transition": 1}
    assert nothing({**ATTEMPT, "neurorail.transitions": 7}).stats == {"event_without_transition": 1}


def test_other_logs_are_left_alone() -> None:
    assert nothing(ATTEMPT, "gen_ai.client.inference.operation.details").stats == {}
    assert nothing({"note": TRANSITION}, "other").stats == {}


def test_older_senders_name_the_event_in_an_attribute() -> None:
    assert decode_logs(("", START, {**ATTEMPT, "event.name": HEARTBEAT})) == [
        Heartbeat(3, IDS, START)
    ]


def test_a_record_without_a_time_has_the_one_it_was_observed_at_or_received() -> None:
    (seen,) = decode_logs((HEARTBEAT, 0, ATTEMPT), observed_time_unix_nano=START + 5)
    (received,) = decode_logs((HEARTBEAT, 0, ATTEMPT))
    assert isinstance(seen, Heartbeat)
    assert isinstance(received, Heartbeat)
    assert (seen.time_unix_nano, received.time_unix_nano) == (START + 5, RECEIVED)


def test_ids_of_the_wrong_length_are_no_ids() -> None:
    values = {**ATTEMPT, "neurorail.transition": "start"}
    (found,) = decode_logs((TRANSITION, START, values), trace_id=b"\x01", span_id=b"\x02")
    assert isinstance(found, TransitionReported)
    assert (found.trace_id, found.span_id) == (b"", b"")


def test_the_order_is_that_of_the_request() -> None:
    found = decode_logs(
        (HEARTBEAT, START, CHAIN),
        (TRANSITION, START, {**CHAIN, "neurorail.transition": "fail", "error.type": "Boom"}),
        (HEARTBEAT, START + 1, CHAIN),
    )
    kinds: list[type[Observation]] = [type(one) for one in found]
    assert kinds == [Heartbeat, TransitionReported, Heartbeat]
    assert isinstance(found[1], TransitionReported)
    assert found[1].error_code == "Boom"


def test_a_traces_body_under_logs_gives_nothing_and_does_not_fail() -> None:
    record = envelope(Kind.TELEMETRY, logs((HEARTBEAT, START, CHAIN)), Signal.METRICS)
    assert Decoder().decode(record) == []
    assert NO_IDS == (None,) * 5
