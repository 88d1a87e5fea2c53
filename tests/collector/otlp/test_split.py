from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.collector.otlp.telemetry import gauge, logs, span_id, spans, stored_spans

from neurorail.collector.envelope import Signal
from neurorail.collector.otlp.split import split


def test_parts_keep_resource_scope_and_order() -> None:
    request = spans(count=5)
    request.resource_spans[0].schema_url = "https://resource"
    request.resource_spans[0].scope_spans[0].schema_url = "https://scope"
    request.MergeFrom(spans(count=3))

    parts = split(Signal.TRACES, request, 4)

    assert [items for _, items in parts] == [4, 4]
    first, second = (ExportTraceServiceRequest.FromString(body) for body, _ in parts)
    for part in (first, second):
        assert part.resource_spans[0].schema_url == "https://resource"
        assert part.resource_spans[0].scope_spans[0].schema_url == "https://scope"
        assert part.resource_spans[0].resource == request.resource_spans[0].resource
        assert part.resource_spans[0].scope_spans[0].scope.name == "tests"
    assert len(first.resource_spans) == 1
    assert len(second.resource_spans) == 2
    ids = [span.span_id for body, _ in parts for span in stored_spans(body)]
    assert ids == [span_id(n) for n in (1, 2, 3, 4, 5, 1, 2, 3)]


def test_several_scopes_of_a_resource_stay_together() -> None:
    request = spans(count=2)
    request.resource_spans[0].scope_spans.add().spans.extend(
        spans(count=2).resource_spans[0].scope_spans[0].spans
    )

    ((body, items),) = split(Signal.TRACES, request, 10)

    assert items == 4
    assert ExportTraceServiceRequest.FromString(body) == request


def test_the_same_request_is_always_cut_alike() -> None:
    request = logs(count=25)

    assert split(Signal.LOGS, request, 10) == split(Signal.LOGS, request, 10)
    assert [items for _, items in split(Signal.LOGS, request, 10)] == [10, 10, 5]


def test_metrics_are_cut_by_data_points() -> None:
    parts = split(Signal.METRICS, gauge(points=3, metrics=5), 7)

    assert [items for _, items in parts] == [6, 6, 3]


def test_a_metric_with_too_many_points_is_cut_into_several_of_its_kind() -> None:
    request = gauge(points=25)
    metric: Any = request.resource_metrics[0].scope_metrics[0].metrics[0]
    metric.description = "kept"

    parts = split(Signal.METRICS, request, 10)

    assert [items for _, items in parts] == [10, 10, 5]
    metrics = [
        ExportMetricsServiceRequest.FromString(body).resource_metrics[0].scope_metrics[0].metrics[0]
        for body, _ in parts
    ]
    assert {(m.name, m.unit, m.description) for m in metrics} == {("gauge 0", "1", "kept")}
    assert [p.as_int for m in metrics for p in m.gauge.data_points] == list(range(25))


def test_a_request_without_items_gives_no_part() -> None:
    assert split(Signal.TRACES, ExportTraceServiceRequest(), 10) == []


def test_metrics_without_points_are_kept_beside_others() -> None:
    request = gauge(points=1)
    request.resource_metrics[0].scope_metrics[0].metrics.add(name="empty")

    ((body, items),) = split(Signal.METRICS, request, 10)

    assert items == 1
    assert ExportMetricsServiceRequest.FromString(body) == request
