"""Exports lifecycle events at once, as log records that are made on the exporting thread."""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import Final

from opentelemetry import _logs, context
from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from neurorail.instrumentation.events import NOWHERE, SCOPE, Event, delay_from_environment
from neurorail.instrumentation.safety import tell_once

QUEUE_RECORDS_MAX: Final = 8_192
BATCH_RECORDS_MAX: Final = 512

_SUPPRESS: Final = context._SUPPRESS_INSTRUMENTATION_KEY


class EventProcessor(LogRecordProcessor):
    """Exports log records soon after they came: a queue, one thread, one exporter.

    A full queue drops the newest and counts it in `dropped`. A forked child begins with an empty
    queue: what the parent had queued the parent sends.
    """

    def __init__(self, exporter: LogRecordExporter, delay_ms: int | None = None) -> None:
        """`exporter` is this processor's own: it ends with it."""
        self.resource = Resource.get_empty()
        self.dropped = 0
        self.failed = 0
        self._exporter = exporter
        self._delay_s = (delay_from_environment() if delay_ms is None else delay_ms) / 1_000
        self._scope = InstrumentationScope(SCOPE)
        self._closed = False
        self._begin_anew()
        os.register_at_fork(after_in_child=self._begin_anew)

    def _begin_anew(self) -> None:
        self._queue: deque[Event | ReadableLogRecord] = deque()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._exporting = threading.Lock()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def put(self, event: Event | ReadableLogRecord) -> None:
        """Queue a record."""
        if self._closed or len(self._queue) >= QUEUE_RECORDS_MAX:
            self.dropped += 1
            return
        self._queue.append(event)
        if not self._wake.is_set():
            self._wake.set()
            if self._thread is None:
                self._start()

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Queue a record that a logger made."""
        self.put(
            ReadableLogRecord(
                log_record.log_record,
                log_record.resource or self.resource,
                log_record.instrumentation_scope,
                log_record.limits,
            )
        )

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Export what is queued, on this thread; False if it took too long or an export failed."""
        if not self._queue and not self._exporting.locked():
            return True
        if not self._exporting.acquire(timeout=timeout_millis / 1_000):
            return False
        try:
            return self._export_all()
        finally:
            self._exporting.release()

    def shutdown(self) -> None:
        """Export what is queued, end the thread and the exporter. May be called again."""
        if self._closed:
            return
        self._closed = True
        self._stop.set()
        self._wake.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=30)
        self.force_flush()
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _start(self) -> None:
        with self._starting:
            if self._thread is None and not self._closed:
                thread = threading.Thread(target=self._work, name="neurorail-events", daemon=True)
                self._thread = thread
                thread.start()

    def _work(self) -> None:
        stop, wake = self._stop, self._wake
        while not stop.is_set():
            wake.wait()
            stop.wait(self._delay_s)
            wake.clear()
            with self._exporting:
                self._export_all()

    def _export_all(self) -> bool:
        well = True
        while self._queue:
            count = min(len(self._queue), BATCH_RECORDS_MAX)
            batch = [self._record(self._queue.popleft()) for _ in range(count)]
            well = self._export(batch) and well
        return well

    def _export(self, batch: list[ReadableLogRecord]) -> bool:
        # Instrumented HTTP clients must not report what carries telemetry.
        token = context.attach(context.set_value(_SUPPRESS, True))
        try:
            if self._exporter.export(batch) is LogRecordExportResult.SUCCESS:
                return True
        except Exception as error:
            tell_once("exporting events", error)
        finally:
            context.detach(token)
        self.failed += len(batch)
        return False

    def _record(self, event: Event | ReadableLogRecord) -> ReadableLogRecord:
        if isinstance(event, ReadableLogRecord):
            return event
        record = _logs.LogRecord(
            timestamp=event.time_unix_nano,
            observed_timestamp=event.time_unix_nano,
            context=NOWHERE,
            event_name=event.name,
            severity_number=_logs.SeverityNumber.INFO,
            attributes={**event.attributes, **event.more},
        )
        record.trace_id = event.span.trace_id
        record.span_id = event.span.span_id
        record.trace_flags = event.span.trace_flags
        return ReadableLogRecord(record, self.resource, self._scope)
