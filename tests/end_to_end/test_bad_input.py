"""Bad input through the whole path: the specified answer, and nothing else suffers from it.

After each, the server must be alive and ready; what is good beside or after the bad is archived.
"""

from __future__ import annotations

import gzip
import json
import random
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
import zstandard
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from tests.end_to_end.rail import JSON, MS, PROTOBUF, SECOND, Answer, Chain, Rail
from tests.support.otlp_requests import set_attributes, traces

REQUEST_BYTES_MAX = 64 << 20
OTLP_HTTP = ("traces", "logs", "metrics")


@pytest.fixture(autouse=True)
def alive(rail: Rail) -> Iterator[None]:
    """Whatever a test did, the server goes on."""
    yield
    rail.must_be_ready()


@pytest.fixture(autouse=True, scope="module")
def archiving(rail: Rail) -> Iterator[None]:
    """Whatever all of them did, the server still archives."""
    yield
    rail.must_archive()


def span(chain: Chain, number: int = 1, **fields: Any) -> Any:
    """A good span, whose fields can be spoilt."""
    now = time.time_ns()
    made = chain.span(number, 1, times=(now - MS, now))
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def refused(answer: Answer, status: int, code: int) -> str:
    """The message of a refusal that is not to be tried again."""
    assert answer.status == status, answer
    assert "retry-after" not in answer.headers
    if answer.headers["content-type"] == JSON:
        said = json.loads(answer.body)
        assert said["code"] == code
        return str(said["message"])
    told = Status.FromString(answer.body)
    assert told.code == code
    return str(told.message)


# ── what cannot be read ──────────────────────────────────────────────────────────────────────


def test_truncated(rail: Rail, chain: Chain) -> None:
    body = traces(span(chain), span(chain, 2))
    for end in (1, len(body) // 2, len(body) - 1):
        assert refused(rail.post("traces", body[:end]), 400, 3)
        with pytest.raises(grpc.RpcError) as caught:
            rail.call(body[:end])
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    half = b'{"resourceSpans":[{"scopeSpans":[{"spans":['
    assert refused(rail.post("traces", half, JSON), 400, 3)


@pytest.mark.parametrize("signal", OTLP_HTTP)
def test_random(rail: Rail, signal: str) -> None:
    chance = random.Random(signal)
    for size in (1, 10, 1_000, 100_000):
        # No field has the number 0, so this is never a message by accident.
        body = b"\x00" + chance.randbytes(size)
        for content_type in (PROTOBUF, JSON):
            assert refused(rail.post(signal, body, content_type), 400, 3)


def test_json_of_another_shape(rail: Rail) -> None:
    for body in (b"[]", b"null", b'"text"', b'{"resourceSpans":5}', b'{"resourceSpans":[{]}'):
        assert refused(rail.post("traces", body, JSON), 400, 3)
    deep = b'{"resourceSpans":' + b"[" * 100_000
    assert refused(rail.post("traces", deep, JSON), 400, 3)


def test_oversized(rail: Rail) -> None:
    body = bytes(REQUEST_BYTES_MAX + 1)
    assert refused(rail.post("traces", body), 413, 8)
    with pytest.raises(grpc.RpcError) as caught:
        rail.call(body)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_bomb(rail: Rail, encoding: str) -> None:
    pack: dict[str, Callable[[bytes], bytes]] = {
        "gzip": lambda data: gzip.compress(data, 1),
        "deflate": lambda data: zlib.compress(data, 1),
        "zstd": zstandard.ZstdCompressor().compress,
    }
    bomb = pack[encoding](bytes(REQUEST_BYTES_MAX * 2))
    assert len(bomb) < 1 << 20
    answer = rail.post("traces", bomb, content_encoding=encoding)
    assert str(REQUEST_BYTES_MAX) in refused(answer, 413, 8)


def test_compression_that_is_none(rail: Rail) -> None:
    assert refused(rail.post("traces", b"plain", content_encoding="gzip"), 400, 3)
    whole = gzip.compress(b"x" * 1000)
    assert refused(rail.post("traces", whole[:-10], content_encoding="gzip"), 400, 3)
    assert rail.post("traces", b"", content_encoding="br").status == 415


def test_wrong_content_type(rail: Rail, chain: Chain) -> None:
    body = traces(span(chain))
    for content_type in ("text/plain", "application/xml", None):
        assert rail.post("traces", body, content_type).status == 415
    assert refused(rail.post("traces", body, JSON), 400, 3)
    assert refused(rail.post("traces", b'{"resourceSpans":[]}', PROTOBUF), 400, 3)


def test_wrong_method_and_place(rail: Rail, chain: Chain) -> None:
    for method in ("GET", "PUT", "DELETE"):
        answer = rail.post("traces", b"", method=method)
        assert answer.status == 405
        assert "POST" in answer.headers["allow"]
    assert rail.post("profiles", traces(span(chain))).status == 404
    with pytest.raises(grpc.RpcError) as caught:
        rail.call(b"", "profiles.v1.ProfilesService")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_logs_sent_to_traces(rail: Rail) -> None:
    record = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "x"}}]}]}]}
    json_answer = rail.post("traces", json.dumps(record).encode(), JSON)
    assert "logs" in refused(json_answer, 400, 3)


