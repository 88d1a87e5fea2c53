"""Limits of the live stream."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """How much the hub keeps and for how many. Every limit is hard."""

    buffer_events: int = 10_000
    """Events kept in memory for replay and for subscribers that are behind."""
    buffer_bytes: int = 64 * 1024 * 1024
    """Bytes of event data kept in memory; the oldest events leave first."""
    max_subscribers: int = 1_000
    """Further subscribers are refused until one leaves."""
    keepalive_s: float = 15.0
    """A comment is sent when a connection was quiet for so long (at most twice that)."""
    send_timeout_s: float = 60.0
    """A subscriber that takes nothing for so long is disconnected."""
    retry_ms: int = 2_000
    """What clients are told to wait before they reconnect."""
    chunk_events: int = 256
    """Events written to one subscriber before the others have their turn."""
    flush_interval_ms: float = 1.0
    """Least time between two wake-ups of all subscribers; events in between travel together."""
    flush_interval_max_ms: float = 10.0
    """The wake-ups are spaced wider with more subscribers, up to this."""
    replay_page_events: int = 1_000
    """Events asked of the replay source at a time."""

    def __post_init__(self) -> None:
        for name in ("buffer_events", "buffer_bytes", "max_subscribers", "chunk_events"):
            if getattr(self, name) < 1:
                raise ValueError(f"stream.{name} must be at least 1, not {getattr(self, name)}")
        if self.keepalive_s <= 0 or self.send_timeout_s <= 0:
            raise ValueError("stream.keepalive_s and stream.send_timeout_s must be above 0")
