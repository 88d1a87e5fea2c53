"""What OTLP requests become in the `otel_*` tables."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from tests.support.otlp_requests import (
    TIME_UNIX_NANO,
    any_value,
    logs,
    metrics,
    set_attributes,
    span,
    traces,
)
from tests.support.sources import RECEIVED_UNIX_NANO, telemetry

from neurorail.collector.archive.formats import PROTOBUF_FORMAT, telemetry_sources
from neurorail.collector.archive.frames import frame_requests
from neurorail.collector.archive.nested import NestedValues
from neurorail.collector.envelope import Signal
from neurorail.collector.store.store import Row, Store


def put(store: Store, node: str, body: bytes, signal: Signal = Signal.TRACES) -> None:
    flat = NestedValues().flatten(signal, body)
    source = telemetry_sources()[signal]
    parts = frame_requests([telemetry(7, flat, signal=signal, tenant="acme")], node)
    store.raw_insert(source.table, parts, PROTOBUF_FORMAT, source.settings(node))


def rows(store: Store, node: str, table: str) -> list[Row]:
    return store.query(
        f"SELECT *, toUnixTimestamp64Nano(ReceivedAt) AS received FROM {table} "
        "WHERE Node = {node:String}",
        {"node": node},
    )


def text_of(store: Store, node: str, value: Any) -> str:
    put(store, node, traces(span({"k": value})))
    found: str = rows(store, node, "otel_traces")[0]["SpanAttributes"]["k"]
    return found


def test_a_span_fills_every_column(store: Store, node: str) -> None:
    made = span(
        {"a": "b"},
        trace_state="x=y",
        parent_span_id=b"\xab" * 8,
        kind=3,
        status={"code": 2, "message": "broken"},
    )
    event = made.events.add(time_unix_nano=TIME_UNIX_NANO + 5, name="chosen")
    set_attributes(event.attributes, {"i": 1})
    link = made.links.add(trace_id=b"\x02" * 16, span_id=b"\x03" * 8, trace_state="l=m")
    set_attributes(link.attributes, {"why": "retry"})
    put(store, node, traces(made, resource={"service.name": "agent", "pid": 12}))
    (row,) = rows(store, node, "otel_traces")
    times = store.query_rows(
        "SELECT toUnixTimestamp64Nano(Timestamp), "
        "arrayMap(t -> toUnixTimestamp64Nano(t), Events.Timestamp) FROM otel_traces "
        "WHERE Node = {node:String}",
        {"node": node},
    )
    assert list(times) == [(TIME_UNIX_NANO, [TIME_UNIX_NANO + 5])]
    expected = {
        "TraceId": "00000000000000000000000000000001",
        "SpanId": "0000000000000001",
        "ParentSpanId": "abababababababab",
        "TraceState": "x=y",
        "SpanName": "work",
        "SpanKind": "Client",
        "ServiceName": "agent",
        "ResourceAttributes": {"service.name": "agent", "pid": "12"},
        "ScopeName": "scope",
        "ScopeVersion": "1.0",
        "SpanAttributes": {"a": "b"},
        "Duration": 1_000,
        "StatusCode": "Error",
        "StatusMessage": "broken",
        "Events.Name": ["chosen"],
        "Events.Attributes": [{"i": "1"}],
        "Links.TraceId": ["02" * 16],
        "Links.SpanId": ["03" * 8],
        "Links.TraceState": ["l=m"],
        "Links.Attributes": [{"why": "retry"}],
        "Tenant": "acme",
        "Node": node,
        "Seq": 7,
        "received": RECEIVED_UNIX_NANO + 7,
    }
    assert {name: row[name] for name in expected} == expected
    assert row.keys() - expected.keys() == {"Timestamp", "Events.Timestamp", "ReceivedAt"}


@pytest.mark.parametrize(
    ("kind", "name"),
    [(0, "Unspecified"), (1, "Internal"), (2, "Server"), (4, "Producer"), (5, "Consumer")],
)
def test_span_kinds_have_the_exporters_names(store: Store, node: str, kind: int, name: str) -> None:
    put(store, node, traces(span(kind=kind, status={"code": min(kind, 1)})))
    (row,) = rows(store, node, "otel_traces")
    assert (row["SpanKind"], row["StatusCode"]) == (name, "Ok" if kind else "Unset")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain <&> / \\ text", "plain <&> / \\ text"),
        ("", ""),
        (0, "0"),
        (-(1 << 63), "-9223372036854775808"),
        (False, "false"),
        (True, "true"),
        (0.0, "0"),
        (0.7, "0.7"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (-1.5e300, "-1.5e+300"),
        (1e-6, "0.000001"),
        (1.5e-7, "1.5e-7"),
        (math.nan, "json: unsupported value: NaN"),
        (math.inf, "json: unsupported value: +Inf"),
        (b"\x00\xff", "AP8="),
        (None, ""),
        ([], "[]"),
        (["a", 1, 2.5, True, None, b"x"], '["a",1,2.5,true,null,"eA=="]'),
        (['<a href="x/y">&\n\t\x01é'], '["\\u003ca href=\\"x/y\\"\\u003e\\u0026\\n\\t\\u0001é"]'),
        ([1e21, 1e-7], "[1e+21,1e-7]"),
        ({}, "{}"),
        ({"b": 1, "a": "x<y"}, '{"a":"x\\u003cy","b":1}'),
        ([[1, [2, [3, [4, [5]]]]]], "[[1,[2,[3,[4,[5]]]]]]"),
        (
            {"a": {"b": {"c": {"d": {"e": [{"f": None}]}}}}},
            '{"a":{"b":{"c":{"d":{"e":[{"f":null}]}}}}}',
        ),
        (
            [{"role": "user", "parts": [{"text": "hi"}]}],
            '[{"parts":[{"text":"hi"}],"role":"user"}]',
        ),
    ],
)
def test_values_are_rendered_as_the_collector_renders_them(
    store: Store, node: str, value: Any, text: str
) -> None:
    assert text_of(store, node, value) == text


def test_nested_values_are_kept_wherever_they_are(store: Store, node: str) -> None:
    deep = {"x": [[["y"]]]}
    made = span({"s": deep, "plain": 1})
    set_attributes(made.events.add(name="e").attributes, {"e": deep})
    set_attributes(made.links.add().attributes, {"l": deep})
    put(store, node, traces(made, span(number=2), resource={"service.name": "a", "r": deep}))
    row = next(row for row in rows(store, node, "otel_traces") if row["SpanId"][-1] == "1")
    text = '{"x":[[["y"]]]}'
    assert row["SpanAttributes"] == {"s": text, "plain": "1"}
    assert row["Events.Attributes"] == [{"e": text}]
    assert row["Links.Attributes"] == [{"l": text}]
    assert row["ResourceAttributes"]["r"] == text


def test_a_log_record_fills_every_column(store: Store, node: str) -> None:
    record = LogRecord(
        time_unix_nano=TIME_UNIX_NANO,
        observed_time_unix_nano=TIME_UNIX_NANO + 9,
        severity_number=9,  # type: ignore[arg-type]
        severity_text="INFO",
        body=any_value({"m": [{"deep": 1}]}),
        flags=0x101,
        trace_id=b"\x01" * 16,
        span_id=b"\x02" * 8,
        event_name="neurorail.heartbeat",
    )
    set_attributes(record.attributes, {"a": ["x"]})
    put(store, node, logs(record, scope={"sc": {"o": [[1]]}}), Signal.LOGS)
    (row,) = rows(store, node, "otel_logs")
    expected = {
        "TraceId": "01" * 16,
        "SpanId": "02" * 8,
        "TraceFlags": 1,
        "SeverityText": "INFO",
        "SeverityNumber": 9,
        "ServiceName": "agent",
        "Body": '{"m":[{"deep":1}]}',
        "ResourceSchemaUrl": "https://resource",
        "ResourceAttributes": {"service.name": "agent"},
        "ScopeSchemaUrl": "https://scope",
        "ScopeName": "scope",
        "ScopeVersion": "1.0",
        "ScopeAttributes": {"sc": '{"o":[[1]]}'},
        "LogAttributes": {"a": '["x"]'},
        "EventName": "neurorail.heartbeat",
        "Tenant": "acme",
    }
    assert {name: row[name] for name in expected} == expected


def test_a_log_record_without_a_time_has_the_time_of_observation(store: Store, node: str) -> None:
    record = LogRecord(observed_time_unix_nano=TIME_UNIX_NANO, body=any_value("text"))
    put(store, node, logs(record), Signal.LOGS)
    found = store.query_rows(
        "SELECT toUnixTimestamp64Nano(Timestamp), Body FROM otel_logs WHERE Node = {node:String}",
        {"node": node},
    )
    assert list(found) == [(TIME_UNIX_NANO, "text")]


def test_every_kind_of_metric_has_its_table(store: Store, node: str) -> None:
    gauge = Metric(name="g", description="d", unit="u")
    gauge.gauge.data_points.add(time_unix_nano=TIME_UNIX_NANO, as_int=-5, flags=1)
    point = gauge.gauge.data_points.add(start_time_unix_nano=5, as_double=2.5)
    set_attributes(point.attributes, {"a": {"n": 1}})
    exemplar = point.exemplars.add(as_int=3, span_id=b"\x01" * 8, trace_id=b"\x02" * 16)
    set_attributes(exemplar.filtered_attributes, {"f": [["x"]]})
    total = Metric(name="s")
    total.sum.aggregation_temporality = 2  # type: ignore[assignment]
    total.sum.is_monotonic = True
    total.sum.data_points.add(as_double=1.5)
    histogram = Metric(name="h")
    histogram.histogram.aggregation_temporality = 1  # type: ignore[assignment]
    histogram.histogram.data_points.add(
        count=3, sum=6.5, bucket_counts=[1, 2], explicit_bounds=[0.5], min=0.1, max=6
    )
    exponential = Metric(name="e")
    exponential.exponential_histogram.data_points.add(
        count=4,
        sum=1,
        scale=-2,
        zero_count=1,
        positive={"offset": -3, "bucket_counts": [1, 300]},
        negative={"offset": 4, "bucket_counts": [2]},
        min=-1,
        max=1,
    )
    summary = Metric(name="q")
    summary.summary.data_points.add(count=2, sum=3, quantile_values=[{"quantile": 0.5, "value": 9}])
    put(store, node, metrics(gauge, total, histogram, exponential, summary), Signal.METRICS)

    found = rows(store, node, "otel_metrics_gauge")
    assert sorted(row["Value"] for row in found) == [-5, 2.5]
    row = next(row for row in found if row["Value"] == 2.5)
    expected = {
        "MetricName": "g",
        "MetricDescription": "d",
        "MetricUnit": "u",
        "Attributes": {"a": '{"n":1}'},
        "ScopeAttributes": {"s": "t"},
        "ScopeDroppedAttrCount": 7,
        "ScopeSchemaUrl": "https://scope",
        "ResourceSchemaUrl": "https://resource",
        "Exemplars.Value": [3.0],
        "Exemplars.SpanId": ["01" * 8],
        "Exemplars.TraceId": ["02" * 16],
        "Exemplars.FilteredAttributes": [{"f": '[["x"]]'}],
    }
    assert {name: row[name] for name in expected} == expected
    (row,) = rows(store, node, "otel_metrics_sum")
    assert (row["Value"], row["AggregationTemporality"], row["IsMonotonic"]) == (1.5, 2, True)
    (row,) = rows(store, node, "otel_metrics_histogram")
    expected = {
        "Count": 3,
        "Sum": 6.5,
        "BucketCounts": [1, 2],
        "ExplicitBounds": [0.5],
        "Min": 0.1,
        "Max": 6.0,
        "AggregationTemporality": 1,
    }
    assert {name: row[name] for name in expected} == expected
    (row,) = rows(store, node, "otel_metrics_exp_histogram")
    expected = {
        "Scale": -2,
        "ZeroCount": 1,
        "PositiveOffset": -3,
        "PositiveBucketCounts": [1, 300],
        "NegativeOffset": 4,
        "NegativeBucketCounts": [2],
    }
    assert {name: row[name] for name in expected} == expected
    (row,) = rows(store, node, "otel_metrics_summary")
    assert row["ValueAtQuantiles.Quantile"] == [0.5]
    assert row["ValueAtQuantiles.Value"] == [9.0]


def test_spans_of_150_days_and_times_beyond_2262_go_in_at_once(store: Store, node: str) -> None:
    day = 86_400 * 10**9
    spans = [span(number=n + 1, start_time_unix_nano=n * 40 * day) for n in range(150)]
    spans.append(span(number=200, start_time_unix_nano=(1 << 64) - 1, end_time_unix_nano=1))
    put(store, node, traces(*spans))
    found = store.query_rows(
        "SELECT count(), uniqExact(toDate(ReceivedAt)), max(Timestamp), max(Duration) "
        "FROM otel_traces WHERE Node = {node:String}",
        {"node": node},
    )
    count, partitions, latest, _ = found[0]
    assert (count, partitions) == (151, 1)
    assert isinstance(latest, datetime)
    assert latest.year == 2262


def test_a_large_value_and_many_attributes_are_kept(store: Store, node: str) -> None:
    many = {f"key{n}": n for n in range(10_000)}
    put(store, node, traces(span({"large": "x" * (1 << 20)}), span(many, number=2)))
    found = store.query_rows(
        "SELECT length(SpanAttributes), length(SpanAttributes['large']) FROM otel_traces "
        "WHERE Node = {node:String} ORDER BY SpanId",
        {"node": node},
    )
    assert list(found) == [(1, 1 << 20), (10_000, 0)]


def test_an_insert_that_is_sent_twice_counts_once(store: Store, node: str) -> None:
    for _ in range(3):
        put(store, node, traces(span(), span(number=2)))
    assert len(rows(store, node, "otel_traces")) == 2
