"""What differs between traces, logs and metrics: paths, services, messages and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from neurorail.collector.envelope import Signal


@dataclass(frozen=True, slots=True)
class SignalSpec:
    """One OTLP signal as its clients see it."""

    signal: Signal
    name: str
    path: str
    service: str
    request: type[Any]
    response: type[Any]
    item: str
    """What one item is called."""
    rejected_field: str
    """The counter in the response's partial success."""


TRACES: Final = SignalSpec(
    Signal.TRACES,
    "traces",
    "/v1/traces",
    "opentelemetry.proto.collector.trace.v1.TraceService",
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
    "span",
    "rejected_spans",
)
LOGS: Final = SignalSpec(
    Signal.LOGS,
    "logs",
    "/v1/logs",
    "opentelemetry.proto.collector.logs.v1.LogsService",
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
    "log record",
    "rejected_log_records",
)
METRICS: Final = SignalSpec(
    Signal.METRICS,
    "metrics",
    "/v1/metrics",
    "opentelemetry.proto.collector.metrics.v1.MetricsService",
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
    "data point",
    "rejected_data_points",
)

SPECS: Final = (TRACES, LOGS, METRICS)
BY_SIGNAL: Final[Mapping[Signal, SignalSpec]] = MappingProxyType({s.signal: s for s in SPECS})
BY_PATH: Final[Mapping[str, SignalSpec]] = MappingProxyType({s.path: s for s in SPECS})
