"""What the engine may be told. Values are part of an epoch: changing one begins a new epoch."""

from __future__ import annotations

from dataclasses import dataclass

MS = 1_000_000
"""Nanoseconds in a millisecond."""

DAY_NS = 86_400_000 * MS


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Times in milliseconds, limits in entries."""

    lateness_ms: int = 10_000
    """How long, in receive time, a transition waits for its predecessor, a span for its parent."""
    orphan_grace_ms: int = 60_000
    """How long an entity may lack a parent before it is an orphan."""
    heartbeat_missed_ms: int = 60_000
    """Silence after which an entity that sent heartbeats counts as stopped."""
    idle_ms: int = 3_600_000
    """Silence after which an open entity is idle."""
    clock_skew_ms: int = 5_000
    """Tolerance between clocks of different senders when event times are compared."""
    resume_grace_ms: int = 30_000
    """Added to open deadlines, beside the downtime, after the server was down."""
    warn_percent: int = 80
    """Share of a limit at which a warning is given."""
    billing_memory_days: int = 7
    """Usage older than this is shown as too late and not billed."""
    entities_in_memory: int = 100_000
    """Entities held in memory; others are read back from the state store when they are named."""
    traces_in_memory: int = 20_000
    """Traces whose parent links are remembered; of older ones only the bills are."""
    timers_max: int = 1_000_000
    """Open deadlines, one an open entity; beyond it new ones get none."""
    children_max: int = 1_000
    """Children an entity lists; further ones are known, but not listed."""
    waiting_max: int = 16
    """Transitions an entity keeps waiting; further ones are judged at once."""
