"""Spans to observations.

Most spans of a request concern no entity: they only link a child to its parent, and give 32 bytes.
Which spans those are is found by searching their bytes, without parsing them.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from typing import Any, Final

from google.protobuf.message import DecodeError

from neurorail.collector.decode import keys, wire
from neurorail.collector.decode.attributes import (
    TAG_MARKER,
    all_tags,
    chain_ids,
    read_name,
    read_text,
    scan,
)
from neurorail.collector.decode.entity_fields import fill, has_any
from neurorail.collector.decode.genai import GenAIReader
from neurorail.collector.decode.identity import IdReader, inherit, level_of
from neurorail.collector.decode.keys import KeyTable
from neurorail.collector.decode.resources import ResourceReader, ResourceView
from neurorail.collector.decode.transitions import EVENT_NAMES, REASON_MAX, TransitionReader
from neurorail.collector.decode.values import INT64_MAX, NAME_MAX
from neurorail.rules.chain import ROOT_ROLE
from neurorail.rules.lifecycle import OUTCOME_TRANSITION
from neurorail.rules.observations import (
    NO_IDS,
    Fields,
    Observation,
    SpanLinks,
    SpanObserved,
)

_CHAIN_SLOTS: Final = frozenset(range(len(NO_IDS)))
_NO_PARENT: Final = b"\0" * 8
_STATUS_ERROR: Final = 2
_PENDING: Final = "pending_span"
_EVENT_MARKER: Final = b"neurorail."
_IDS: Final = struct.Struct(">H16sH8sH8s")
"""The beginning of a span: field tag with length, then trace id, span id, parent span id."""
_IDS_SIZE: Final = _IDS.size
_TRACE_TAG: Final = 0x0A10
_SPAN_TAG: Final = 0x1208
_PARENT_TAG: Final = 0x2208
_PARENT_TAG_BYTES: Final = b"\x22\x08"
_PARENT_AT: Final = 28
"""Where the tag of the parent stands in a span whose fields are in order and short of a state."""
_VALUE_TAG: Final = 0x12
_STRING_TAG: Final = 0x0A
_THRESHOLD: Final = re.compile(rb"(?:^|,)ot=[^,]*\bth:([0-9a-f]{1,14})")


def link(raw: bytes) -> bytes:
    """The 32 bytes of a span's link: trace id, span id, parent span id (zero for a root)."""
    span = wire.Span.FromString(raw)
    parent = span.parent_span_id
    return bytes(
        span.trace_id + span.span_id + (parent if len(parent) == len(_NO_PARENT) else _NO_PARENT)
    )


def links_of(spans: list[bytes]) -> bytes:
    """The links of many spans.

    Exporters write fields in order, so that the ids of a span with a parent stand at fixed places
    behind their tags. Any other span is parsed.
    """
    parts: list[bytes] = []
    unpack = _IDS.unpack_from
    for raw in spans:
        if len(raw) >= _IDS_SIZE:
            tag, trace_id, span_tag, span_id, parent_tag, parent_id = unpack(raw)
            if tag == _TRACE_TAG and span_tag == _SPAN_TAG and parent_tag == _PARENT_TAG:
                parts += (trace_id, span_id, parent_id)
                continue
        parts.append(link(raw))
    return b"".join(parts)


