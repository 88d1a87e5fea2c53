"""Lifecycle events: OTLP log records that leave at once.

An OpenTelemetry logger takes about as long for a record as a tracer for a span. So where NeuroRail
set the SDK up itself, an event is queued as it is and made a record on the thread that exports it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from opentelemetry import _logs, context, trace
from opentelemetry.util.types import AttributeValue

from neurorail.semconv import attributes as names

if TYPE_CHECKING:
    from neurorail.instrumentation.event_processor import EventProcessor

SCOPE: Final = "neurorail"
DELAY_MS: Final = 100
"""How long an event waits for others, unless `OTEL_BLRP_SCHEDULE_DELAY` says otherwise."""
NOWHERE: Final = context.Context()

Attributes = Mapping[str, AttributeValue]


class Event(NamedTuple):
    """A log record that is still to be made."""

    time_unix_nano: int
    name: str
    attributes: Attributes
    more: Attributes
    """Further attributes, kept apart so that nobody has to copy."""
    span: trace.SpanContext


class Events:
    """Where events go: to our own processor, or through whatever logger somebody else set up."""

    def __init__(self) -> None:
        self.processor: EventProcessor | None = None
        self._logger: _logs.Logger | None = None

    def emit(
        self, name: str, attributes: Attributes, more: Attributes, span: trace.SpanContext
    ) -> None:
        """Send an event that happens now."""
        event = Event(time.time_ns(), name, attributes, more, span)
        if self.processor is not None:
            self.processor.put(event)
        else:
            self._log(event)

    def transitions(
        self, steps: tuple[str, ...], attributes: Attributes, span: trace.SpanContext
    ) -> None:
        """Send the steps of an entity's life that happen now, as one event."""
        now = time.time_ns()
        event = Event(now, names.TRANSITION_EVENT, attributes, _steps(steps, now), span)
        if self.processor is not None:
            self.processor.put(event)
        else:
            self._log(event)

    def flush(self, timeout_ms: int = 5_000) -> bool:
        """Send what waits, and wait for the answer."""
        if self.processor is not None:
            return self.processor.force_flush(timeout_ms)
        provider = _logs.get_logger_provider()
        force_flush = getattr(provider, "force_flush", None)
        return force_flush is None or bool(force_flush(timeout_ms))

    def rejoin(self) -> None:
        """Look for the logger anew: another provider was set up."""
        self._logger = None

    def _log(self, event: Event) -> None:
        if self._logger is None:
            self._logger = _logs.get_logger(SCOPE)
        self._logger.emit(
            timestamp=event.time_unix_nano,
            context=trace.set_span_in_context(trace.NonRecordingSpan(event.span), NOWHERE),
            severity_number=_logs.SeverityNumber.INFO,
            event_name=event.name,
            attributes={**event.attributes, **event.more},
        )


def _steps(steps: tuple[str, ...], now: int) -> Attributes:
    if len(steps) == 1:
        return {names.TRANSITION: steps[0]}
    return {names.TRANSITIONS: steps, names.TRANSITION_TIMES: (now,) * len(steps)}


def delay_from_environment() -> int:
    """Milliseconds between two exports of log records."""
    text = os.environ.get("OTEL_BLRP_SCHEDULE_DELAY", "").strip()
    return int(text) if text.isdecimal() else DELAY_MS
