"""One event on the stream, and the line of the outbox that it comes from."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

Position: TypeAlias = tuple[int, int, int]
"""Where an event stands in its node's history: epoch, record sequence, index in the record."""

_NANOS_PER_SECOND = 1_000_000_000


def seconds_text(unix_nano: int) -> str:
    """Nanoseconds since the Unix epoch as decimal seconds, exact to the nanosecond."""
    return f"{unix_nano // _NANOS_PER_SECOND}.{unix_nano % _NANOS_PER_SECOND:09d}"


class EventLine(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One line of the outbox: the head that the audit chain covers, the hashes, the details."""

    node: str
    epoch: int
    seq: int
    index: int
    tenant: str
    timestamp_unix_nano: int
    event_time_unix_nano: int
    channel: str
    event_type: str
    event_category: str
    severity: str
    message: str
    mission_id: str
    plan_id: str
    job_id: str
    attempt_id: str
    resource_id: str
    entity_type: str
    entity_id: str
    principal: str
    details_hash: str
    prev_hash: str
    hash: str
    data: msgspec.Raw

    @property
    def event_id(self) -> str:
        """`node.epoch.seq.index`, opaque to clients."""
        return f"{self.node}.{self.epoch}.{self.seq}.{self.index}"

    @property
    def position(self) -> Position:
        """Where the event stands in its node's history."""
        return (self.epoch, self.seq, self.index)

    @property
    def chain(self) -> tuple[str, ...]:
        """The named levels of the chain, from the mission down, and the entity itself."""
        named = (self.mission_id, self.plan_id, self.job_id, self.attempt_id, self.resource_id)
        ids = tuple(entity_id for entity_id in named if entity_id)
        return ids if not self.entity_id or self.entity_id in ids else (*ids, self.entity_id)

    def to_stream_event(self) -> StreamEvent:
        """The event as subscribers get it."""
        return StreamEvent.of(self)


class StreamEvent(msgspec.Struct, gc=False, eq=False):
    """An event on its way to subscribers. Its bytes on the wire are made once, on first use.

    What every filter looks at, of every event, is beside the line. Thousands of events are kept,
    and none of them refers to what could refer to it: the garbage collector need not look.
    """

    line: EventLine
    tenant: str
    """Whose event it is."""
    channel: str
    """The one channel it belongs to."""
    event_type: str
    """Its type."""
    data: bytes
    """The JSON object that subscribers read as `data`; one line."""
    _plain: bytes | None = None
    _named: bytes | None = None

    @classmethod
    def of(cls, line: EventLine) -> StreamEvent:
        """The event of a line."""
        return cls(line, line.tenant, line.channel, line.event_type, bytes(line.data))

    @property
    def position(self) -> Position:
        """Where the event stands in its node's history."""
        return self.line.position

    @property
    def event_id(self) -> str:
        """`node.epoch.seq.index`, opaque to clients."""
        return self.line.event_id

    @property
    def timestamp_unix_nano(self) -> int:
        """When the record was received."""
        return self.line.timestamp_unix_nano

    @property
    def entity_ids(self) -> tuple[str, ...]:
        """Every entity the event concerns: the named levels of its chain, and its own."""
        return self.line.chain

    def frame(self, *, named: bool) -> bytes:
        """The event as a server-sent event, with an `event:` line if `named`."""
        if named:
            if self._named is None:
                self._named = b"event: %b\n%b" % (self.event_type.encode(), self.frame(named=False))
            return self._named
        if self._plain is None:
            self._plain = b'id: %b\ndata: {"channel":"%b","event_type":"%b","timestamp":%b,' % (
                self.event_id.encode(),
                self.channel.encode(),
                self.event_type.encode(),
                seconds_text(self.timestamp_unix_nano).encode(),
            ) + b'"data":%b}\n\n' % (self.data,)
        return self._plain


_LINE_DECODER = msgspec.json.Decoder(EventLine)


def decode_line(line: bytes) -> EventLine:
    """One outbox line. Raises msgspec.DecodeError on anything else."""
    return _LINE_DECODER.decode(line)


def decode_lines(lines: bytes) -> list[EventLine]:
    """The events of an outbox batch, in order."""
    return _LINE_DECODER.decode_lines(lines)


def parse_event_id(event_id: str) -> tuple[str, Position]:
    """The node and position that an event id names. Raises ValueError on any other text."""
    parts = event_id.rsplit(".", 3)
    if len(parts) != 4 or not parts[0] or not all(p.isascii() and p.isdigit() for p in parts[1:]):
        raise ValueError(f"{event_id[:100]!r} is not an event id; send one that this server gave")
    if any(len(part) > 20 for part in parts[1:]):
        raise ValueError(f"{event_id[:100]!r} is not an event id; its numbers are too long")
    return parts[0], (int(parts[1]), int(parts[2]), int(parts[3]))
