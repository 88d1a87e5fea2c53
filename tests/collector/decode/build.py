"""Building OTLP requests by hand, and decoding them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from neurorail.collector.decode import Decoder
from neurorail.collector.envelope import Envelope, Kind, Signal
from neurorail.rules.observations import Observation, SpanObserved, Usage

RECEIVED = 1_800_000_000_000_000_000
START = 1_799_999_999_000_000_000
TRACE = bytes(range(1, 17))
SPAN = b"\x11" * 8
PARENT = b"\x22" * 8
MISSION, PLAN, JOB, ATTEMPT, RESOURCE = "m_1", "p_1", "j_1", "a_1", "r_1"
CHAIN = {
    "neurorail.mission.id": MISSION,
    "neurorail.plan.id": PLAN,
    "neurorail.job.id": JOB,
    "neurorail.attempt.id": ATTEMPT,
}
IDS = (MISSION, PLAN, JOB, ATTEMPT, None)

Attributes = Mapping[str, Any]


def any_value(value: Any) -> AnyValue:
    if value is None:
        return AnyValue()
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value)
    if isinstance(value, str):
        return AnyValue(string_value=value)
    filled = AnyValue()
    filled.array_value.values.extend(any_value(item) for item in value)
    return filled


def attributes(values: Attributes) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in values.items()]


def span(
    values: Attributes | None = None,
    *,
    span_id: bytes = SPAN,
    parent: bytes = PARENT,
    events: Sequence[tuple[str, int, Attributes]] = (),
    **more: Any,
) -> Span:
    built = Span(
        trace_id=TRACE,
        span_id=span_id,
        parent_span_id=parent,
        name="a span",
        start_time_unix_nano=START,
        end_time_unix_nano=START + 1000,
        attributes=attributes(values or {}),
    )
    for name, time, event_values in events:
        built.events.add(name=name, time_unix_nano=time, attributes=attributes(event_values))
    status = more.pop("status", None)
    if status is not None:
        built.status.code, built.status.message = status
    for name, value in more.items():
        setattr(built, name, value)
    return built


def traces(*spans: Span, resource: Attributes | None = None) -> bytes:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.extend(attributes(resource or {"service.name": "svc"}))
    group.scope_spans.add().spans.extend(spans)
    return request.SerializeToString()


def logs(
    *records: tuple[str, int, Attributes], resource: Attributes | None = None, **more: Any
) -> bytes:
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.extend(attributes(resource or {"service.name": "svc"}))
    scope = group.scope_logs.add()
    for name, time, values in records:
        scope.log_records.add(
            event_name=name, time_unix_nano=time, attributes=attributes(values), **more
        )
    return request.SerializeToString()


def envelope(kind: Kind, body: bytes, signal: Signal = Signal.NONE) -> Envelope:
    encoding = "otlp_proto" if kind == Kind.TELEMETRY else "json"
    return Envelope(1, kind, signal, encoding, RECEIVED, "default", "anonymous", 1, body)


def decode_traces(
    *spans: Span, resource: Attributes | None = None, decoder: Decoder | None = None
) -> list[Observation]:
    record = envelope(Kind.TELEMETRY, traces(*spans, resource=resource), Signal.TRACES)
    return (decoder or Decoder()).decode(record)


def decode_logs(
    *records: tuple[str, int, Attributes],
    resource: Attributes | None = None,
    decoder: Decoder | None = None,
    **more: Any,
) -> list[Observation]:
    record = envelope(Kind.TELEMETRY, logs(*records, resource=resource, **more), Signal.LOGS)
    return (decoder or Decoder()).decode(record)


def observed(values: Attributes, decoder: Decoder | None = None, **more: Any) -> SpanObserved:
    """The one observation of one span."""
    (found,) = decode_traces(span(values, **more), decoder=decoder)
    assert isinstance(found, SpanObserved)
    return found


def used(values: Attributes, decoder: Decoder | None = None) -> Usage:
    """The usage of one span."""
    usage = observed(values, decoder).usage
    assert usage is not None
    return usage
