"""OTLP/JSON as types: what a client may send, in protobuf's JSON mapping with OTLP's deviations.

Names are lowerCamelCase on the wire, ids are hex text, enums are integers only, 64-bit numbers
are numbers or strings, null means absent, unknown fields are ignored.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

Int: TypeAlias = int | float | str | None
"""A whole number; a number or text in JSON."""
Float: TypeAlias = float | str | None
"""Text for NaN and the infinities."""
Number: TypeAlias = int | float | str
"""An element of a list of numbers."""

ABSENT: Final = msgspec.Raw(b"null")


class Shape(msgspec.Struct, rename="camel", gc=False):
    """A message. Fields are named as in protobuf; None is absent."""


class AnyValue(Shape):
    """A value of an attribute or the body of a log record."""

    string_value: str | None = None
    bool_value: bool | None = None
    int_value: Int = None
    double_value: Float = None
    array_value: ArrayValue | None = None
    kvlist_value: KeyValueList | None = None
    bytes_value: str | None = None


class ArrayValue(Shape):
    """A list of values of any kinds."""

    values: list[AnyValue] | None = None


class KeyValueList(Shape):
    """A nested set of attributes."""

    values: list[KeyValue] | None = None


class KeyValue(Shape):
    """One attribute."""

    key: str | None = None
    value: AnyValue | None = None


Attributes: TypeAlias = list[KeyValue] | None


class EntityRef(Shape):
    """Which resource attributes identify an entity."""

    schema_url: str | None = None
    type: str | None = None
    id_keys: list[str] | None = None
    description_keys: list[str] | None = None


class Resource(Shape):
    """What sends."""

    attributes: Attributes = None
    dropped_attributes_count: Int = None
    entity_refs: list[EntityRef] | None = None


class InstrumentationScope(Shape):
    """Which library made the telemetry."""

    name: str | None = None
    version: str | None = None
    attributes: Attributes = None
    dropped_attributes_count: Int = None


class Event(Shape):
    """An event of a span."""

    time_unix_nano: Int = None
    name: str | None = None
    attributes: Attributes = None
    dropped_attributes_count: Int = None


class Link(Shape):
    """A link of a span."""

    trace_id: str | None = None
    span_id: str | None = None
    trace_state: str | None = None
    attributes: Attributes = None
    dropped_attributes_count: Int = None
    flags: Int = None


class Status(Shape):
    """How a span ended."""

    message: str | None = None
    code: int | None = None


class Span(Shape):
    """A span."""

    trace_id: str | None = None
    span_id: str | None = None
    trace_state: str | None = None
    parent_span_id: str | None = None
    flags: Int = None
    name: str | None = None
    kind: int | None = None
    start_time_unix_nano: Int = None
    end_time_unix_nano: Int = None
    attributes: Attributes = None
    dropped_attributes_count: Int = None
    events: list[Event] | None = None
    dropped_events_count: Int = None
    links: list[Link] | None = None
    dropped_links_count: Int = None
    status: Status | None = None


class ScopeSpans(Shape):
    """Spans of one library."""

    scope: InstrumentationScope | None = None
    spans: list[Span] | None = None
    schema_url: str | None = None


class ResourceSpans(Shape):
    """Spans of one resource."""

    resource: Resource | None = None
    scope_spans: list[ScopeSpans] | None = None
    schema_url: str | None = None


class LogRecord(Shape):
    """A log record or event."""

    time_unix_nano: Int = None
    observed_time_unix_nano: Int = None
    severity_number: int | None = None
    severity_text: str | None = None
    body: AnyValue | None = None
    attributes: Attributes = None
    dropped_attributes_count: Int = None
    flags: Int = None
    trace_id: str | None = None
    span_id: str | None = None
    event_name: str | None = None


class ScopeLogs(Shape):
    """Log records of one library."""

    scope: InstrumentationScope | None = None
    log_records: list[LogRecord] | None = None
    schema_url: str | None = None


class ResourceLogs(Shape):
    """Log records of one resource."""

    resource: Resource | None = None
    scope_logs: list[ScopeLogs] | None = None
    schema_url: str | None = None


class Exemplar(Shape):
    """A sample behind a data point."""

    filtered_attributes: Attributes = None
    time_unix_nano: Int = None
    as_double: Float = None
    as_int: Int = None
    span_id: str | None = None
    trace_id: str | None = None


class NumberDataPoint(Shape):
    """One number of a gauge or sum."""

    attributes: Attributes = None
    start_time_unix_nano: Int = None
    time_unix_nano: Int = None
    as_double: Float = None
    as_int: Int = None
    exemplars: list[Exemplar] | None = None
    flags: Int = None


class HistogramDataPoint(Shape):
    """One histogram."""

    attributes: Attributes = None
    start_time_unix_nano: Int = None
    time_unix_nano: Int = None
    count: Int = None
    sum: Float = None
    bucket_counts: list[Number] | None = None
    explicit_bounds: list[Number] | None = None
    exemplars: list[Exemplar] | None = None
    flags: Int = None
    min: Float = None
    max: Float = None


class Buckets(Shape):
    """One side of an exponential histogram."""

    offset: Int = None
    bucket_counts: list[Number] | None = None


class ExponentialHistogramDataPoint(Shape):
    """One exponential histogram."""

    attributes: Attributes = None
    start_time_unix_nano: Int = None
    time_unix_nano: Int = None
    count: Int = None
    sum: Float = None
    scale: Int = None
    zero_count: Int = None
    positive: Buckets | None = None
    negative: Buckets | None = None
    flags: Int = None
    exemplars: list[Exemplar] | None = None
    min: Float = None
    max: Float = None
    zero_threshold: Float = None


class ValueAtQuantile(Shape):
    """One quantile of a summary."""

    quantile: Float = None
    value: Float = None


class SummaryDataPoint(Shape):
    """One summary."""

    attributes: Attributes = None
    start_time_unix_nano: Int = None
    time_unix_nano: Int = None
    count: Int = None
    sum: Float = None
    quantile_values: list[ValueAtQuantile] | None = None
    flags: Int = None


class Gauge(Shape):
    """Numbers as they were."""

    data_points: list[NumberDataPoint] | None = None


class Sum(Shape):
    """Numbers that add up."""

    data_points: list[NumberDataPoint] | None = None
    aggregation_temporality: int | None = None
    is_monotonic: bool | None = None


class Histogram(Shape):
    """Histograms with explicit bounds."""

    data_points: list[HistogramDataPoint] | None = None
    aggregation_temporality: int | None = None


class ExponentialHistogram(Shape):
    """Histograms with exponential bounds."""

    data_points: list[ExponentialHistogramDataPoint] | None = None
    aggregation_temporality: int | None = None


class Summary(Shape):
    """Quantiles made by the sender."""

    data_points: list[SummaryDataPoint] | None = None


class Metric(Shape):
    """One metric."""

    name: str | None = None
    description: str | None = None
    unit: str | None = None
    gauge: Gauge | None = None
    sum: Sum | None = None
    histogram: Histogram | None = None
    exponential_histogram: ExponentialHistogram | None = None
    summary: Summary | None = None
    metadata: Attributes = None


class ScopeMetrics(Shape):
    """Metrics of one library."""

    scope: InstrumentationScope | None = None
    metrics: list[Metric] | None = None
    schema_url: str | None = None


class ResourceMetrics(Shape):
    """Metrics of one resource."""

    resource: Resource | None = None
    scope_metrics: list[ScopeMetrics] | None = None
    schema_url: str | None = None


class ExportTraceServiceRequest(Shape):
    """A traces export. The other signals' fields are read to tell a client of its mistake."""

    resource_spans: list[ResourceSpans] | None = None
    resource_logs: msgspec.Raw = ABSENT
    resource_metrics: msgspec.Raw = ABSENT


class ExportLogsServiceRequest(Shape):
    """A logs export."""

    resource_logs: list[ResourceLogs] | None = None
    resource_spans: msgspec.Raw = ABSENT
    resource_metrics: msgspec.Raw = ABSENT


class ExportMetricsServiceRequest(Shape):
    """A metrics export."""

    resource_metrics: list[ResourceMetrics] | None = None
    resource_spans: msgspec.Raw = ABSENT
    resource_logs: msgspec.Raw = ABSENT
