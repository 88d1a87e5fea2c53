"""How far each destination got, across restarts."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS cursors (name TEXT PRIMARY KEY, seq INTEGER) STRICT"


class CursorLog:
    """A small SQLite file with one row per destination. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        # A power failure may take the newest steps: what they sent is then sent again.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute(_SCHEMA)

    def load(self, names: Iterable[str], begin_seq: int) -> dict[str, int]:
        """Up to which record each of `names` has got everything; all others are forgotten.

        A destination that was never heard of begins after `begin_seq`.
        """
        with self._lock:
            known: dict[str, int] = dict(
                self._connection.execute("SELECT name, seq FROM cursors").fetchall()
            )
            kept = {name: known.get(name, begin_seq) for name in names}
            self._connection.execute("BEGIN")
            self._connection.execute("DELETE FROM cursors")
            self._connection.executemany("INSERT INTO cursors VALUES (?, ?)", kept.items())
            self._connection.execute("COMMIT")
        return kept

    def save(self, name: str, seq: int) -> None:
        """Note that a destination has got everything up to `seq`."""
        with self._lock:
            self._connection.execute("UPDATE cursors SET seq = ? WHERE name = ?", (seq, name))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
