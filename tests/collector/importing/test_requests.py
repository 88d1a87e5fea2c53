"""Stored spans made OTLP again: what the exporter wrote as text is what it was."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from neurorail.collector.importing import requests
from neurorail.collector.importing.requests import StoredSpan, requests_of
from neurorail.collector.importing.values import value_of

START = 1_780_000_000_000_000_123


def stored(number: int = 1, **fields: Any) -> StoredSpan:
    known: dict[str, Any] = {
        "trace_id": "0a" * 16, "span_id": f"{number:016x}", "parent_span_id": "",
        "trace_state": "", "name": "work", "kind": "Client", "service": "agent",
        "resource": {"service.name": "agent"}, "scope": "lib", "scope_version": "1",
        "attributes": {}, "start_unix_nano": START, "duration_ns": 1_000, "status": "Unset",
        "status_message": "", "event_times_unix_nano": [], "event_names": [],
        "event_attributes": [], "link_trace_ids": [], "link_span_ids": [],
        "link_trace_states": [], "link_attributes": [],
    }  # fmt: skip
    return StoredSpan(**(known | fields))


def spans_in(body: bytes) -> list[Span]:
    request = ExportTraceServiceRequest.FromString(body)
    return [span for group in request.resource_spans for scope in group.scope_spans
            for span in scope.spans]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "text", "kind", "value"),
    [
        ("gen_ai.usage.input_tokens", "12", "int_value", 12),
        ("gen_ai.usage.input_tokens", "many", "string_value", "many"),
        ("gen_ai.usage.input_tokens", "9223372036854775808", "string_value", "9223372036854775808"),
        ("gen_ai.usage.cost", "0.25", "double_value", 0.25),
        ("gen_ai.usage.cost", "0.250", "string_value", "0.250"),
        ("neurorail.budget.timeout_ms", "500", "int_value", 500),
        ("neurorail.job.dependencies", "j_1", "string_value", "j_1"),
        ("neurorail.job.dependencies", "[j_1", "string_value", "[j_1"),
        ("order.number", "12", "string_value", "12"),
        ("flag", "true", "string_value", "true"),
    ],
)
def test_what_is_known_to_be_a_number_is_one(key: str, text: str, kind: str, value: object) -> None:
    made = value_of(key, text)
    assert made.WhichOneof("value") == kind
    assert getattr(made, kind) == value


def test_lists_that_are_known() -> None:
    made = value_of("neurorail.job.dependencies", '["j_1","j_2"]')
    assert [one.string_value for one in made.array_value.values] == ["j_1", "j_2"]
    times = value_of("neurorail.transition.times_unix_nano", "[1, 2.5]")
    first, second = times.array_value.values
    assert (first.int_value, second.string_value) == (1, "2.5")


def test_everything_of_a_span() -> None:
    row = stored(
        parent_span_id="0b" * 8,
        trace_state="a=b",
        kind="SPAN_KIND_SERVER",
        status="STATUS_CODE_ERROR",
        status_message="gone",
        attributes={"b": "2", "a": "1"},
        resource={"host.name": "h"},
        event_times_unix_nano=[START + 5],
        event_names=["seen"],
        event_attributes=[{"x": "y"}],
        link_trace_ids=["0c" * 16],
        link_span_ids=["0d" * 8],
        link_trace_states=["s=t"],
        link_attributes=[{"l": "m"}],
    )
    (made,) = requests_of([row])
    request = ExportTraceServiceRequest.FromString(made.body)
    (group,) = request.resource_spans
    assert {one.key: one.value.string_value for one in group.resource.attributes} == {
        "host.name": "h",
        "service.name": "agent",
    }
    (scope,) = group.scope_spans
    assert (scope.scope.name, scope.scope.version) == ("lib", "1")
    (span,) = scope.spans
    assert (span.kind, span.status.code) == (Span.SPAN_KIND_SERVER, Status.STATUS_CODE_ERROR)
    assert (span.status.message, span.trace_state) == ("gone", "a=b")
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (START, START + 1_000)
    assert [one.key for one in span.attributes] == ["a", "b"], "in one order, whatever the map's"
    assert (span.events[0].time_unix_nano, span.events[0].attributes[0].key) == (START + 5, "x")
    assert span.links[0].span_id == bytes.fromhex("0d" * 8)
    assert made.through == row.place


def test_neighbours_share_a_resource_and_order_is_kept() -> None:
    rows = [stored(1), stored(2), stored(3, resource={"service.name": "other"}), stored(4)]
    (made,) = requests_of(rows)
    request = ExportTraceServiceRequest.FromString(made.body)
    assert len(request.resource_spans) == 3
    assert [int(span.span_id.hex(), 16) for span in spans_in(made.body)] == [1, 2, 3, 4]


def test_doubles_are_one_and_what_is_no_span_is_counted() -> None:
    rows = [stored(1), stored(1), stored(2, trace_id="none"), stored(3, trace_id="xy")]
    (made,) = requests_of(rows)
    assert (made.spans, made.unreadable) == (1, 2)
    (only_bad,) = requests_of(rows[2:])
    assert (only_bad.spans, only_bad.unreadable) == (0, 2)
    assert list(requests_of([])) == []


def test_requests_are_cut_by_number_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "REQUEST_SPANS_MAX", 3)
    parts = list(requests_of(stored(number) for number in range(1, 8)))
    assert [part.spans for part in parts] == [3, 3, 1]
    long = {"text": "x" * 400_000}
    parts = list(requests_of(stored(number, attributes=long) for number in range(1, 6)))
    assert [part.spans for part in parts] == [2, 2, 1]
    assert all(len(part.body) < 1 << 20 for part in parts)
