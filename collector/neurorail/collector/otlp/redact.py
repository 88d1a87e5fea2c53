"""Replacing content by keyed hashes before anything is stored.

A byte search decides whether a request can hold content at all; nearly all time is saved there.
Only a hit has its attributes looked at one by one. The hash is keyed with a secret of the data
directory: the same text always gives the same hash, so that repeated calls are recognised, and
nobody without the key can test guesses.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from neurorail.collector.envelope import Signal
from neurorail.semconv.content import (
    CONTENT_BODY_EVENT_PREFIX,
    CONTENT_EVENT_KEYS,
    CONTENT_EVENTS,
    CONTENT_KEYS,
    CONTENT_PREFIXES,
    EVENT_NAME_KEY,
    is_content_key,
)

if TYPE_CHECKING:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

MARK: Final = "redacted:hmac-sha256:"
_REDACTED: Final = re.compile(re.escape(MARK) + r"[0-9a-f]{32}:[0-9]+")
_HASH_CHARS: Final = 32
MIN_KEY_BYTES: Final = 16


def _content_pattern() -> re.Pattern[bytes]:
    """Every content name as it stands in a request: the tag of a key, its length, the name.

    The length takes one byte, or for keys of 128 to 255 bytes a second one of 1.

    The tag, one byte that is searched for at memory speed, keeps the search from stopping at
    other text. Messages that older conventions put into span events are found by the keys of
    their attributes.
    """
    names = sorted({*CONTENT_KEYS, *CONTENT_PREFIXES, *CONTENT_EVENT_KEYS})
    return re.compile(b"\n[\x01-\xff]\x01?" + _trie(names), re.DOTALL)


def _trie(names: list[str]) -> bytes:
    """The alternatives, with common beginnings taken out so that a mismatch is found at once."""
    by_first: dict[str, list[str]] = {}
    for name in names:
        by_first.setdefault(name[:1], []).append(name[1:])
    if "" in by_first:
        # One name ends here; the longer ones need not be told apart.
        return b""
    branches = []
    for first, tails in by_first.items():
        branches.append(re.escape(first).encode() + _trie(tails))
    return branches[0] if len(branches) == 1 else b"(?:" + b"|".join(branches) + b")"


_CONTENT: Final = _content_pattern()
# The event name of a log record (field 12), or the attribute that was used before.
_GEN_AI_EVENT: Final = re.compile(rb"b[\x01-\xff]\x01?gen_ai\.", re.DOTALL)
_EVENT_NAME_KEY: Final = EVENT_NAME_KEY.encode()


class Redactor:
    """Replaces content in parsed requests."""

    def __init__(self, key: bytes, allow_keys: Iterable[str] = ()) -> None:
        """`allow_keys` are names of content that is kept all the same."""
        if len(key) < MIN_KEY_BYTES:
            raise ValueError(
                f"the redaction key has {len(key)} bytes: give it at least {MIN_KEY_BYTES}"
            )
        self._hmac = hmac.new(key, digestmod=hashlib.sha256)
        self._allowed = frozenset(allow_keys)

    def may_hold_content(self, signal: Signal, body: bytes) -> bool:
        """Whether a request might hold content. False is certain, True is not."""
        if signal is Signal.METRICS:
            return False
        if _CONTENT.search(body) is not None:
            return True
        if signal is Signal.TRACES:
            return False
        return _EVENT_NAME_KEY in body or _GEN_AI_EVENT.search(body) is not None

    def redact_spans(self, request: ExportTraceServiceRequest) -> int:
        """Replace content in the attributes of spans and span events; how many values."""
        count = 0
        for resource_spans in request.resource_spans:
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    count += self._attributes(span.attributes)
                    for event in span.events:
                        count += self._attributes(event.attributes, event.name in CONTENT_EVENTS)
        return count

    def redact_logs(self, request: ExportLogsServiceRequest) -> int:
        """Replace content in the attributes and bodies of log records; how many values."""
        count = 0
        for resource_logs in request.resource_logs:
            for scope_logs in resource_logs.scope_logs:
                for record in scope_logs.log_records:
                    count += self._record(record)
        return count

    def _record(self, record: LogRecord) -> int:
        name = record.event_name or _old_event_name(record.attributes)
        count = self._attributes(record.attributes, name in CONTENT_EVENTS)
        if name.startswith(CONTENT_BODY_EVENT_PREFIX) and record.HasField("body"):
            count += self._value(record.body)
        return count

    def _attributes(self, attributes: Iterable[KeyValue], message_event: bool = False) -> int:
        count = 0
        for attribute in attributes:
            key = attribute.key
            if key in self._allowed:
                continue
            if is_content_key(key) or (message_event and key in CONTENT_EVENT_KEYS):
                count += self._value(attribute.value)
        return count

    def _value(self, value: AnyValue) -> int:
        """Replace one value; 0 if it is empty or already a hash."""
        kind = value.WhichOneof("value")
        if kind is None:
            return 0
        if kind == "string_value":
            text = value.string_value
            if not text or _REDACTED.fullmatch(text):
                return 0
            content = text.encode()
        else:
            content = value.SerializeToString(deterministic=True)
        keyed = self._hmac.copy()
        keyed.update(content)
        value.string_value = f"{MARK}{keyed.hexdigest()[:_HASH_CHARS]}:{len(content)}"
        return 1


def _old_event_name(attributes: Iterable[KeyValue]) -> str:
    for attribute in attributes:
        if attribute.key == EVENT_NAME_KEY:
            return attribute.value.string_value
    return ""
