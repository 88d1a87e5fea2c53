from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from tests.collector.otlp.fakes import KEY
from tests.collector.otlp.telemetry import (
    TRACE_ID,
    attribute,
    gauge,
    logs,
    span_id,
    spans,
    stored_spans,
)

from neurorail.collector.envelope import Kind, Signal
from neurorail.collector.otlp.admission import Admission, AdmittedRequest
from neurorail.collector.otlp.auth import Caller
from neurorail.collector.otlp.config import ReceiverConfig
from neurorail.collector.otlp.redact import Redactor
from neurorail.collector.otlp.refusal import Code, Refusal
from neurorail.collector.otlp.status import Encoding

ADMISSION = Admission(ReceiverConfig(), Redactor(KEY))


def admit(signal: Signal, body: bytes, encoding: Encoding = Encoding.PROTOBUF) -> AdmittedRequest:
    admitted = ADMISSION.admit(signal, encoding, body)
    assert isinstance(admitted, AdmittedRequest), admitted
    return admitted


def refuse(signal: Signal, body: bytes, encoding: Encoding = Encoding.PROTOBUF) -> Refusal:
    refusal = ADMISSION.admit(signal, encoding, body)
    assert isinstance(refusal, Refusal)
    return refusal


@pytest.mark.parametrize(
    ("signal", "body", "items"),
    [
        (Signal.TRACES, spans(count=3).SerializeToString(), 3),
        (Signal.LOGS, logs(count=2).SerializeToString(), 2),
        (Signal.METRICS, gauge(points=4, metrics=2).SerializeToString(), 8),
    ],
)
def test_a_good_request_is_passed_on_unchanged(signal: Signal, body: bytes, items: int) -> None:
    admitted = admit(signal, body)

    (submission,) = admitted.submissions
    assert submission.body is body
    assert (submission.kind, submission.signal, submission.encoding, submission.items) == (
        Kind.TELEMETRY,
        signal,
        "otlp_proto",
        items,
    )
    assert (admitted.items, admitted.items_rejected, admitted.message) == (items, 0, "")


def test_tenant_and_principal_are_the_callers() -> None:
    body = spans(count=1).SerializeToString()

    admitted = ADMISSION.admit(Signal.TRACES, Encoding.PROTOBUF, body, Caller("acme", "agent-7"))

    assert isinstance(admitted, AdmittedRequest)
    assert (admitted.submissions[0].tenant, admitted.submissions[0].principal) == (
        "acme",
        "agent-7",
    )


@pytest.mark.parametrize("signal", [Signal.TRACES, Signal.LOGS, Signal.METRICS])
@pytest.mark.parametrize(
    "body", [b"", b"\x0a\x00", b"\x0a\x02\x12\x00"], ids=["nothing", "resource", "scope"]
)
def test_an_empty_request_succeeds_and_stores_nothing(signal: Signal, body: bytes) -> None:
    admitted = admit(signal, body)

    assert (admitted.submissions, admitted.items, admitted.message) == ([], 0, "")


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ({"trace_id": b""}, "invalid_trace_id"),
        ({"trace_id": TRACE_ID[:15]}, "invalid_trace_id"),
        ({"trace_id": TRACE_ID + b"1"}, "invalid_trace_id"),
        ({"trace_id": bytes(16)}, "invalid_trace_id"),
        ({"span_id": b""}, "invalid_span_id"),
        ({"span_id": b"1234567"}, "invalid_span_id"),
        ({"span_id": b"123456789"}, "invalid_span_id"),
        ({"span_id": bytes(8)}, "invalid_span_id"),
        ({"parent_span_id": b"1234"}, "invalid_parent_span_id"),
        ({"attributes": [attribute("neurorail.mission.id", "p_1")]}, "invalid_chain_id"),
        ({"attributes": [attribute("neurorail.mission.id", "m_")]}, "invalid_chain_id"),
        ({"attributes": [attribute("neurorail.job.id", "j_" + "x" * 65)]}, "invalid_chain_id"),
        ({"attributes": [attribute("neurorail.plan.id", "p_a b")]}, "invalid_chain_id"),
        ({"attributes": [attribute("neurorail.plan.id", "p_a\n")]}, "invalid_chain_id"),
        ({"attributes": [attribute("neurorail.attempt.id", "a_é")]}, "invalid_chain_id"),
        ({"attributes": [attribute("neurorail.resource.id", 7)]}, "invalid_chain_id"),
    ],
)
def test_an_invalid_span_is_rejected_and_the_rest_kept(
    override: dict[str, Any], reason: str
) -> None:
    admitted = admit(Signal.TRACES, spans({}, override, {}).SerializeToString())

    assert dict(admitted.rejected) == {reason: 1}
    assert admitted.items == 2
    telemetry, _ = admitted.submissions
    assert telemetry.items == 2
    assert [s.span_id for s in stored_spans(telemetry.body)] == [span_id(1), span_id(3)]
    assert admitted.message.startswith("1 span(s) rejected: ")


