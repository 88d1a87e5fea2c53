"""What makes a span or log record invalid, and taking the invalid ones out of a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from neurorail.collector.otlp.identifiers import has_bad_id

if TYPE_CHECKING:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

INVALID_TRACE_ID: Final = "invalid_trace_id"
INVALID_SPAN_ID: Final = "invalid_span_id"
INVALID_PARENT_SPAN_ID: Final = "invalid_parent_span_id"
INVALID_CHAIN_ID: Final = "invalid_chain_id"

REASONS: Final = {
    INVALID_TRACE_ID: "trace id is not 16 bytes or is zero",
    INVALID_SPAN_ID: "span id is not 8 bytes or is zero",
    INVALID_PARENT_SPAN_ID: "parent span id is neither empty nor 8 bytes",
    INVALID_CHAIN_ID: "a neurorail.*.id does not match ^[mpjar]_[A-Za-z0-9._-]{1,64}$",
}
"""Why items are rejected, by reason."""

_ZERO_TRACE_ID: Final = bytes(16)
_ZERO_SPAN_ID: Final = bytes(8)


def span_ids_valid(request: ExportTraceServiceRequest) -> bool:
    """Whether every span of the request has valid ids. The fast path: no call per span."""
    zero_trace_id, zero_span_id = _ZERO_TRACE_ID, _ZERO_SPAN_ID
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                trace_id = span.trace_id
                span_id = span.span_id
                if (
                    len(trace_id) != 16
                    or len(span_id) != 8
                    or trace_id == zero_trace_id
                    or span_id == zero_span_id
                    or len(span.parent_span_id) not in (0, 8)
                ):
                    return False
    return True


def all_spans_without_ids(request: ExportTraceServiceRequest) -> bool:
    """Whether there are spans and none of them has a trace id or a span id."""
    spans = [
        span
        for resource_spans in request.resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    ]
    return bool(spans) and not any(span.trace_id or span.span_id for span in spans)


def span_count(request: ExportTraceServiceRequest) -> int:
    """Spans in the request."""
    return sum(
        len(scope_spans.spans)
        for resource_spans in request.resource_spans
        for scope_spans in resource_spans.scope_spans
    )


def log_count(request: ExportLogsServiceRequest) -> int:
    """Log records in the request."""
    return sum(
        len(scope_logs.log_records)
        for resource_logs in request.resource_logs
        for scope_logs in resource_logs.scope_logs
    )


def point_count(request: ExportMetricsServiceRequest) -> int:
    """Data points in the request."""
    return sum(
        metric_points(metric)
        for resource_metrics in request.resource_metrics
        for scope_metrics in resource_metrics.scope_metrics
        for metric in scope_metrics.metrics
    )


def metric_points(metric: Metric) -> int:
    """Data points of one metric, of whichever kind it is."""
    kind = metric.WhichOneof("data")
    return 0 if kind is None else len(getattr(metric, kind).data_points)


def span_fault(span: Span) -> str | None:
    """Why a span is invalid; the first reason in a fixed order."""
    if len(span.trace_id) != 16 or span.trace_id == _ZERO_TRACE_ID:
        return INVALID_TRACE_ID
    if len(span.span_id) != 8 or span.span_id == _ZERO_SPAN_ID:
        return INVALID_SPAN_ID
    if len(span.parent_span_id) not in (0, 8):
        return INVALID_PARENT_SPAN_ID
    if has_bad_id(span.attributes) or any(has_bad_id(event.attributes) for event in span.events):
        return INVALID_CHAIN_ID
    return None


def log_fault(record: LogRecord) -> str | None:
    """Why a log record is invalid. Its trace and span id do not matter: invalid means unset."""
    return INVALID_CHAIN_ID if has_bad_id(record.attributes) else None


def remove_invalid_spans(request: ExportTraceServiceRequest) -> dict[str, int]:
    """Take invalid spans out of the request; how many there were, by reason."""
    reasons: dict[str, int] = {}
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            _remove(scope_spans.spans, span_fault, reasons)
    return reasons


def remove_invalid_logs(request: ExportLogsServiceRequest) -> dict[str, int]:
    """Take invalid log records out of the request; how many there were, by reason."""
    reasons: dict[str, int] = {}
    for resource_logs in request.resource_logs:
        for scope_logs in resource_logs.scope_logs:
            _remove(scope_logs.log_records, log_fault, reasons)
    return reasons


def _remove(items: Any, fault: Callable[[Any], str | None], reasons: dict[str, int]) -> None:
    kept = []
    for item in items:
        reason = fault(item)
        if reason is None:
            kept.append(item)
        else:
            reasons[reason] = reasons.get(reason, 0) + 1
    if len(kept) != len(items):
        # Built anew: deleting one by one would move the rest every time.
        copies = [type(item).FromString(item.SerializeToString()) for item in kept]
        del items[:]
        items.extend(copies)
