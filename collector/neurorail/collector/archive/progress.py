"""What the archive knows across restarts: how far each stream got and which batch is under way."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS streams (
    name TEXT PRIMARY KEY,
    archived INTEGER NOT NULL,
    plan_first INTEGER,
    plan_last INTEGER,
    plan_token TEXT
) STRICT
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """A batch whose insert has begun: the range it covers, and its deduplication token."""

    first: int
    last: int
    token: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Everything up to `archived` is in the tables; `plan` may be, wholly or in part."""

    archived: int
    plan: Plan | None


class ProgressLog:
    """A small SQLite file with one row per stream. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(_SCHEMA)

    def load(self, stream: str) -> Progress | None:
        """What is known of a stream, or None when it was never heard of."""
        with self._lock:
            row = self._connection.execute(
                "SELECT archived, plan_first, plan_last, plan_token FROM streams WHERE name = ?",
                (stream,),
            ).fetchone()
        if row is None:
            return None
        archived, first, last, token = row
        return Progress(archived, None if first is None else Plan(first, last, token))

    def begin(self, stream: str, archived: int, plan: Plan) -> None:
        """Durably notes a batch, before its insert."""
        self._write((stream, archived, plan.first, plan.last, plan.token))

    def finish(self, stream: str, archived: int) -> None:
        """Durably notes that everything up to `archived` is in the tables."""
        self._write((stream, archived, None, None, None))

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._connection.close()

    def _write(self, row: tuple[str, int, int | None, int | None, str | None]) -> None:
        with self._lock:
            self._connection.execute("INSERT OR REPLACE INTO streams VALUES (?, ?, ?, ?, ?)", row)