def test_rejections_are_a_record_of_their_own() -> None:
    bad: dict[str, Any] = {"span_id": b""}
    body = spans({}, bad, bad, {"trace_id": b"x"}).SerializeToString()

    record = admit(Signal.TRACES, body).submissions[-1]

    assert (record.kind, record.signal, record.encoding) == (Kind.SYSTEM, Signal.NONE, "json")
    assert json.loads(record.body) == {
        "type": "rejected",
        "signal": "traces",
        "reasons": {"invalid_span_id": 2, "invalid_trace_id": 1},
    }


def test_nothing_but_the_rejection_is_stored_when_all_spans_are_invalid() -> None:
    admitted = admit(Signal.TRACES, spans({"span_id": b"123"}).SerializeToString())

    assert [s.kind for s in admitted.submissions] == [Kind.SYSTEM]
    assert (admitted.items, admitted.items_rejected) == (0, 1)


def test_resource_scope_and_unknown_fields_survive_a_rejection() -> None:
    request = spans({"span_id": b""}, {})
    span = request.resource_spans[0].scope_spans[0].spans[1]
    span.MergeFromString(b"\xfa\x3f\x03abc")  # field 1023, which no proto names

    telemetry = admit(Signal.TRACES, request.SerializeToString()).submissions[0]

    del request.resource_spans[0].scope_spans[0].spans[0]
    assert type(request).FromString(telemetry.body) == request
    assert b"\xfa\x3f\x03abc" in telemetry.body


@pytest.mark.parametrize("tail", [1, 2, 16, 31, 32, 33, 63, 64])
@pytest.mark.parametrize("key", ["mission", "plan", "job", "attempt", "resource"])
def test_ids_of_every_allowed_length_are_taken(key: str, tail: int) -> None:
    value = f"{key[0]}_" + ("Az09._-" * 10)[:tail]
    body = spans({"attributes": [attribute(f"neurorail.{key}.id", value)]}).SerializeToString()

    assert admit(Signal.TRACES, body).submissions[0].body is body


def test_a_bad_chain_id_on_a_span_event_rejects_the_span() -> None:
    request = spans({}, {})
    event = request.resource_spans[0].scope_spans[0].spans[0].events.add(name="x")
    event.attributes.append(attribute("neurorail.job.id", "nope"))

    assert dict(admit(Signal.TRACES, request.SerializeToString()).rejected) == {
        "invalid_chain_id": 1
    }


def test_text_that_only_names_a_chain_id_rejects_nothing() -> None:
    note = attribute("note", "set neurorail.mission.id on it")
    body = spans({"attributes": [note]}).SerializeToString()

    assert admit(Signal.TRACES, body).submissions[0].body is body


def test_log_records_need_no_ids() -> None:
    body = logs({"trace_id": b"short", "span_id": b"x"}, {}).SerializeToString()

    assert admit(Signal.LOGS, body).submissions[0].body is body


def test_a_log_record_with_a_bad_chain_id_is_rejected() -> None:
    bad = {"attributes": [attribute("neurorail.mission.id", "mission 1")]}

    admitted = admit(Signal.LOGS, logs(bad, {}).SerializeToString())

    assert dict(admitted.rejected) == {"invalid_chain_id": 1}
    kept = ExportLogsServiceRequest.FromString(admitted.submissions[0].body)
    assert [r.time_unix_nano for r in kept.resource_logs[0].scope_logs[0].log_records] == [2]
    assert "1 log record(s) rejected" in admitted.message


@pytest.mark.parametrize(
    "record",
    [{}, {"trace_id": TRACE_ID, "span_id": span_id(1)}, {"event_name": "e", "flags": 1}],
    ids=["plain", "with ids", "event"],
)
def test_logs_sent_to_the_traces_endpoint_are_refused_by_name(record: dict[str, Any]) -> None:
    refusal = refuse(Signal.TRACES, logs(record, record).SerializeToString())

    assert refusal.code is Code.INVALID_ARGUMENT
    assert "looks like a logs export" in refusal.message
    assert not refusal.retryable


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("resourceSpans", "logs"), ("resourceLogs", "metrics"), ("resourceMetrics", "traces")],
)
def test_another_signals_json_is_refused_by_name(ours: str, theirs: str) -> None:
    signal = {
        "resourceSpans": Signal.LOGS,
        "resourceLogs": Signal.METRICS,
        "resourceMetrics": Signal.TRACES,
    }[ours]

    refusal = refuse(signal, json.dumps({ours: [{}]}).encode(), Encoding.JSON)

    assert f"export sent to /v1/{theirs}" in refusal.message


@pytest.mark.parametrize("signal", [Signal.TRACES, Signal.LOGS, Signal.METRICS])
@pytest.mark.parametrize(
    "body",
    [b"\xff" * 50, b"{}", b"\x0a\x7f\x01", b"\x0b", b"\x0a\x80\x80\x80\x80\x80\x80\x80\x80"],
    ids=["random", "json", "cut off", "groups", "cut varint"],
)
def test_a_malformed_body_is_refused_for_good(signal: Signal, body: bytes) -> None:
    refusal = refuse(signal, body)

    assert (refusal.code, refusal.retryable) == (Code.INVALID_ARGUMENT, False)
    assert "is not a protobuf Export" in refusal.message


