"""The official Python SDK exporters against real listeners."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import (
    OTLPLogExporter as GrpcLogExporter,
)
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
    OTLPMetricExporter as GrpcMetricExporter,
)
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
    OTLPSpanExporter as GrpcSpanExporter,
)
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import (
    OTLPLogExporter as HttpLogExporter,
)
from opentelemetry.exporter.otlp.proto.http.metric_exporter import (
    OTLPMetricExporter as HttpMetricExporter,
)
from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
    OTLPSpanExporter as HttpSpanExporter,
)
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import LogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from tests.collector.otlp.conftest import Running

from neurorail.collector.envelope import Kind, Signal

Make = Callable[[Running], SpanExporter]


def _grpc(running: Running) -> SpanExporter:
    return GrpcSpanExporter(endpoint=f"http://{running.grpc_target}", insecure=True)


def _grpc_gzip(running: Running) -> SpanExporter:
    return GrpcSpanExporter(
        endpoint=f"http://{running.grpc_target}", insecure=True, compression=grpc.Compression.Gzip
    )


def _http(compression: Compression) -> Make:
    def make(running: Running) -> SpanExporter:
        return HttpSpanExporter(
            endpoint=f"{running.http_url}/v1/traces", compression=compression, timeout=60
        )

    return make


def _http_json(running: Running) -> SpanExporter:
    module = pytest.importorskip("opentelemetry.exporter.otlp.json.http.trace_exporter")
    exporter: SpanExporter = module.OTLPSpanExporter(endpoint=f"{running.http_url}/v1/traces")
    return exporter


class _Results(SpanExporter):
    """Remembers what an exporter answered."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.results: list[SpanExportResult] = []

    def export(self, spans: Any) -> SpanExportResult:
        self.results.append(self._exporter.export(spans))
        return self.results[-1]

    def shutdown(self) -> None:
        self._exporter.shutdown()


def _trace(exporter: SpanExporter) -> ReadableSpan:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("agent").start_as_current_span("chat gpt") as span:
        span.set_attribute("neurorail.mission.id", "m_1")
    provider.shutdown()
    assert isinstance(span, ReadableSpan)
    return span


@pytest.mark.parametrize(
    "make",
    [
        _grpc,
        _grpc_gzip,
        _http(Compression.NoCompression),
        _http(Compression.Gzip),
        _http(Compression.Deflate),
        _http_json,
    ],
    ids=["grpc", "grpc-gzip", "http", "http-gzip", "http-deflate", "http-json"],
)
async def test_a_span_of_the_sdk_is_stored_as_sent(running: Running, make: Make) -> None:
    exporter = _Results(make(running))

    span = await asyncio.to_thread(_trace, exporter)

    assert exporter.results == [SpanExportResult.SUCCESS]
    (submission,) = running.inbox.submissions
    assert (submission.kind, submission.signal, submission.items) == (
        Kind.TELEMETRY,
        Signal.TRACES,
        1,
    )
    stored = ExportTraceServiceRequest.FromString(submission.body)
    (stored_span,) = stored.resource_spans[0].scope_spans[0].spans
    assert span.context is not None
    assert stored_span.span_id == span.context.span_id.to_bytes(8, "big")
    assert stored_span.attributes[0].value.string_value == "m_1"


def _log(exporter: LogRecordExporter) -> None:
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    provider.get_logger("agent").emit(
        LogRecord(
            timestamp=1,
            event_name="neurorail.heartbeat",
            attributes={"neurorail.mission.id": "m_1"},
        )
    )
    provider.shutdown()


@pytest.mark.parametrize("transport", ["grpc", "http"])
async def test_an_event_of_the_sdk_is_stored(running: Running, transport: str) -> None:
    exporter: LogRecordExporter
    if transport == "grpc":
        exporter = GrpcLogExporter(endpoint=f"http://{running.grpc_target}", insecure=True)
    else:
        exporter = HttpLogExporter(endpoint=f"{running.http_url}/v1/logs")

    await asyncio.to_thread(_log, exporter)

    (submission,) = running.inbox.submissions
    stored = ExportLogsServiceRequest.FromString(submission.body)
    (record,) = stored.resource_logs[0].scope_logs[0].log_records
    assert record.event_name == "neurorail.heartbeat"


def _count(exporter: MetricExporter) -> None:
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
    provider = MeterProvider([reader], shutdown_on_exit=False)
    meter = provider.get_meter("agent")
    meter.create_counter("calls").add(3, {"model": "m"})
    meter.create_histogram("duration").record(0.5)
    provider.force_flush()
    provider.shutdown()


@pytest.mark.parametrize("transport", ["grpc", "http"])
async def test_metrics_of_the_sdk_are_stored(running: Running, transport: str) -> None:
    exporter: MetricExporter
    if transport == "grpc":
        exporter = GrpcMetricExporter(endpoint=f"http://{running.grpc_target}", insecure=True)
    else:
        exporter = HttpMetricExporter(endpoint=f"{running.http_url}/v1/metrics")

    await asyncio.to_thread(_count, exporter)

    points = sum(s.items for s in running.inbox.submissions if s.signal is Signal.METRICS)
    assert points >= 2