# ── what is malformed in part ────────────────────────────────────────────────────────────────

BAD_IDS = (
    {"trace_id": b""},
    {"trace_id": bytes(16)},
    {"trace_id": b"12345678"},
    {"trace_id": b"1" * 32},
    {"span_id": b""},
    {"span_id": bytes(8)},
    {"span_id": b"123"},
    {"span_id": b"1" * 16},
    {"parent_span_id": b"123"},
)


def test_ids_of_wrong_length(rail: Rail, chain: Chain) -> None:
    bad = [span(chain, 100 + place, **fields) for place, fields in enumerate(BAD_IDS)]
    rejected, message = rail.partial(traces(span(chain, 1), *bad, span(chain, 2)))
    assert rejected == len(BAD_IDS)
    assert "trace id" in message
    assert [row["SpanId"] for row in rail.spans(chain.mark, 2)] == [
        chain.span_id(n) for n in (1, 2)
    ]


def test_chain_ids_of_a_wrong_form(rail: Rail, chain: Chain) -> None:
    bad = span(chain, 3)
    bad.attributes[0].value.string_value = "m_" + "x" * 65
    rejected, message = rail.partial(traces(span(chain, 1), bad, span(chain, 2)))
    assert rejected == 1
    assert "neurorail.*.id" in message
    assert [row["SpanId"] for row in rail.spans(chain.mark, 2)] == [
        chain.span_id(n) for n in (1, 2)
    ]


def test_times(rail: Rail, chain: Chain) -> None:
    now = time.time_ns()
    last_ns = (1 << 63) - 1  # 11 April 2262
    cases = {
        1: (now, now - SECOND),
        2: (0, 0),
        3: (last_ns - 1, last_ns),
        4: (last_ns + 5, (1 << 64) - 1),
        5: (1, (1 << 64) - 1),
    }
    rail.send_spans(*(chain.span(n, 1, times=times) for n, times in cases.items()))
    sql = """SELECT toUnixTimestamp64Nano(Timestamp) AS start, Duration FROM otel_traces
             WHERE TraceId = {trace:String} ORDER BY SpanId"""
    found = [tuple(row.values()) for row in rail.rows(sql, 5, trace=chain.mark)]
    assert found == [
        (now, 0),
        (0, 0),
        (last_ns - 1, 1),
        (last_ns, (1 << 64) - 1 - last_ns - 5),
        (1, (1 << 64) - 2),
    ]
    # The engine has seen them too, and its events are stored.
    assert rail.events(chain.mission, "state_changed", 3)
    where = "WHERE mission_id = {m:String} AND event_type = 'state_changed'"
    rail.rows(f"SELECT * FROM neurorail_audit {where}", 3, m=chain.mission)


def test_an_entity_that_ends_in_the_year_2262(rail: Rail, chain: Chain) -> None:
    last_ns = (1 << 63) - 1
    rail.send_spans(chain.entity("mission", 1, times=(last_ns - MS, last_ns)))
    mission = rail.ended(chain)["mission"]
    assert (mission["state"], mission["duration_ms"]) == ("succeeded", 1)
    assert mission["ended_at"].startswith("2262-04-11T23:47:16.854775807")
    sql = "SELECT to_state FROM neurorail_state_transitions WHERE mission_id = {m:String}"
    assert len(rail.rows(sql, 4, m=chain.mission)) == 4


def test_times_reversed_of_an_entity(rail: Rail, chain: Chain) -> None:
    now = time.time_ns()
    rail.send_spans(chain.entity("mission", 1, times=(now, now - SECOND)))
    mission = rail.ended(chain)["mission"]
    assert (mission["state"], mission["duration_ms"]) == ("succeeded", 0)