def test_every_truncation_of_a_request_gets_an_answer() -> None:
    body = spans({"attributes": [attribute("key", "värde")]}).SerializeToString()

    for end in range(1, len(body)):
        refusal = ADMISSION.admit(Signal.TRACES, Encoding.PROTOBUF, body[:end])
        assert isinstance(refusal, Refusal), end
        assert refusal.code is Code.INVALID_ARGUMENT


def test_invalid_utf8_is_repaired_and_counted() -> None:
    body = spans({"name": "span AB", "attributes": [attribute("k", "AB")]}, {}).SerializeToString()

    admitted = admit(Signal.TRACES, body.replace(b"AB", b"\xc3\x28"))

    assert admitted.strings_repaired == 2
    assert (admitted.items, dict(admitted.rejected)) == (2, {})
    span = stored_spans(admitted.submissions[0].body)[0]
    assert span.name == "span \ufffd("
    assert span.attributes[0].value.string_value == "\ufffd("


def test_a_request_over_the_limit_is_refused_without_parsing() -> None:
    small = Admission(ReceiverConfig(max_request_bytes=10, max_inflight_bytes=10), None)

    refusal = small.admit(Signal.TRACES, Encoding.PROTOBUF, b"x" * 11)

    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.retryable) == (Code.RESOURCE_EXHAUSTED, False)


def test_a_large_request_is_split_before_it_is_stored() -> None:
    admitted = admit(Signal.TRACES, spans(count=4_500).SerializeToString())

    assert [s.items for s in admitted.submissions] == [2_000, 2_000, 500]
    assert admitted.items == 4_500
    ids = [span.span_id for s in admitted.submissions for span in stored_spans(s.body)]
    assert ids == [span_id(n) for n in range(1, 4_501)]


YEAR_2262_NS = (1 << 63) - 1


@pytest.mark.parametrize(
    "override",
    [
        {"start_time_unix_nano": 2, "end_time_unix_nano": 1},
        {"start_time_unix_nano": YEAR_2262_NS, "end_time_unix_nano": (1 << 64) - 1},
        {"start_time_unix_nano": 0, "end_time_unix_nano": 0},
        {"attributes": [attribute("same", n) for n in range(3)]},
        {"attributes": [attribute(f"key {n}", n) for n in range(10_000)]},
        {"attributes": [attribute("large", "x" * 1_000_000)]},
        {"name": "", "kind": 99},
    ],
    ids=["reversed", "year 2262", "no time", "duplicates", "10,000", "1 MB", "odd"],
)
def test_odd_but_valid_spans_are_accepted_unchanged(override: dict[str, Any]) -> None:
    body = spans(override).SerializeToString()

    assert admit(Signal.TRACES, body).submissions[0].body is body


def test_spans_of_150_dates_are_one_request() -> None:
    day_ns = 86_400_000_000_000
    dated = [
        {"start_time_unix_nano": n * day_ns, "end_time_unix_nano": n * day_ns} for n in range(150)
    ]

    assert admit(Signal.TRACES, spans(*dated).SerializeToString()).items == 150


def test_content_is_redacted_unless_it_is_to_be_stored() -> None:
    body = spans({"attributes": [attribute("input.value", "secret")]}).SerializeToString()

    redacted = admit(Signal.TRACES, body)
    kept = Admission(ReceiverConfig(), None).admit(Signal.TRACES, Encoding.PROTOBUF, body)

    assert b"secret" not in redacted.submissions[0].body
    assert redacted.values_redacted == 1
    assert isinstance(kept, AdmittedRequest)
    assert kept.submissions[0].body is body


def test_json_becomes_protobuf() -> None:
    body = {
        "resourceSpans": [
            {"scopeSpans": [{"spans": [{"traceId": TRACE_ID.hex(), "spanId": "00000000000000ff"}]}]}
        ]
    }

    admitted = admit(Signal.TRACES, json.dumps(body).encode(), Encoding.JSON)

    (span,) = stored_spans(admitted.submissions[0].body)
    assert (span.trace_id, span.span_id) == (TRACE_ID, span_id(255))


def test_json_ids_that_are_not_hex_reject_their_span_only() -> None:
    good = {"traceId": TRACE_ID.hex(), "spanId": "00000000000000ff"}
    bad = {"traceId": "AQIDBAUGBwgJCgsMDQ4PEA==", "spanId": "00000000000000fe"}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [good, bad]}]}]}

    admitted = admit(Signal.TRACES, json.dumps(body).encode(), Encoding.JSON)

    assert dict(admitted.rejected) == {"invalid_trace_id": 1}
    assert admitted.items == 1


def test_malformed_json_is_refused_with_the_place() -> None:
    body = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":"SPAN_KIND_CLIENT"}]}]}]}'

    refusal = refuse(Signal.TRACES, body, Encoding.JSON)

    assert refusal.code is Code.INVALID_ARGUMENT
    assert refusal.field == "resourceSpans[0].scopeSpans[0].spans[0].kind"
