"""Limits of the inbox."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MIB: Final = 1 << 20
GIB: Final = 1 << 30
_MAY_BE_NONE: Final = frozenset({"min_free_bytes", "group_interval_us", "runway_bytes"})


@dataclass(frozen=True, slots=True)
class InboxConfig:
    """Every limit of the inbox, with its unit in its name.

    Raises:
        ValueError: if a limit is not positive, or the reserve does not fit into `max_bytes`.
    """

    rotate_bytes: int = 64 * MIB
    """A file that reached this size takes no further group."""
    runway_bytes: int = 8 * MIB
    """Room written ahead in a file's log, at most a quarter of the file: commits need no growth."""
    max_bytes: int = 10 * GIB
    """Disk that all files may take; beyond it, less the reserve, telemetry is refused."""
    reserve_bytes: int = 16 * MIB
    """Of `max_bytes`, `min_free_bytes` and the queue: kept for commands, ticks, system records."""
    min_free_bytes: int = 256 * MIB
    """Free space of the file system below which telemetry is refused."""
    queue_bytes: int = 256 * MIB
    """Bodies waiting for a commit; beyond it telemetry is refused."""
    group_bytes: int = 32 * MIB
    """A group takes no further append beyond this size."""
    group_records: int = 4_096
    """A group takes no further append beyond this number of records."""
    group_interval_us: int = 2_000
    """Under concurrent small appends a group begins no sooner than this after the last one; when
    many of them are telemetry, and no command waits, then twice this."""
    tail_bytes: int = 64 * MIB
    """Newest records kept in memory for readers."""
    open_files: int = 16
    """Full files kept open for readers and pruning; older ones are merged and closed."""
    jump_ns: int = 60 * 1_000_000_000
    """A leap of the clock beyond this, while running, is reported as downtime."""
    resumed_min_ns: int = 5 * 1_000_000_000
    """Downtime before a start beyond this is reported."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            least = 0 if name in _MAY_BE_NONE else 1
            if getattr(self, name) < least:
                raise ValueError(f"inbox.{name} is {getattr(self, name)}: give a positive number")
        if self.reserve_bytes >= self.max_bytes:
            raise ValueError(
                f"inbox.reserve_bytes {self.reserve_bytes} must be below "
                f"inbox.max_bytes {self.max_bytes}"
            )
