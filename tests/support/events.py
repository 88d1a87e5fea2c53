"""Events and outboxes made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from neurorail.collector.stream import EventLine, Position, StreamEvent
from neurorail.rules.events import EVENT_TYPES

NODE = "n1"
SECOND = 1_000_000_000
START_UNIX_NANO = 1_764_000_000 * SECOND


def make_line(
    seq: int,
    event_type: str = "state_changed",
    *,
    index: int = 0,
    epoch: int = 1,
    tenant: str = "default",
    ids: Sequence[str] = ("m_1", "p_1", "j_1"),
    data: dict[str, Any] | None = None,
    severity: str = "info",
    node: str = NODE,
    **changes: Any,
) -> EventLine:
    """An event of record `seq`, received `seq` seconds after a fixed moment."""
    kind = EVENT_TYPES[event_type]
    by_prefix = {entity_id[0]: entity_id for entity_id in ids}
    chain = {
        f"{name}_id": by_prefix.get(name[0], "")
        for name in ("mission", "plan", "job", "attempt", "resource")
    }
    entity_type = {"m": "mission", "p": "plan", "j": "job", "a": "attempt", "r": "resource"}
    body = {**chain, "entity_id": ids[-1] if ids else "", **(data or {})}
    fields: dict[str, Any] = {
        "node": node,
        "epoch": epoch,
        "seq": seq,
        "index": index,
        "tenant": tenant,
        "timestamp_unix_nano": START_UNIX_NANO + seq * SECOND,
        "event_time_unix_nano": START_UNIX_NANO + seq * SECOND - 5,
        "channel": kind.channel,
        "event_type": event_type,
        "event_category": kind.category,
        "severity": severity,
        "message": f"event {seq}",
        "entity_type": entity_type[ids[-1][0]] if ids else "",
        "entity_id": ids[-1] if ids else "",
        "principal": "anonymous",
        "details_hash": "00" * 32,
        "prev_hash": "00" * 32,
        "hash": "00" * 32,
        "data": msgspec.Raw(msgspec.json.encode(body)),
        **chain,
        **changes,
    }
    return EventLine(**fields)


def make_event(seq: int, event_type: str = "state_changed", **changes: Any) -> StreamEvent:
    """The same as it is published."""
    return make_line(seq, event_type, **changes).to_stream_event()


def event_line_bytes(line: EventLine) -> bytes:
    """A line as the outbox holds it."""
    return msgspec.json.encode(line) + b"\n"


@dataclass(frozen=True, slots=True)
class ListBatch:
    """A batch of a `ListOutbox`."""

    ordinal: int
    last_seq: int
    lines: bytes


@dataclass(slots=True)
class ListOutbox:
    """An outbox in memory: one batch a call of `add`, pruned from the front."""

    batches: list[ListBatch] = field(default_factory=list)
    next_ordinal: int = 1

    def add(self, *lines: EventLine) -> None:
        """Append one batch."""
        encoded = b"".join(event_line_bytes(line) for line in lines)
        self.batches.append(ListBatch(self.next_ordinal, lines[-1].seq, encoded))
        self.next_ordinal += 1

    def prune(self, through_ordinal: int) -> None:
        """Forget what is archived."""
        self.batches = [b for b in self.batches if b.ordinal > through_ordinal]

    def read(self, after_ordinal: int, max_bytes: int) -> Sequence[ListBatch]:
        """Batches after an ordinal: at least one if there is one."""
        page: list[ListBatch] = []
        for batch in self.batches:
            if batch.ordinal > after_ordinal:
                page.append(batch)
                max_bytes -= len(batch.lines)
                if max_bytes <= 0:
                    break
        return page


@dataclass(slots=True)
class ListReplay:
    """A replay source over a list of events; counts how often it is asked."""

    events: list[StreamEvent] = field(default_factory=list)
    asked: int = 0

    async def events_after(self, position: Position, limit: int) -> list[StreamEvent]:
        """At most `limit` events after `position`."""
        self.asked += 1
        return [event for event in self.events if event.position > position][:limit]
