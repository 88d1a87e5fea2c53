"""Builds OTLP requests for tests from plain Python values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

TIME_UNIX_NANO = 1_780_000_000_000_000_123


def any_value(value: Any) -> AnyValue:
    """An AnyValue of any Python value; None is a value that is not set."""
    made = AnyValue()
    if value is None:
        return made
    if isinstance(value, bool):
        made.bool_value = value
    elif isinstance(value, int):
        made.int_value = value
    elif isinstance(value, float):
        made.double_value = value
    elif isinstance(value, str):
        made.string_value = value
    elif isinstance(value, bytes):
        made.bytes_value = value
    elif isinstance(value, Mapping):
        made.kvlist_value.SetInParent()
        set_attributes(made.kvlist_value.values, value)
    else:
        made.array_value.SetInParent()
        made.array_value.values.extend(any_value(item) for item in value)
    return made


def set_attributes(target: Any, attributes: Mapping[str, Any]) -> None:
    """Adds attributes to a repeated field of key-values."""
    for key, value in attributes.items():
        target.add(key=key, value=any_value(value))


def span(attributes: Mapping[str, Any] | None = None, *, number: int = 1, **fields: Any) -> Span:
    """A span; `number` makes its id."""
    known: dict[str, Any] = {
        "trace_id": bytes(15) + b"\x01",
        "span_id": number.to_bytes(8, "big"),
        "name": "work",
        "start_time_unix_nano": TIME_UNIX_NANO,
        "end_time_unix_nano": TIME_UNIX_NANO + 1_000,
    }
    made = Span(**(known | fields))
    set_attributes(made.attributes, attributes or {})
    return made


def traces(*spans: Span, resource: Mapping[str, Any] | None = None) -> bytes:
    """A request with one resource and one scope."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    set_attributes(group.resource.attributes, resource or {"service.name": "agent"})
    scoped = group.scope_spans.add()
    scoped.scope.name, scoped.scope.version = "scope", "1.0"
    scoped.spans.extend(spans)
    return request.SerializeToString()


def logs(*records: LogRecord, scope: Mapping[str, Any] | None = None) -> bytes:
    """A request with one resource and one scope."""
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add(schema_url="https://resource")
    set_attributes(group.resource.attributes, {"service.name": "agent"})
    scoped = group.scope_logs.add(schema_url="https://scope")
    scoped.scope.name, scoped.scope.version = "scope", "1.0"
    set_attributes(scoped.scope.attributes, scope or {})
    scoped.log_records.extend(records)
    return request.SerializeToString()


def metrics(*made: Metric) -> bytes:
    """A request with one resource and one scope."""
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add(schema_url="https://resource")
    set_attributes(group.resource.attributes, {"service.name": "agent"})
    scoped = group.scope_metrics.add(schema_url="https://scope")
    scoped.scope.name, scoped.scope.version = "scope", "1.0"
    scoped.scope.dropped_attributes_count = 7
    set_attributes(scoped.scope.attributes, {"s": "t"})
    scoped.metrics.extend(made)
    return request.SerializeToString()
