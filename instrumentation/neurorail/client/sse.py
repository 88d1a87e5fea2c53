"""Reads server-sent events: lines in, messages out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class StreamMessage:
    """One message of the live stream."""

    id: str
    """Resume after it with `Last-Event-ID`; empty for a message about the stream itself."""
    channel: str
    event_type: str
    timestamp: float
    """Seconds since the Unix epoch, when the server received the record."""
    data: dict[str, Any] = field(default_factory=dict)
    raw: str = ""
    """The JSON as it was sent."""


@dataclass(slots=True)
class Retry:
    """The server says how long to wait before the next connection."""

    delay_ms: int


class MessageParser:
    """Takes the lines of one connection; a message that is cut off is not given."""

    def __init__(self) -> None:
        self._data: list[str] = []
        self._event_id = ""

    def feed(self, line: str) -> StreamMessage | Retry | None:
        """What a line completes, if anything.

        Raises:
            ValueError: if a message holds no JSON object.
        """
        text = line.rstrip("\r\n")
        if not text:
            data, self._data = self._data, []
            # A browser would keep the id for the messages that follow. Here those without one of
            # their own have none, so that what is said about the stream is told from its events.
            event_id, self._event_id = self._event_id, ""
            return _message(event_id, "\n".join(data)) if data else None
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "id":
            self._event_id = value
        elif name == "retry" and value.isdecimal():
            return Retry(int(value))
        return None


def parse_messages(lines: Iterable[bytes]) -> Iterator[StreamMessage | Retry]:
    """Turn lines of a stream into messages.

    Raises:
        ValueError: if a message holds no JSON object.
    """
    parser = MessageParser()
    for line in lines:
        found = parser.feed(line.decode("utf-8", errors="replace"))
        if found is not None:
            yield found


def _message(event_id: str, raw: str) -> StreamMessage:
    body = json.loads(raw)
    if not isinstance(body, dict):
        raise ValueError(f"a message of the stream is no JSON object: {raw[:80]!r}")
    data = body.get("data")
    return StreamMessage(
        id=event_id,
        channel=str(body.get("channel", "")),
        event_type=str(body.get("event_type", "")),
        timestamp=float(body.get("timestamp") or 0.0),
        data=data if isinstance(data, dict) else {},
        raw=raw,
    )
