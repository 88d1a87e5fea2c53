"""Requests that tests send."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

TRACE_ID = bytes(range(1, 17))


def span_id(number: int) -> bytes:
    return number.to_bytes(8, "big")


def attribute(key: str, value: str | int) -> KeyValue:
    pair = KeyValue(key=key)
    if isinstance(value, int):
        pair.value.int_value = value
    else:
        pair.value.string_value = value
    return pair


def spans(*overrides: dict[str, Any], count: int = 0) -> ExportTraceServiceRequest:
    """One resource and scope with a span per override, or `count` ordinary ones."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.append(attribute("service.name", "agent"))
    scope = resource.scope_spans.add()
    scope.scope.name = "tests"
    for number, override in enumerate(overrides or ({},) * count, start=1):
        fields: dict[str, Any] = {
            "trace_id": TRACE_ID,
            "span_id": span_id(number),
            "name": f"span {number}",
            "start_time_unix_nano": 1_700_000_000_000_000_000,
            "end_time_unix_nano": 1_700_000_001_000_000_000,
        }
        scope.spans.add(**{**fields, **override})
    return request


def logs(*overrides: dict[str, Any], count: int = 0) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for number, override in enumerate(overrides or ({},) * count, start=1):
        fields: dict[str, Any] = {"time_unix_nano": number, "severity_text": "INFO"}
        scope.log_records.add(**{**fields, **override})
    return request


def gauge(points: int, metrics: int = 1) -> ExportMetricsServiceRequest:
    """`metrics` gauges of `points` points each, valued 0, 1, 2 …"""
    request = ExportMetricsServiceRequest()
    scope = request.resource_metrics.add().scope_metrics.add()
    for number in range(metrics):
        metric = scope.metrics.add(name=f"gauge {number}", unit="1")
        for value in range(points):
            metric.gauge.data_points.add(as_int=value, time_unix_nano=1)
    return request


def stored_spans(body: bytes) -> list[Any]:
    request = ExportTraceServiceRequest.FromString(body)
    return [s for r in request.resource_spans for sc in r.scope_spans for s in sc.spans]
