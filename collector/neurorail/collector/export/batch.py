"""Gathers what a destination gets next: records, and the events that they made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from neurorail.collector.envelope import Envelope, Kind, Signal
from neurorail.collector.export.config import EVENTS, Destination
from neurorail.collector.export.enrich import enriched
from neurorail.collector.export.event_logs import event_logs
from neurorail.collector.export.ports import ReadEvents, RecordSource
from neurorail.collector.inbox.errors import InboxPruned
from neurorail.collector.otlp.signals import BY_SIGNAL, LOGS, SignalSpec
from neurorail.collector.stream.event import EventLine

RECORDS_MAX: Final = 512
EVENTS_PAGE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Part:
    """One record's telemetry, or some events, as an export request of their own."""

    body: bytes
    items: int


@dataclass(frozen=True, slots=True)
class Request:
    """Parts that travel together: their bytes in a row are one export request."""

    spec: SignalSpec
    parts: tuple[Part, ...]

    @property
    def body(self) -> bytes:
        """The bytes to send: repeated fields of protobuf messages add up."""
        return b"".join(part.body for part in self.parts)

    @property
    def items(self) -> int:
        """Spans, log records or data points in it."""
        return sum(part.items for part in self.parts)

    def halves(self) -> tuple[Request, Request]:
        """The same parts in two requests, so that one bad part does not take the others along."""
        middle = len(self.parts) // 2
        return Request(self.spec, self.parts[:middle]), Request(self.spec, self.parts[middle:])


class Gatherer:
    """Reads for one destination. Used by its thread alone."""

    def __init__(
        self,
        destination: Destination,
        records: RecordSource,
        read_events: ReadEvents,
        node: str,
        version: str,
    ) -> None:
        self._destination = destination
        self._records = records
        self._read_events = read_events
        self._node = node
        self._version = version
        self._signals = {spec.signal for spec in BY_SIGNAL.values() if self._wants(spec.name)}

    def next(self, after_seq: int) -> tuple[list[Envelope], int]:
        """The records after `after_seq`, and up to which record they and their events go.

        Without records, because they are no longer kept, their events are still there.
        """
        try:
            envelopes = self._records.read(after_seq, RECORDS_MAX, self._destination.request_bytes)
        except InboxPruned:
            return [], min(self._records.first_seq - 1, after_seq + RECORDS_MAX)
        return envelopes, envelopes[-1].seq if envelopes else after_seq

    def requests(
        self, envelopes: Sequence[Envelope], after_seq: int, last_seq: int
    ) -> Iterator[Request]:
        """What is to be sent of the records `after_seq` to `last_seq`, telemetry first.

        Raises:
            HistoryUnavailable: events are needed that cannot be read now.
        """
        wanted = [envelope for envelope in envelopes if self._takes(envelope)]
        if not self._destination.enrich:
            yield from self._telemetry(wanted, {})
            if self._wants(EVENTS):
                for page in self._pages(after_seq, last_seq):
                    yield from self._events(page)
            return
        pages = list(self._pages(after_seq, last_seq))
        by_seq: dict[int, list[EventLine]] = defaultdict(list)
        for page in pages:
            for line in page:
                by_seq[line.seq].append(line)
        yield from self._telemetry(wanted, by_seq)
        if self._wants(EVENTS):
            for page in pages:
                yield from self._events(page)

    def _takes(self, envelope: Envelope) -> bool:
        tenants = self._destination.tenants
        return (
            envelope.kind is Kind.TELEMETRY
            and envelope.signal in self._signals
            and (not tenants or envelope.tenant in tenants)
        )

    def _wants(self, name: str) -> bool:
        return name in self._destination.signals

    def _telemetry(
        self, envelopes: Sequence[Envelope], by_seq: dict[int, list[EventLine]]
    ) -> Iterator[Request]:
        for signal, spec in BY_SIGNAL.items():
            parts = []
            for envelope in envelopes:
                if envelope.signal is signal:
                    body = envelope.body
                    if self._destination.enrich and signal is Signal.TRACES:
                        body = enriched(body, by_seq.get(envelope.seq, ()))
                    parts.append(Part(body, envelope.items))
            yield from self._packed(spec, parts)

    def _events(self, lines: Sequence[EventLine]) -> Iterator[Request]:
        tenants = self._destination.tenants
        wanted = [line for line in lines if not tenants or line.tenant in tenants]
        if wanted:
            body = event_logs(wanted, self._node, self._version)
            yield from self._packed(LOGS, [Part(body, len(wanted))])

    def _packed(self, spec: SignalSpec, parts: Sequence[Part]) -> Iterator[Request]:
        """Parts in as few requests as their size allows."""
        packed: list[Part] = []
        size = 0
        for part in parts:
            if packed and size + len(part.body) > self._destination.request_bytes:
                yield Request(spec, tuple(packed))
                packed, size = [], 0
            packed.append(part)
            size += len(part.body)
        if packed:
            yield Request(spec, tuple(packed))

    def _pages(self, after_seq: int, last_seq: int) -> Iterator[list[EventLine]]:
        """The events of the records `after_seq` to `last_seq`, in pages."""
        # No epoch has the number 0: this stands before every event of the next record.
        position = (0, after_seq + 1, 0)
        while True:
            found = self._read_events(position, EVENTS_PAGE)
            page = [line for line in found if after_seq < line.seq <= last_seq]
            if page:
                yield page
            # A page from the archive may be short though the outbox has more.
            if len(page) < len(found) or not found:
                return
            position = found[-1].position
