"""The official Python SDK exporters against real listeners."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
    OTLPSpanExporter as GrpcSpanExporter,
)
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
    OTLPSpanExporter as HttpSpanExporter,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from tests.collector.otlp.conftest import Running

from neurorail.collector.envelope import Kind, Signal

Make = Callable[[Running], SpanExporter]


def _grpc(running: Running) -> SpanExporter:
    return GrpcSpanExporter(endpoint=f"http://{running.grpc_target}", insecure=True)


def _grpc_gzip(running: Running) -> SpanExporter:
    import grpc

    return GrpcSpanExporter(
        endpoint=f"http://{running.grpc_target}", insecure=True, compression=grpc.Compression.Gzip
    )


def _http(compression: Compression) -> Make:
    def make(running: Running) -> SpanExporter:
        return HttpSpanExporter(
            endpoint=f"{running.http_url}/v1/traces", compression=compression, timeout=10
        )

    return make


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
    ],
    ids=["grpc", "grpc-gzip", "http", "http-gzip", "http-deflate"],
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
