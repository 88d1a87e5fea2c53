"""Stored spans to OTLP requests, in the order in which the spans are given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from neurorail.collector.importing.values import set_attributes

Place = tuple[int, str, str]
"""Where a span stands: when it ended (Unix time, ns), its trace, its id."""

REQUEST_BYTES_MAX: Final = 900_000
"""A request is closed before it is larger; the API takes up to a mebibyte."""
REQUEST_SPANS_MAX: Final = 1_000
_KINDS: Final = {
    "internal": Span.SPAN_KIND_INTERNAL,
    "server": Span.SPAN_KIND_SERVER,
    "client": Span.SPAN_KIND_CLIENT,
    "producer": Span.SPAN_KIND_PRODUCER,
    "consumer": Span.SPAN_KIND_CONSUMER,
}
_STATUSES: Final = {"ok": Status.STATUS_CODE_OK, "error": Status.STATUS_CODE_ERROR}
_SERVICE: Final = "service.name"


@dataclass(frozen=True, slots=True)
class StoredSpan:
    """One row of `otel_traces`."""

    trace_id: str
    span_id: str
    parent_span_id: str
    trace_state: str
    name: str
    kind: str
    service: str
    resource: Mapping[str, str]
    scope: str
    scope_version: str
    attributes: Mapping[str, str]
    start_unix_nano: int
    duration_ns: int
    status: str
    status_message: str
    event_times_unix_nano: Sequence[int]
    event_names: Sequence[str]
    event_attributes: Sequence[Mapping[str, str]]
    link_trace_ids: Sequence[str]
    link_span_ids: Sequence[str]
    link_trace_states: Sequence[str]
    link_attributes: Sequence[Mapping[str, str]]

    @property
    def place(self) -> Place:
        """Where it stands in the order of import."""
        return (self.start_unix_nano + self.duration_ns, self.trace_id, self.span_id)


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """One request: its bytes, how many spans it holds, and how many rows held no span."""

    body: bytes
    spans: int
    unreadable: int
    through: Place
    """Everything up to here is in this request or an earlier one."""


def requests_of(rows: Iterable[StoredSpan]) -> Iterator[ImportRequest]:
    """Requests of the rows, each small enough for the API. A row whose ids are none is left out."""
    open_one = _Request()
    last: Place | None = None
    for row in rows:
        if row.place == last:
            continue  # An exporter that tried twice stored it twice.
        try:
            span = _span(row)
        except ValueError:
            open_one.unreadable += 1
            last = open_one.through = row.place
            continue
        size = span.ByteSize()
        if open_one.is_full(size):
            yield open_one.close()
            open_one = _Request()
        open_one.add(row, span, size)
        last = open_one.through = row.place
    if open_one.through is not None:
        yield open_one.close()


class _Request:
    """A request that grows. Neighbours of one resource and scope share these."""

    def __init__(self) -> None:
        self.message = ExportTraceServiceRequest()
        self.bytes = 0
        self.spans = 0
        self.unreadable = 0
        self.through: Place | None = None
        self._about: tuple[Mapping[str, str], str, str, str] | None = None
        self._into: Any = None

    def is_full(self, more_bytes: int) -> bool:
        """Whether a span of that size has to go into the next one."""
        if not self.spans:
            return False
        return self.spans >= REQUEST_SPANS_MAX or self.bytes + more_bytes > REQUEST_BYTES_MAX

    def add(self, row: StoredSpan, span: Span, size: int) -> None:
        """Append a span."""
        about = (row.resource, row.service, row.scope, row.scope_version)
        if about != self._about:
            self._about = about
            group = self.message.resource_spans.add()
            resource = dict(row.resource)
            if row.service:
                resource.setdefault(_SERVICE, row.service)
            set_attributes(group.resource.attributes, resource)
            self._into = group.scope_spans.add()
            self._into.scope.name = row.scope
            self._into.scope.version = row.scope_version
            self.bytes += group.ByteSize()
        self._into.spans.append(span)
        self.bytes += size + 8
        self.spans += 1

    def close(self) -> ImportRequest:
        """The request as it is sent."""
        assert self.through is not None, "there is a row in it"
        body = self.message.SerializeToString(deterministic=True)
        return ImportRequest(body, self.spans, self.unreadable, self.through)


def _span(row: StoredSpan) -> Span:
    span = Span(
        trace_id=bytes.fromhex(row.trace_id),
        span_id=bytes.fromhex(row.span_id),
        parent_span_id=bytes.fromhex(row.parent_span_id),
        trace_state=row.trace_state,
        name=row.name,
        kind=_KINDS.get(_bare(row.kind, "span_kind_"), Span.SPAN_KIND_UNSPECIFIED),
        start_time_unix_nano=row.start_unix_nano,
        end_time_unix_nano=row.start_unix_nano + row.duration_ns,
    )
    set_attributes(span.attributes, row.attributes)
    code = _STATUSES.get(_bare(row.status, "status_code_"), Status.STATUS_CODE_UNSET)
    if code or row.status_message:
        span.status.code = code
        span.status.message = row.status_message
    for time, name, attributes in zip(
        row.event_times_unix_nano, row.event_names, row.event_attributes, strict=True
    ):
        event = span.events.add(time_unix_nano=time, name=name)
        set_attributes(event.attributes, attributes)
    for trace_id, span_id, state, attributes in zip(
        row.link_trace_ids,
        row.link_span_ids,
        row.link_trace_states,
        row.link_attributes,
        strict=True,
    ):
        link = span.links.add(
            trace_id=bytes.fromhex(trace_id), span_id=bytes.fromhex(span_id), trace_state=state
        )
        set_attributes(link.attributes, attributes)
    return span


def _bare(text: str, prefix: str) -> str:
    """A name of OTLP as exporters write it: `Client`, or `SPAN_KIND_CLIENT`."""
    return text.lower().removeprefix(prefix)