def test_spans_of_many_dates(rail: Rail, chain: Chain) -> None:
    first = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp()) * SECOND
    days = [first + day * 86_400 * SECOND for day in range(150)]
    rail.send_spans(*(chain.span(n, 1, times=(at, at + MS)) for n, at in enumerate(days, start=1)))
    assert len(rail.spans(chain.mark, 150)) == 150
    parts = (
        "SELECT uniqExact(toDate(Timestamp)) AS days FROM otel_traces WHERE TraceId = {t:String}"
    )
    assert rail.rows(parts, t=chain.mark) == [{"days": 150}]


# ── what is unusual ──────────────────────────────────────────────────────────────────────────


def test_ten_thousand_attributes(rail: Rail, chain: Chain) -> None:
    many = span(chain)
    set_attributes(many.attributes, {f"key.{n}": n for n in range(10_000)})
    rail.send_spans(many, span(chain, 2))
    row, _ = rail.spans(chain.mark, 2)
    assert len(row["SpanAttributes"]) == 10_001
    assert row["SpanAttributes"]["key.9999"] == "9999"


def test_a_megabyte_in_one_attribute(rail: Rail, chain: Chain) -> None:
    text = "ä" * (1 << 19)
    large = span(chain)
    set_attributes(large.attributes, {"text": text, "neurorail.mission.note": text})
    rail.send_spans(large, span(chain, 2))
    row, _ = rail.spans(chain.mark, 2)
    assert row["SpanAttributes"]["text"] == text


def test_invalid_utf8(rail: Rail, chain: Chain) -> None:
    body = traces(span(chain, name="na-me", trace_state="a=sta-te"), span(chain, 2))
    broken = body.replace(b"na-me", b"na\xffme").replace(b"sta-te", b"sta\xc3te")
    assert broken != body
    assert rail.call(broken) == b""
    row, _ = rail.spans(chain.mark, 2)
    assert (row["SpanName"], row["TraceState"]) == ("na\ufffdme", "a=sta\ufffdte")


def test_invalid_utf8_in_json(rail: Rail, chain: Chain) -> None:
    spans = [
        {"traceId": chain.mark, "spanId": f"{n:016x}", "name": "na-me", "startTimeUnixNano": 1}
        for n in (1, 2)
    ]
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()
    answer = rail.post("traces", body.replace(b"na-me", b"na\xffme"), JSON)
    assert answer.status == 200
    assert [row["SpanName"] for row in rail.spans(chain.mark, 2)] == ["na\ufffdme"] * 2


def test_duplicate_keys(rail: Rail, chain: Chain) -> None:
    twice = span(chain)
    set_attributes(twice.attributes, {"key": "first"})
    set_attributes(twice.attributes, {"key": "second"})
    set_attributes(twice.attributes, {"neurorail.entity.type": "mission"})
    set_attributes(twice.attributes, {"neurorail.entity.type": "mission"})
    rail.send_spans(twice, span(chain, 2))
    row, _ = rail.spans(chain.mark, 2)
    assert row["SpanAttributes"]["key"] in {"first", "second"}
    assert rail.ended(chain)["mission"]["state"] == "succeeded"


def test_duplicate_fields_in_json(rail: Rail, chain: Chain) -> None:
    one = f'{{"traceId":"{chain.mark}","spanId":"{1:016x}","name":"a","name":"b"}}'
    body = f'{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{one}]}}]}}]}}'
    assert rail.post("traces", body.encode(), JSON).status == 200
    (row,) = rail.spans(chain.mark)
    assert row["SpanName"] in {"a", "b"}


