"""What can be configured about the archive."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ArchiveConfig:
    """How rows are gathered into inserts."""

    batch_records_max: int = 4_096
    batch_items_max: int = 32_768
    """Spans, log records and data points in one insert; one record may exceed it alone."""
    batch_bytes_max: int = 32 << 20
    events_bytes_max: int = 64 << 20
    """Of events read at once; half of it is a whole batch."""
    linger_ms: int = 100
    """A batch that is not full is inserted when nothing more came for so long."""
    linger_busy_ms: int = 5_000
    """Longest time a batch waits while more keeps coming: few large parts cost far less than many
    small ones. It is the archive's lag in steady traffic."""
    drain_ms: int = 10_000
    """Longest time a stop waits until what was taken in is applied and archived; what is not then
    waits for the next start. 0: it does not wait."""
    retry_delay_ms_min: int = 100
    retry_delay_ms_max: int = 5_000
    too_large_tries: int = 3
    """Tries of a single record for which the engine has no memory, before it is put aside."""
    state_interval_s: int = 86_400
    """How often the engine's state is stored, for replays to begin at; 0: never."""
    disk_free_bytes_min: int = 256 << 20
    """Below this, an embedded archive waits: what is left is for the inbox."""

    def __post_init__(self) -> None:
        for name in ("batch_records_max", "batch_items_max", "batch_bytes_max", "events_bytes_max"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.drain_ms < 0:
            raise ValueError(f"drain_ms is {self.drain_ms}; it must be at least 0")
        if not 0 < self.retry_delay_ms_min <= self.retry_delay_ms_max:
            raise ValueError(
                f"retry_delay_ms_min is {self.retry_delay_ms_min}; it must be positive and at most "
                f"retry_delay_ms_max ({self.retry_delay_ms_max})"
            )
