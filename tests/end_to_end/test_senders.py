"""The official Python SDK sends every signal over every protocol, and what it sent can be read."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.json.http._log_exporter import (
    OTLPLogExporter as JsonLogExporter,
)
from opentelemetry.exporter.otlp.json.http.metric_exporter import (
    OTLPMetricExporter as JsonMetricExporter,
)
from opentelemetry.exporter.otlp.json.http.trace_exporter import (
    OTLPSpanExporter as JsonSpanExporter,
)
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import (
    OTLPLogExporter as GrpcLogExporter,
)
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
    OTLPMetricExporter as GrpcMetricExporter,
)
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
    OTLPSpanExporter as GrpcSpanExporter,
)
from opentelemetry.exporter.otlp.proto.http._log_exporter import (
    OTLPLogExporter as HttpLogExporter,
)
from opentelemetry.exporter.otlp.proto.http.metric_exporter import (
    OTLPMetricExporter as HttpMetricExporter,
)
from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
    OTLPSpanExporter as HttpSpanExporter,
)
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode
from tests.end_to_end.rail import Chain, Rail
from tests.support.waiting import PATIENCE_S

SPANS = {"grpc": GrpcSpanExporter, "http": HttpSpanExporter, "json": JsonSpanExporter}
LOGS = {"grpc": GrpcLogExporter, "http": HttpLogExporter, "json": JsonLogExporter}
METRICS = {"grpc": GrpcMetricExporter, "http": HttpMetricExporter, "json": JsonMetricExporter}

pytestmark = pytest.mark.parametrize("protocol", ["grpc", "http", "json"])


def made(exporters: dict[str, Any], protocol: str, rail: Rail, signal: str) -> Any:
    if protocol == "grpc":
        endpoint = f"http://{rail.server.otlp_grpc}"
        return exporters[protocol](endpoint=endpoint, insecure=True, timeout=PATIENCE_S)
    endpoint = f"{rail.server.otlp_http}/v1/{signal}"
    return exporters[protocol](endpoint=endpoint, timeout=PATIENCE_S)


def resource(chain: Chain) -> Resource:
    return Resource.create({"service.name": chain.mark, "service.instance.id": "i-1"})


def test_spans(rail: Rail, chain: Chain, protocol: str) -> None:
    provider = TracerProvider(resource=resource(chain), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(made(SPANS, protocol, rail, "traces")))
    tracer = provider.get_tracer("tests.sender", "1.2.3")
    own = {**chain.attributes(1), "neurorail.entity.type": "mission", "tried": [1, 2]}
    with tracer.start_as_current_span("agent run", attributes=own) as mission:
        call = {**chain.attributes(1), "gen_ai.operation.name": "chat"}
        call |= {"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"}
        with tracer.start_as_current_span("chat gpt-4o", attributes=call) as span:
            span.set_attributes({"gen_ai.usage.input_tokens": 7, "gen_ai.usage.output_tokens": 5})
            span.add_event("first chunk", {"at": 1.5})
            span.set_status(Status(StatusCode.ERROR, "cut off"))
    provider.shutdown()

    tree = rail.ended(chain)
    assert tree["mission"]["state"] == "succeeded"
    assert tree["mission"]["service"] == chain.mark
    assert tree["mission"]["totals"]["total_tokens"] == 12
    (called,) = tree["resources"]
    assert (called["state"], called["model"]) == ("failed", "gpt-4o")
    trace_id = f"{mission.get_span_context().trace_id:032x}"
    by_name = {row["SpanName"]: row for row in rail.spans(trace_id, 2)}
    outer, inner = by_name["agent run"], by_name["chat gpt-4o"]
    assert inner["ParentSpanId"] == outer["SpanId"]
    assert outer["ResourceAttributes"]["service.instance.id"] == "i-1"
    assert outer["SpanAttributes"]["tried"] == "[1,2]"
    assert (outer["ScopeName"], outer["ScopeVersion"]) == ("tests.sender", "1.2.3")
    assert (inner["StatusCode"], inner["StatusMessage"]) == ("Error", "cut off")
    assert inner["Events.Name"] == ["first chunk"]
    assert inner["Events.Attributes"] == [{"at": "1.5"}]


def test_logs(rail: Rail, chain: Chain, protocol: str) -> None:
    provider = LoggerProvider(resource=resource(chain), shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(made(LOGS, protocol, rail, "logs")))
    began = {"neurorail.transitions": ["create", "enqueue", "start"]}
    provider.get_logger("tests.sender").emit(
        LogRecord(
            timestamp=1_790_000_000_000_000_123,
            body="the agent began",
            event_name="neurorail.lifecycle.transition",
            attributes={**chain.attributes(1), **began},
        )
    )
    provider.shutdown()

    tree = rail.entity(chain.mission, lambda found: found["mission"]["state"] == "running")
    assert tree["mission"]["started_at"] == "2026-09-21T14:13:20.000000123Z"
    sql = "SELECT * FROM otel_logs WHERE ServiceName = {service:String}"
    (row,) = rail.rows(sql, service=chain.mark)
    assert (row["Body"], row["EventName"]) == ("the agent began", "neurorail.lifecycle.transition")
    assert row["LogAttributes"]["neurorail.transitions"] == '["create","enqueue","start"]'


def test_metrics(rail: Rail, chain: Chain, protocol: str) -> None:
    reader = PeriodicExportingMetricReader(made(METRICS, protocol, rail, "metrics"))
    provider = MeterProvider([reader], resource(chain), shutdown_on_exit=False)
    meter = provider.get_meter("tests.sender")
    meter.create_counter("calls").add(3, {"tool": "search"})
    meter.create_histogram("latency", unit="ms").record(12.5)
    meter.create_gauge("load").set(0.25)
    provider.shutdown()

    where = "WHERE ServiceName = {service:String}"
    sums = f"SELECT MetricName, Value, Attributes, IsMonotonic FROM otel_metrics_sum {where}"
    (counter,) = rail.rows(sums, service=chain.mark)
    assert tuple(counter.values()) == ("calls", 3.0, {"tool": "search"}, True)
    kinds = f"SELECT MetricUnit, Count, Sum, Min, Max FROM otel_metrics_histogram {where}"
    (histogram,) = rail.rows(kinds, service=chain.mark)
    assert tuple(histogram.values()) == ("ms", 1, 12.5, 12.5, 12.5)
    (gauge,) = rail.rows(f"SELECT Value FROM otel_metrics_gauge {where}", service=chain.mark)
    assert gauge["Value"] == 0.25
