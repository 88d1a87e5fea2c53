"""What the tests of the export share: records in a list, events in a list, counted items."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.support.events import NODE
from tests.support.otlp_requests import span, traces
from tests.support.waiting import PATIENCE_S

from neurorail.collector.envelope import Envelope, Kind, Signal, Submission
from neurorail.collector.export import Destination, Exporter
from neurorail.collector.export.losses import Losses
from neurorail.collector.inbox.errors import InboxPruned
from neurorail.collector.otlp.export_path import ExportPath
from neurorail.collector.stream.event import EventLine, Position


def spans_record(seq: int, spans: int = 1, tenant: str = "default", pad: int = 0) -> Envelope:
    """A record with spans whose names say where they are from."""
    body = traces(
        *(
            span({"pad": "x" * pad}, number=seq * 100 + at, name=f"{seq}.{at}")
            for at in range(spans)
        )
    )
    return envelope(seq, Signal.TRACES, body, spans, tenant)


def envelope(
    seq: int, signal: Signal, body: bytes, items: int, tenant: str = "default"
) -> Envelope:
    """A telemetry record."""
    return Envelope(seq, Kind.TELEMETRY, signal, "otlp_proto", seq, tenant, "ann", 1, body, items)


class ListRecords:
    """An inbox in memory, all of it applied."""

    def __init__(self, *records: Envelope) -> None:
        self.records = list(records)
        self.first_seq = 1
        self._changed = threading.Condition()

    @property
    def last_seq(self) -> int:
        """The newest record."""
        return self.records[-1].seq if self.records else 0

    def add(self, *records: Envelope) -> None:
        """More records."""
        with self._changed:
            self.records += records
            self._changed.notify_all()

    def read(self, after_seq: int, max_records: int, max_bytes: int) -> list[Envelope]:
        """See `RecordSource`."""
        if after_seq + 1 < self.first_seq:
            raise InboxPruned(f"record {after_seq + 1} was pruned")
        found: list[Envelope] = []
        for record in self.records:
            if record.seq > after_seq and len(found) < max_records:
                max_bytes -= len(record.body)
                if found and max_bytes < 0:
                    break
                found.append(record)
        return found

    def wait_for(self, after_seq: int, timeout_s: float) -> bool:
        """See `RecordSource`."""
        with self._changed:
            return self._changed.wait_for(lambda: self.last_seq > after_seq, timeout_s)


class ListEvents:
    """Events in memory, in pages of their own size; may be told to fail."""

    def __init__(self, *lines: EventLine, page: int = 1_000) -> None:
        self.lines = lines
        self.page = page
        self.errors: list[Exception] = []

    def __call__(self, position: Position, limit: int) -> list[EventLine]:
        if self.errors:
            raise self.errors.pop()
        found = [
            line for line in self.lines if line.position > position and line.seq >= position[1]
        ]
        return found[: min(limit, self.page)]


class Counts:
    """Counts items by verb and signal."""

    def __init__(self) -> None:
        self.items: Counter[tuple[str, str]] = Counter()

    def sent(self, signal: str, items: int) -> None:
        """See `Meter`."""
        self.items["sent", signal] += items

    def send_failed(self, signal: str, items: int) -> None:
        """See `Meter`."""
        self.items["send_failed", signal] += items

    def enqueue_failed(self, signal: str, items: int) -> None:
        """See `Meter`."""
        self.items["enqueue_failed", signal] += items


class Clock:
    """Seconds that somebody sets."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Notes:
    """Collects what is put on record about losses."""

    def __init__(self) -> None:
        self.records: list[Submission] = []
        self.clock = Clock()
        self.losses = Losses(self.records.append, self.clock)


@contextmanager
def exporting(
    directory: Path,
    destinations: Mapping[str, Destination],
    records: Any,
    events: Callable[[Position, int], list[EventLine]] | None = None,
    counts: Counts | None = None,
    notes: Notes | None = None,
) -> Iterator[Exporter]:
    """A running exporter, stopped at the end."""
    meter = counts or Counts()
    exporter = Exporter(
        directory,
        destinations,
        records,
        events or ListEvents(),
        lambda _: meter,
        (notes or Notes()).losses,
        NODE,
        "1.2.3",
        ExportPath(NODE).headers,
    )
    exporter.start()
    try:
        yield exporter
    finally:
        exporter.stop()


def until(done: Callable[[], Any], timeout_s: float = PATIENCE_S) -> None:
    """Wait until something holds that another thread brings about."""
    ends = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < ends, f"not within {timeout_s} s"
        time.sleep(0.005)


def span_names(body: bytes) -> list[str]:
    """The names of all spans of a request, in order."""
    return [each.name for each in spans_of(body)]


def spans_of(body: bytes) -> list[Any]:
    """All spans of a request, in order."""
    return [
        each
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for each in scope.spans
    ]
