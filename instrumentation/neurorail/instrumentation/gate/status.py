"""What the gate is doing: for people, health checks and metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OFF: Final = "off"


@dataclass(frozen=True, slots=True)
class GateStatus:
    """A moment of the gate."""

    state: str
    """`off` (no server), `connecting`, `connected`, `unreachable`, `refused` or `stopped`."""
    endpoint: str
    mode: str
    """`auto`, `direct` or `rail`, as configured."""
    fail_closed: bool
    directives: int
    """Held at the moment."""
    decisions: int
    """Asked of the server so far."""
    refusals: int
    """Calls and entities refused so far, whoever refused them."""
    unreachable: int
    """Questions that the server did not answer."""
    settlements_dropped: int
    """Reports of usage for which there was no room."""
