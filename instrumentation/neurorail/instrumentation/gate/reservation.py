"""What the server set aside for a call or an attempt."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reservation:
    """An amount that nobody else can use until it is settled."""

    id: str
    ttl_ms: int
    """The server frees it after so long, unless heartbeats of its entity come."""