class SpanReader:
    """Reads the spans of traces requests."""

    def __init__(
        self,
        table: KeyTable,
        ids: IdReader,
        genai: GenAIReader,
        transitions: TransitionReader,
        stats: Counter[str],
    ) -> None:
        self._table = table
        self._markers = table.markers
        self._ids = ids
        self._genai = genai
        self._transitions = transitions
        self._resources = ResourceReader(ids, table)
        self._stats = stats

    def read(self, body: bytes, received_unix_nano: int) -> list[Observation]:
        """The observations of a traces request.

        The links of all ordinary spans come first, in one `SpanLinks`; then, in the order of the
        request, each span that concerns the engine, followed by its events. Of ordinary spans that
        are stamped with the same chain ids, the first concerns the engine (it proves that the chain
        runs), and the others are links: they have nothing to add. Last come the roots among the
        ordinary spans, with the role `root`.
        """
        plain: list[bytes] = []
        observations: list[Observation] = []
        # What is nowhere in the request need not be searched for in each of its spans.
        markers = tuple(marker for marker in self._markers if marker in body)
        foreign = tuple(marker for marker in markers if marker != _EVENT_MARKER)
        stamped: set[bytes] = set()
        for group in wire.Export.FromString(body).groups:
            resource = self._resources.read(group.resource)
            every = resource.ids is not NO_IDS
            for scope in group.scopes:
                for raw in scope.items:
                    if not every:
                        for marker in markers:
                            if marker in raw:
                                break
                        else:
                            plain.append(raw)
                            continue
                        stamp = stamp_of(raw)
                        if stamp and stamp in stamped and not _holds_any(raw, foreign):
                            plain.append(raw)
                            continue
                        if self._span(raw, resource, received_unix_nano, plain, observations):
                            stamped.add(stamp)
                        continue
                    self._span(raw, resource, received_unix_nano, plain, observations)
        if plain:
            observations.insert(0, SpanLinks(self._links(plain)))
            observations.extend(self._roots(plain, received_unix_nano))
        return observations

    def _roots(self, spans: list[bytes], received_unix_nano: int) -> list[Observation]:
        """Roots among ordinary spans: with one ends a mission that is derived from its trace."""
        found: list[Observation] = []
        for raw in spans:
            parent = raw[_PARENT_AT : _PARENT_AT + 10]
            if parent[:2] == _PARENT_TAG_BYTES and parent[2:] != _NO_PARENT:
                continue
            try:
                span = wire.Span.FromString(raw)
            except DecodeError:
                continue
            if span.parent_span_id not in (b"", _NO_PARENT) or not span.end:
                continue  # No root, or one that is still pending.
            start = _time(span.start) or received_unix_nano
            root = SpanObserved(
                span.trace_id, span.span_id, b"", start, _time(span.end), role=ROOT_ROLE
            )
            if span.HasField("status"):
                self._status(root, span.status)
            found.append(root)
        return found

    def _links(self, spans: list[bytes]) -> bytes:
        try:
            return links_of(spans)
        except DecodeError:
            self._stats["unreadable_span"] += 1
            return b"".join(map(self._link, spans))

    def _link(self, raw: bytes) -> bytes:
        try:
            return link(raw)
        except DecodeError:
            return b""

    def _span(
        self,
        raw: bytes,
        resource: ResourceView,
        received_unix_nano: int,
        plain: list[bytes],
        observations: list[Observation],
    ) -> bool:
        """Read one span; whether all it says is which chain it is stamped with."""
        try:
            span = wire.Span.FromString(raw)
        except DecodeError:
            self._stats["unreadable_span"] += 1
            return False
        attributes = span.attributes
        found = scan(attributes, self._table)
        ids = chain_ids(found, self._ids)
        if resource.ids is not NO_IDS:
            ids = inherit(ids, resource.ids)
        parent = span.parent_span_id
        start = _time(span.start) or received_unix_nano
        observed = SpanObserved(
            span.trace_id,
            span.span_id,
            b"" if parent == _NO_PARENT else parent,
            start,
            _time(span.end) or start,
            ids,
        )
        if span.HasField("status"):
            self._status(observed, span.status)
        only_stamped = _CHAIN_SLOTS.issuperset(found) and not span.events
        if not _CHAIN_SLOTS.issuperset(found):
            self._details(observed, found, resource)
        if TAG_MARKER in raw or (self._table.tags and observed.fields is not None):
            self._tags(observed, attributes, raw, resource)
        if ids is NO_IDS and observed.fields is None:
            plain.append(self._plain(observed, raw))
        else:
            if span.trace_state:
                observed.sampled = _is_sample(span.trace_state)
            observations.append(observed)
        if _EVENT_MARKER in raw and span.events:
            self._events(span, observed, resource, observations)
        return only_stamped and ids is not NO_IDS and observed.fields is None

    def _plain(self, observed: SpanObserved, raw: bytes) -> bytes:
        if not observed.pending:
            return raw
        return bytes(
            wire.Span(
                trace_id=observed.trace_id,
                span_id=observed.span_id,
                parent_span_id=observed.parent_span_id,
            ).SerializeToString()
        )

    def _tags(
        self, observed: SpanObserved, attributes: Any, raw: bytes, resource: ResourceView
    ) -> None:
        tags = all_tags(attributes, raw, self._table, resource.tags, self._stats)
        if tags:
            if observed.fields is None:
                observed.fields = Fields(service=resource.service)
            observed.fields.tags = tags

    def _status(self, observed: SpanObserved, status: Any) -> None:
        if status.code == _STATUS_ERROR:
            observed.error = True
        if status.message:
            observed.reason = status.message.decode("utf-8", "replace")[:REASON_MAX]

    def _details(
        self, observed: SpanObserved, found: dict[int, bytes], resource: ResourceView
    ) -> None:
        """Adds what attributes besides the chain ids say."""
        reader = self._genai
        if keys.LOGFIRE_SPAN_TYPE in found:
            self._pending(observed, found)
        if keys.ENTITY_TYPE in found:
            observed.entity = level_of(read_name(found, keys.ENTITY_TYPE))
        if keys.OUTCOME in found:
            self._outcome(observed, found)
        if keys.RESERVATION_ID in found:
            observed.reservation_id = read_text(found, keys.RESERVATION_ID, NAME_MAX)
        genai = reader.collect(found)
        observed.error_code = read_name(found, keys.ERROR_CODE) or reader.name(genai, "error_type")
        observed.role = reader.role(genai)
        about_itself = has_any(found)
        if not observed.role and not about_itself and observed.entity is None:
            return
        fields = Fields(service=resource.service)
        if genai.slots:
            reader.describe(fields, genai)
        observed.fields = fill(fields, found, self._stats) if about_itself else fields
        if not observed.role:
            return
        observed.first_signal_ms = reader.first_signal_ms(genai)
        observed.arguments = reader.arguments(observed.role, genai)
        if not observed.pending:
            observed.usage = reader.usage(observed.role, genai, fields.provider, fields.model)

    def _pending(self, observed: SpanObserved, found: dict[int, bytes]) -> None:
        if read_name(found, keys.LOGFIRE_SPAN_TYPE) != _PENDING:
            return
        # The pending span has an id of its own; the real span is its parent.
        if not observed.parent_span_id:
            self._stats["pending_without_parent"] += 1
            return
        observed.pending = True
        observed.span_id = observed.parent_span_id
        parent = read_text(found, keys.LOGFIRE_PENDING_PARENT_ID, NAME_MAX) or ""
        observed.parent_span_id = _hex_id(parent)

    def _outcome(self, observed: SpanObserved, found: dict[int, bytes]) -> None:
        outcome = read_name(found, keys.OUTCOME)
        if outcome is None:
            return
        if outcome.lower() in OUTCOME_TRANSITION:
            observed.outcome = outcome.lower()
        else:
            self._stats["unknown_outcome"] += 1

    def _events(
        self,
        span: Any,
        observed: SpanObserved,
        resource: ResourceView,
        observations: list[Observation],
    ) -> None:
        for raw in span.events:
            if _EVENT_MARKER not in raw:
                continue
            try:
                event = wire.SpanEvent.FromString(raw)
            except DecodeError:
                self._stats["unreadable_event"] += 1
                continue
            if event.name in EVENT_NAMES:
                observations.extend(
                    self._transitions.read(
                        event.name,
                        scan(event.attributes, self._table),
                        all_tags(event.attributes, raw, self._table, resource.tags, self._stats),
                        observed.ids,
                        resource.service,
                        "span_event",
                        _time(event.time) or observed.start_unix_nano,
                        observed.trace_id,
                        observed.span_id,
                    )
                )


