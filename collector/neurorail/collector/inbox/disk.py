"""How much room the inbox has, and the sign of life it leaves beside its files."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from neurorail.collector.inbox.config import InboxConfig
from neurorail.collector.inbox.segments import Segments

_ALIVE: Final = "alive"


class Disk:
    """Limits on disk: the inbox's own and the free space of its file system."""

    def __init__(self, directory: Path, segments: Segments, config: InboxConfig) -> None:
        self._directory = directory
        self._segments = segments
        self._config = config
        self._free_bytes = 0
        self._used_bytes_then = 0

    def measure_free(self) -> None:
        """Ask the file system what is free; until the next time, the own growth is deducted."""
        status = os.statvfs(self._directory)
        self._used_bytes_then = self._segments.disk_bytes()
        self._free_bytes = status.f_bavail * status.f_frsize

    def room_bytes(self) -> int:
        """Return what telemetry may still take, from both limits; negative when beyond one."""
        used_bytes = self._segments.disk_bytes()
        own = self._config.max_bytes - self._config.reserve_bytes - used_bytes
        grown_bytes = max(0, used_bytes - self._used_bytes_then)
        shared = self._free_bytes - self._config.min_free_bytes - grown_bytes
        return min(own, shared)

    def mark_alive(self, now_unix_nano: int) -> None:
        """Leave the time for the next start, so that idle time does not look like downtime."""
        path = self._directory / _ALIVE
        fresh = path.with_suffix(".new")
        # A full disk must not stop the inbox: the older sign only makes the downtime look longer.
        with suppress(OSError):
            fresh.write_text(str(now_unix_nano))
            fresh.replace(path)

    def alive_unix_nano(self) -> int:
        """Return when the process before this one was last seen alive; 0 if unknown."""
        try:
            return int((self._directory / _ALIVE).read_text())
        except (FileNotFoundError, ValueError):
            return 0