def test_deep_attributes(rail: Rail, chain: Chain) -> None:
    value: Any = "ground"
    for level in range(15):
        value = {f"level {level}": [value, level]}
    deep = span(chain)
    set_attributes(deep.attributes, {"deep": value})
    event = deep.events.add(name="event")
    set_attributes(event.attributes, {"deep": value})
    rail.send_spans(deep, span(chain, 2))
    row, _ = rail.spans(chain.mark, 2)
    assert json.loads(row["SpanAttributes"]["deep"]) == value
    assert json.loads(row["Events.Attributes"][0]["deep"]) == value


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field on the wire."""
    size, length = len(content), b""
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


@pytest.mark.parametrize("depth", [60, 1_000])
def test_attributes_deeper_than_protobuf_libraries_go(rail: Rail, chain: Chain, depth: int) -> None:
    value = field(1, b"ground")
    for _ in range(depth):
        value = field(5, field(1, value))
    deep = span(chain).SerializeToString() + field(9, field(1, b"deep") + field(2, value))
    spans = field(2, deep) + field(2, span(chain, 2).SerializeToString())
    answer = rail.post("traces", field(1, field(2, spans)))
    assert "nested" in refused(answer, 400, 3)


@pytest.mark.parametrize("depth", [30, 60, 150])
def test_deep_attributes_in_json(rail: Rail, chain: Chain, depth: int) -> None:
    value: Any = {"stringValue": "ground"}
    for _ in range(depth):
        value = {"arrayValue": {"values": [value]}}
    good = {"traceId": chain.mark, "spanId": f"{1:016x}", "name": "good"}
    deep = good | {"spanId": f"{2:016x}", "attributes": [{"key": "deep", "value": value}]}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [good, deep]}]}]}
    answer = rail.post("traces", json.dumps(body).encode(), JSON)
    if depth > 45:
        assert "nested" in refused(answer, 400, 3)
        return
    assert answer.status == 200
    _, row = rail.spans(chain.mark, 2)
    assert row["SpanAttributes"]["deep"] == "[" * depth + '"ground"' + "]" * depth


def test_many_events_and_links(rail: Rail, chain: Chain) -> None:
    busy = span(chain)
    for number in range(5_000):
        busy.events.add(name="neurorail.heartbeat" if number % 2 else "event")
        busy.links.add(trace_id=chain.trace_id, span_id=number.to_bytes(8, "big"))
    rail.send_spans(busy, span(chain, 2))
    row, _ = rail.spans(chain.mark, 2)
    assert len(row["Events.Name"]) == len(row["Links.SpanId"]) == 5_000


# ── numbers that no enumeration and no column knows ──────────────────────────────────────────


def test_unknown_numbers_of_spans(rail: Rail, chain: Chain) -> None:
    strange = span(chain, kind=99, dropped_attributes_count=(1 << 32) - 1, flags=(1 << 32) - 1)
    strange.status.code = 77
    rail.send_spans(strange, span(chain, 2))
    row, _ = rail.spans(chain.mark, 2)
    assert (row["SpanKind"], row["StatusCode"]) == ("Unspecified", "Unset")


@pytest.mark.parametrize("severity", [300, -1, (1 << 31) - 1])
def test_unknown_numbers_of_logs(rail: Rail, chain: Chain, severity: int) -> None:
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    records.add(severity_number=severity, flags=(1 << 32) - 1, trace_id=chain.trace_id)
    records.add(severity_number=9, trace_id=chain.trace_id, time_unix_nano=(1 << 64) - 1)
    records.add(trace_id=b"short", event_name=chain.mark)
    rail.send("logs", request.SerializeToString())
    rows = rail.rows("SELECT * FROM otel_logs WHERE TraceId = {t:String}", 2, t=chain.mark)
    assert sorted(row["TraceFlags"] for row in rows) == [0, 255]
    assert 9 in {row["SeverityNumber"] for row in rows}
    assert len(rail.rows("SELECT * FROM otel_logs WHERE EventName = {t:String}", t=chain.mark)) == 1


def test_strange_metrics(rail: Rail, chain: Chain) -> None:
    request = ExportMetricsServiceRequest()
    metrics = request.resource_metrics.add().scope_metrics.add().metrics
    metrics.add(name="nothing")
    metrics.add(name="empty").gauge.SetInParent()
    points = metrics.add(name=chain.mark).gauge.data_points
    points.add(as_double=float("nan"))
    points.add(as_double=float("inf"), time_unix_nano=(1 << 64) - 1)
    points.add(as_int=-(1 << 63), flags=(1 << 32) - 1)
    points.add()
    uneven = metrics.add(name=chain.mark).histogram
    uneven.aggregation_temporality = 9  # type: ignore[assignment]
    uneven.data_points.add(count=(1 << 64) - 1, bucket_counts=[1], explicit_bounds=[1, 2, 3])
    metrics.add(name=chain.mark).summary.data_points.add(sum=1).quantile_values.add(quantile=7)
    rail.send("metrics", request.SerializeToString())
    where = "WHERE MetricName = {m:String}"
    assert len(rail.rows(f"SELECT * FROM otel_metrics_gauge {where}", 4, m=chain.mark)) == 4
    (row,) = rail.rows(f"SELECT * FROM otel_metrics_histogram {where}", m=chain.mark)
    assert (row["Count"], row["BucketCounts"]) == ((1 << 64) - 1, [1])
    assert len(rail.rows(f"SELECT * FROM otel_metrics_summary {where}", m=chain.mark)) == 1


def test_nothing_was_put_aside(rail: Rail) -> None:
    """None of what the receivers take is refused by the store."""
    assert rail.get("/audit/events", event_type="dead_letter")["events"] == []
    assert rail.get("/audit/events", event_type="record_failed")["events"] == []
