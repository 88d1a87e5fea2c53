"""What NeuroRail's agent side tells, kept in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from neurorail.instrumentation.current import set_ambient
from neurorail.instrumentation.event_processor import EventProcessor
from neurorail.instrumentation.process import process
from neurorail.instrumentation.stamp import ChainSpanProcessor


class LogsInMemory(LogRecordExporter):
    """Keeps log records."""

    def __init__(self) -> None:
        self.records: list[ReadableLogRecord] = []

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        self.records += batch
        return LogRecordExportResult.SUCCESS

    def shutdown(self) -> None:
        pass

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True


class Told:
    """Spans and events, oldest first."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._logs = LogsInMemory()
        self.provider = TracerProvider()
        self.provider.add_span_processor(ChainSpanProcessor())
        self.provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self.processor = EventProcessor(self._logs, delay_ms=1)

    @property
    def spans(self) -> list[ReadableSpan]:
        """Finished spans, in the order of their ends."""
        return list(self._spans.get_finished_spans())

    def span(self, name: str) -> ReadableSpan:
        """The one span of this name."""
        (found,) = [span for span in self.spans if span.name == name]
        return found

    @property
    def events(self) -> list[dict[str, Any]]:
        """Attributes of log events, with their `event_name`."""
        assert self.processor.force_flush()
        return [
            {"event_name": record.log_record.event_name, **(record.log_record.attributes or {})}
            for record in self._logs.records
        ]


@pytest.fixture
def told() -> Iterator[Told]:
    """Everything told during the test; nothing of it remains."""
    here, told = process(), Told()
    here.tracer = told.provider.get_tracer("neurorail")
    here.events.processor = told.processor
    yield told
    assert here.running == {}
    here.stop()
    here.events.processor = None
    here.tracer = trace.get_tracer("neurorail")
    here.gate.table.replace([], keep="none")
    here.running.clear()
    set_ambient({})
    told.processor.shutdown()
    told.provider.shutdown()
