"""Spans to observations.

Most spans of a request concern no entity: they only link a child to its parent, and give 32 bytes.
Which spans those are is found by searching their bytes, without parsing them.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Final

from google.protobuf.message import DecodeError

from neurorail.collector.decode import keys, wire
from neurorail.collector.decode.attributes import chain_ids, read_text, scan
from neurorail.collector.decode.entity_fields import NAME_MAX, fill, has_any
from neurorail.collector.decode.genai import GenAI, GenAIReader
from neurorail.collector.decode.identity import IdReader, inherit, level_of
from neurorail.collector.decode.keys import KeyTable
from neurorail.collector.decode.resources import ResourceReader, ResourceView
from neurorail.collector.decode.transitions import EVENT_NAMES, REASON_MAX, TransitionReader
from neurorail.collector.decode.values import INT64_MAX
from neurorail.rules.lifecycle import OUTCOME_TRANSITION
from neurorail.rules.observations import (
    NO_IDS,
    Fields,
    Observation,
    SpanLinks,
    SpanObserved,
)

_NO_PARENT: Final = b"\0" * 8
_STATUS_ERROR: Final = 2
_PENDING: Final = "pending_span"
_EVENT_MARKER: Final = b"neurorail."
_THRESHOLD: Final = re.compile(rb"(?:^|,)ot=[^,]*\bth:([0-9a-f]{1,14})")


def link(raw: bytes) -> bytes:
    """The 32 bytes of a span's link: trace id, span id, parent span id (zero for a root).

    Exporters write fields in order, so that the ids stand at fixed places; else the span is parsed.
    """
    if raw[28:30] == b"\x22\x08" and raw[:2] == b"\x0a\x10" and raw[18:20] == b"\x12\x08":
        return raw[2:18] + raw[20:28] + raw[30:38]
    span = wire.Span.FromString(raw)
    parent = span.parent_span_id
    return bytes(
        span.trace_id + span.span_id + (parent if len(parent) == len(_NO_PARENT) else _NO_PARENT)
    )


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
        self._slots = table.slots
        self._markers = table.markers
        self._ids = ids
        self._genai = genai
        self._transitions = transitions
        self._resources = ResourceReader(ids, table.slots)
        self._stats = stats

    def read(self, body: bytes, received_unix_nano: int) -> list[Observation]:
        """The observations of a traces request.

        The links of all ordinary spans come first, in one `SpanLinks`; then, in the order of the
        request, each span that concerns the engine, followed by its events.
        """
        links: list[bytes] = []
        observations: list[Observation] = []
        # What is nowhere in the request need not be searched for in each of its spans.
        markers = tuple(marker for marker in self._markers if marker in body)
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
                            links.append(link(raw))
                            continue
                    self._span(raw, resource, received_unix_nano, links, observations)
        if links:
            observations.insert(0, SpanLinks(b"".join(links)))
        return observations

    def _span(
        self,
        raw: bytes,
        resource: ResourceView,
        received_unix_nano: int,
        links: list[bytes],
        observations: list[Observation],
    ) -> None:
        try:
            span = wire.Span.FromString(raw)
        except DecodeError:
            self._stats["unreadable_span"] += 1
            return
        found = scan(span.attributes, self._slots)
        ids = chain_ids(found, self._ids)
        if resource.ids is not NO_IDS:
            ids = inherit(ids, resource.ids)
        start = min(span.start, INT64_MAX) or received_unix_nano
        parent = span.parent_span_id
        observed = SpanObserved(
            span.trace_id,
            span.span_id,
            b"" if parent == _NO_PARENT else parent,
            start,
            min(span.end, INT64_MAX) or start,
            ids,
        )
        if span.HasField("status"):
            self._status(observed, span.status)
        concerns = ids is not NO_IDS
        if any(slot > 4 or slot < 0 for slot in found):
            concerns = self._details(observed, found, resource) or concerns
        if span.trace_state:
            observed.sampled = _is_sample(span.trace_state)
        if concerns:
            observations.append(observed)
        else:
            links.append(
                observed.trace_id + observed.span_id + (observed.parent_span_id or _NO_PARENT)
            )
        if span.events and _EVENT_MARKER in raw:
            self._events(span, observed, resource, observations)

    def _status(self, observed: SpanObserved, status: Any) -> None:
        if status.code == _STATUS_ERROR:
            observed.error = True
        if status.message:
            observed.reason = status.message.decode("utf-8", "replace")[:REASON_MAX]

    def _details(
        self, observed: SpanObserved, found: dict[int, bytes], resource: ResourceView
    ) -> bool:
        """Adds what attributes besides the chain ids say; whether any concerns the engine."""
        observed.entity = level_of(read_text(found, keys.ENTITY_TYPE, NAME_MAX))
        if keys.LOGFIRE_SPAN_TYPE in found:
            self._pending(observed, found)
        self._outcome(observed, found)
        genai = self._genai.collect(found)
        resource_type = (
            read_text(found, keys.RESOURCE_TYPE, NAME_MAX) if keys.RESOURCE_TYPE in found else None
        )
        observed.role = self._genai.role(found, genai, resource_type)
        observed.error_code = read_text(found, keys.ERROR_CODE, NAME_MAX) or self._genai.name(
            genai, "error_type"
        )
        observed.reservation_id = read_text(found, keys.RESERVATION_ID, NAME_MAX)
        if observed.role:
            observed.first_signal_ms = self._genai.first_signal_ms(genai)
            if not observed.pending:
                observed.usage = self._genai.usage(observed.role, genai)
        about_itself = has_any(found)
        if observed.role or about_itself or observed.entity is not None:
            observed.fields = self._fields(found, genai, resource, about_itself)
        return observed.fields is not None

    def _pending(self, observed: SpanObserved, found: dict[int, bytes]) -> None:
        if read_text(found, keys.LOGFIRE_SPAN_TYPE, NAME_MAX) != _PENDING:
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
        outcome = read_text(found, keys.OUTCOME, NAME_MAX)
        if outcome is None:
            return
        if outcome.lower() in OUTCOME_TRANSITION:
            observed.outcome = outcome.lower()
        else:
            self._stats["unknown_outcome"] += 1

    def _fields(
        self, found: dict[int, bytes], genai: GenAI, resource: ResourceView, about_itself: bool
    ) -> Fields:
        fields = Fields(
            agent=self._genai.name(genai, "agent"),
            service=resource.service,
            model=self._genai.model(genai),
            provider=self._genai.provider(genai),
            tool=self._genai.name(genai, "tool"),
        )
        return fill(fields, found, self._stats) if about_itself else fields

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
                        scan(event.attributes, self._slots),
                        observed.ids,
                        resource.service,
                        "span_event",
                        min(event.time, INT64_MAX) or observed.start_unix_nano,
                        observed.trace_id,
                        observed.span_id,
                    )
                )


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
