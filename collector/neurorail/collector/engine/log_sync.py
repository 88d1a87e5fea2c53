"""Keeping a SQLite log on disk from beside, so that merging it need not wait for the disk."""

from __future__ import annotations

import logging
import os
import sys
import threading
from pathlib import Path
from typing import Final

INTERVAL_S: Final = 0.1

_sync_data: Final = os.fdatasync if sys.platform == "linux" else os.fsync
_log = logging.getLogger(__name__)


class LogSync:
    """Syncs the write-ahead log of a database every `INTERVAL_S`, on a thread of its own.

    SQLite syncs a log before it merges it into the database, and whoever commits waits. Most of
    the log is on disk already then. It has locks on the database's other files alone, so that
    opening and closing the log takes none of them away.
    """

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + "-wal")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-sync", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End. Idempotent; harmless before the start."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        synced = 0
        while not self._stopping.wait(INTERVAL_S):
            try:
                synced = self._sync(synced)
            except FileNotFoundError:
                continue  # Nothing was committed yet, or everything is merged.
            except OSError as error:
                # SQLite meets it too when it merges, and says so to whoever commits.
                _log.warning("cannot sync %s: %s", self._path, error)

    def _sync(self, synced_unix_nano: int) -> int:
        """Sync the log if it was written to since; when it was written to last."""
        changed_unix_nano = self._path.stat().st_mtime_ns
        if changed_unix_nano != synced_unix_nano:
            descriptor = os.open(self._path, os.O_RDONLY)
            try:
                _sync_data(descriptor)
            finally:
                os.close(descriptor)
        return changed_unix_nano
