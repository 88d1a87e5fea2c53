"""The audit chain: each event's hash covers the hash before it and a canonical form of the event.

`hash = SHA-256(prev_hash || canonical)`, where `canonical` is the UTF-8 JSON array of the head
fields, in the order of `HEAD_FIELDS`, and ends with the SHA-256 of the event's details. Details can
therefore be erased without breaking the chain. Any SHA-256 and any JSON library can check it.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

import msgspec

GENESIS: Final = bytes(32)
"""The previous hash of a node's first event."""

HEAD_FIELDS: Final = (
    "node",
    "epoch",
    "seq",
    "index",
    "tenant",
    "timestamp_unix_nano",
    "event_time_unix_nano",
    "channel",
    "event_type",
    "event_category",
    "severity",
    "message",
    "mission_id",
    "plan_id",
    "job_id",
    "attempt_id",
    "resource_id",
    "entity_type",
    "entity_id",
    "principal",
    "details_hash",
)
"""Fields of an event that its hash covers, in canonical order."""

_encode = msgspec.json.Encoder().encode


def canonical(head: list[Any] | tuple[Any, ...]) -> bytes:
    """The canonical bytes of an event's head: its `HEAD_FIELDS` as a compact JSON array."""
    return _encode(head)


def link(prev_hash: bytes, canonical_bytes: bytes) -> bytes:
    """The hash of an event, from the hash of the event before it and its canonical bytes."""
    return sha256(prev_hash + canonical_bytes).digest()
