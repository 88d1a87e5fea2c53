"""Sets OpenTelemetry up for an agent, or joins what is set up already."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from opentelemetry import _logs, context, trace
from opentelemetry.util.types import AttributeValue

from neurorail.instrumentation.current import chain_ids, set_ambient
from neurorail.instrumentation.forked import own_connections_after_fork
from neurorail.instrumentation.gate.config import GateConfig
from neurorail.instrumentation.process import process
from neurorail.instrumentation.propagation import context_from_environment

SPAN_DELAY_MS: Final = 1_000
GRPC_PORT: Final = 4317
SIGNALS: Final = {"trace": "TRACES", "log": "LOGS", "metric": "METRICS"}

_once: Final = threading.Lock()
_measured: Final[list[bool]] = []
"""Not empty once the gate's metrics are registered."""
_stamped: Final[list[object]] = []
"""Tracer providers that stamp the chain."""


def configure(*, service_name: str | None = None, gate: GateConfig | None = None) -> None:
    """Send telemetry where the standard `OTEL_…` variables say, and connect the gate.

    Without an OpenTelemetry SDK set up, one is: OTLP over HTTP to `localhost:4318` unless
    `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_PROTOCOL` and their like say otherwise (an
    endpoint with port 4317 is spoken to over gRPC). With one set up, NeuroRail joins it and changes
    nothing. Calling it again is harmless. A chain that a parent process left in `BAGGAGE` goes on.

    Args:
        service_name: `service.name`, where `OTEL_SERVICE_NAME` is not the place for it.
        gate: How the gate is connected, where `NEURORAIL_…` variables are not the place for it.

    Raises:
        ValueError: a `NEURORAIL_…` variable says something impossible.

    >>> configure(service_name="weekly-report")
    """
    with _once:
        if not _has_sdk():
            _set_up(service_name)
        _join()
        _take_up_parent()
        _connect(gate)


def shutdown() -> None:
    """End what NeuroRail runs in the background, and send what is left. Called when Python ends.

    >>> shutdown()
    """
    here = process()
    here.stop()
    here.gate.disconnect()
    here.events.flush()


def _has_sdk() -> bool:
    return hasattr(trace.get_tracer_provider(), "add_span_processor")


def _join() -> None:
    provider: Any = trace.get_tracer_provider()
    if not any(provider is known for known in _stamped):
        # Programs that import this and never configure it need nothing of the SDK.
        from neurorail.instrumentation.stamp import ChainSpanProcessor

        provider.add_span_processor(ChainSpanProcessor())
        if not _stamped:
            atexit.register(shutdown)
        _stamped.append(provider)
        process().rejoin()


def _set_up(service_name: str | None) -> None:
    # Only when it is needed: whoever joins an SDK does not pay for it.
    from opentelemetry.sdk._configuration import _OTelSDKConfigurator

    from neurorail.instrumentation.event_processor import EventProcessor

    made: list[EventProcessor] = []

    def export_logs(exporter: Any, *_: Any, **__: Any) -> EventProcessor:
        own_connections_after_fork(exporter)
        made.append(EventProcessor(exporter))
        return made[-1]

    attributes: dict[str, AttributeValue] = {}
    if service_name is not None and "OTEL_SERVICE_NAME" not in os.environ:
        attributes["service.name"] = service_name
    _OTelSDKConfigurator().configure(  # type: ignore[no-untyped-call]
        resource_attributes=attributes,
        export_log_record_processor=export_logs,
        export_span_processor=_export_spans,
        **{f"{signal}_exporter_names": exporters(signal) for signal in SIGNALS},
    )
    if made and os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() != "true":
        provider: Any = _logs.get_logger_provider()
        made[0].resource = provider.resource
        process().events.processor = made[0]


def _export_spans(exporter: Any, *_: Any, **__: Any) -> Any:
    """Spans report usage: every second, unless the variable for it says otherwise."""
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    own_connections_after_fork(exporter)
    given = os.environ.get("OTEL_BSP_SCHEDULE_DELAY")
    return BatchSpanProcessor(exporter, schedule_delay_millis=None if given else SPAN_DELAY_MS)


def exporters(signal: str, environment: Mapping[str, str] | None = None) -> list[str]:
    """Exporters that the variables do not name themselves: OTLP, by the protocol that fits.

    Args:
        signal: `trace`, `log` or `metric`.
        environment: The variables; this process's by default.
    """
    variables = os.environ if environment is None else environment
    plural = SIGNALS[signal]
    if variables.get(f"OTEL_{plural}_EXPORTER"):
        return []  # The SDK reads the variable itself.
    protocol = variables.get(f"OTEL_EXPORTER_OTLP_{plural}_PROTOCOL") or variables.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL"
    )
    endpoint = variables.get(f"OTEL_EXPORTER_OTLP_{plural}_ENDPOINT") or variables.get(
        "OTEL_EXPORTER_OTLP_ENDPOINT", ""
    )
    if not protocol:
        protocol = "grpc" if urlsplit(endpoint).port == GRPC_PORT else "http/protobuf"
    return ["otlp_proto_grpc" if protocol.strip() == "grpc" else "otlp_proto_http"]


def _connect(given: GateConfig | None) -> None:
    here = process()
    config = GateConfig.from_environment() if given is None else given
    if here.gate.control is not None or not config.endpoint:
        return
    provider: Any = trace.get_tracer_provider()
    resource = getattr(provider, "resource", None)
    attributes = resource.attributes if resource is not None else {}
    service = str(attributes.get("service.name", ""))
    instance_id = str(attributes.get("service.instance.id") or "")
    here.gate.connect(config, service, instance_id)
    if not _measured:
        from neurorail.instrumentation.gate.metrics import export_metrics

        _measured.append(True)
        export_metrics(here.gate.status)


def _take_up_parent() -> None:
    if "BAGGAGE" not in os.environ and "TRACEPARENT" not in os.environ:
        return
    within = context_from_environment()
    ids = chain_ids(within)
    if ids and not chain_ids():
        set_ambient(ids)  # Threads begin with an empty context.
        context.attach(within)
