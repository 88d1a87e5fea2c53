"""Engine events as they leave the engine: encoded once, hashed, chained and digested.

One event becomes one line of the outbox; the same `data` bytes go to subscribers, into the audit
table, and under the hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import msgspec

from neurorail.collector.audit_chain import GENESIS, canonical, link
from neurorail.collector.envelope import Envelope
from neurorail.collector.stream.event import StreamEvent
from neurorail.rules.events import EVENT_TYPES, Event

ID_NAMES: Final = ("mission_id", "plan_id", "job_id", "attempt_id", "resource_id")

DIGEST_EXCLUDES: Final = ("event_id", "seq", "index", "timestamp_unix_nano")
"""What derives from sequence numbers or receive times is no part of an event's `data`, and so no
part of the digest: re-cut batches give the same one."""

_PICO_PER_USD: Final = 10**12
_encode = msgspec.json.Encoder().encode


class _Line(msgspec.Struct, gc=False):
    event_id: str
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


def usd_text(pico: int) -> str:
    """Pico-USD as an exact decimal number of USD, without trailing zeros."""
    sign = "-" if pico < 0 else ""
    whole, part = divmod(abs(pico), _PICO_PER_USD)
    decimals = f"{part:012d}".rstrip("0")
    return f"{sign}{whole}.{decimals}" if decimals else f"{sign}{whole}"


def usd_number(pico: int) -> msgspec.Raw:
    """Pico-USD as a JSON number, exact."""
    return msgspec.Raw(usd_text(pico).encode())


@dataclass(slots=True)
class Heads:
    """Where the audit chain and the digest stand."""

    audit: bytes = GENESIS
    digest: bytes = GENESIS
    events: int = 0


@dataclass(slots=True)
class Encoded:
    """The events of a group of records, ready for the journal and for subscribers."""

    lines: list[bytes]
    stream: list[StreamEvent]


def encode_events(
    node: str,
    epoch: int,
    envelope: Envelope,
    events: Sequence[Event],
    heads: Heads,
    into: Encoded,
) -> None:
    """Encode one record's events, moving the heads of chain and digest on."""
    audit, digest = heads.audit, heads.digest
    prefix = f"{node}.{epoch}.{envelope.seq}."
    tenant, received, seq = envelope.tenant, envelope.received_unix_nano, envelope.seq
    for index, event in enumerate(events):
        kind = EVENT_TYPES[event.type]
        ids = event.ids
        data: dict[str, Any] = {}
        named: list[str] = []
        for name, entity_id in zip(ID_NAMES, ids, strict=True):
            if entity_id is not None:
                data[name] = entity_id
                named.append(entity_id)
        data.update(event.data)
        if event.type in _MONEY:
            _add_money(event.type, data)
        details = _encode(data)
        details_digest = sha256(details)
        entity_id = data.get("entity_id", "")
        head = [
            node,
            epoch,
            seq,
            index,
            tenant,
            received,
            event.event_time_unix_nano,
            kind.channel,
            event.type,
            kind.category,
            event.severity,
            event.message,
            ids[0] or "",
            ids[1] or "",
            ids[2] or "",
            ids[3] or "",
            ids[4] or "",
            data.get("entity_type", ""),
            entity_id,
            envelope.principal,
            details_digest.hexdigest(),
        ]
        before = audit
        audit = link(audit, canonical(head))
        digest = sha256(digest + details_digest.digest() + event.type.encode()).digest()
        event_id = f"{prefix}{index}"
        into.lines.append(_encode(_line(event_id, head, before, audit, details)))
        if entity_id and entity_id not in named:
            named.append(entity_id)
        into.stream.append(
            StreamEvent(
                (epoch, seq, index),
                event_id,
                tenant,
                kind.channel,
                event.type,
                received,
                tuple(named),
                details,
            )
        )
    heads.audit, heads.digest = audit, digest
    heads.events += len(events)


def _line(event_id: str, head: list[Any], before: bytes, audit: bytes, details: bytes) -> _Line:
    # The head's values are in the order of the fields, as `HEAD_FIELDS` has them.
    return _Line(event_id, *head, before.hex(), audit.hex(), msgspec.Raw(details))  # type: ignore[call-arg]


_MONEY: Final = frozenset(
    {"cost_tracked", "usage_moved", "metrics_recorded", "budget_warning", "budget_violation"}
)


def _add_money(event_type: str, data: dict[str, Any]) -> None:
    """Money as an exact decimal number beside (or, for limits, instead of) whole pico-USD."""
    if event_type in ("budget_warning", "budget_violation"):
        if data["violation_type"] == "cost":
            for name in ("limit", "consumed", "reserved", "overshoot"):
                if name in data:
                    data[name] = usd_number(data[name])
        return
    pico = data.get("cost_usd_pico")
    name = "cost" if event_type == "cost_tracked" else "cost_usd"
    data[name] = None if pico is None else usd_number(pico)