def stamp_of(raw: bytes) -> bytes:
    """The bytes of a span from its first key of ours to the end of the last one's short value.

    Two spans with equal stamps carry the same chain ids and nothing else of ours. Anything unusual
    (a long value, keys of ours in a text) gives a stamp that no other span has, or an empty one.
    """
    first = raw.find(_EVENT_MARKER)
    last = raw.rfind(_EVENT_MARKER)
    value = last + raw[last - 1]
    if value + 4 > len(raw) or raw[value] != _VALUE_TAG or raw[value + 2] != _STRING_TAG:
        return b""
    return raw[first - 1 : value + 4 + raw[value + 3]]


def _holds_any(raw: bytes, markers: tuple[bytes, ...]) -> bool:
    return any(marker in raw for marker in markers)


def _time(unix_nano: int) -> int:
    return unix_nano if unix_nano <= INT64_MAX else INT64_MAX


def _hex_id(text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        return b""
    return found if len(found) == len(_NO_PARENT) and found != _NO_PARENT else b""


def _is_sample(trace_state: bytes) -> bool:
    """Whether OpenTelemetry's rejection threshold says that spans like this one were left out."""
    threshold = _THRESHOLD.search(trace_state)
    return threshold is not None and threshold.group(1).strip(b"0") != b""
