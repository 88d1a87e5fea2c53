"""What is to be sent, in a file: it is forgotten only when it was taken, or given up."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

WAITING_MAX: Final = 10_000
"""Messages that wait; for a further one the oldest is given up."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS waiting (
    number INTEGER PRIMARY KEY, event_id TEXT NOT NULL, webhook TEXT NOT NULL,
    tenant TEXT NOT NULL, body BLOB NOT NULL, attempts INTEGER NOT NULL,
    first_unix_s REAL NOT NULL, due_unix_s REAL NOT NULL, UNIQUE (event_id, webhook));
CREATE INDEX IF NOT EXISTS waiting_due ON waiting (due_unix_s);
CREATE TABLE IF NOT EXISTS cursor (one INTEGER PRIMARY KEY CHECK (one = 1), event_id TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that waits for a webhook. Times are in Unix seconds."""

    number: int
    event_id: str
    webhook: str
    tenant: str
    body: bytes
    attempts: int
    first_unix_s: float
    due_unix_s: float


_COLUMNS: Final = "number, event_id, webhook, tenant, body, attempts, first_unix_s, due_unix_s"


class AlertQueue:
    """The file of one data directory. Every method blocks, and may be called from any thread."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def cursor(self) -> str | None:
        """The event up to which everything was looked at; None before the first start."""
        with self._lock:
            found = self._connection.execute("SELECT event_id FROM cursor").fetchone()
        return None if found is None else str(found[0])

    def add(
        self, event_id: str, messages: Sequence[tuple[str, str, bytes]], now_unix_s: float
    ) -> list[Waiting]:
        """Keep what an event says to webhooks, and the place after it, in one step.

        Args:
            event_id: the event.
            messages: webhook, tenant and body of each.
            now_unix_s: the time.

        Returns:
            What had to be given up for it.
        """
        with self._lock, self._connection as connection:
            connection.execute("BEGIN")
            connection.executemany(
                "INSERT OR IGNORE INTO waiting (event_id, webhook, tenant, body, attempts,"
                " first_unix_s, due_unix_s) VALUES (?, ?, ?, ?, 0, ?, ?)",
                [
                    (event_id, webhook, tenant, body, now_unix_s, now_unix_s)
                    for webhook, tenant, body in messages
                ],
            )
            connection.execute("INSERT OR REPLACE INTO cursor VALUES (1, ?)", (event_id,))
            (count,) = connection.execute("SELECT count(*) FROM waiting").fetchone()
            surplus = max(count - WAITING_MAX, 0)
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM waiting ORDER BY number LIMIT ?", (surplus,)
            ).fetchall()
            given_up = [Waiting(*row) for row in rows]
            connection.executemany(
                "DELETE FROM waiting WHERE number = ?", [(one.number,) for one in given_up]
            )
        return given_up

    def looked_at(self, event_id: str) -> None:
        """Everything up to this event was looked at, and said nothing to webhooks."""
        with self._lock:
            self._connection.execute("INSERT OR REPLACE INTO cursor VALUES (1, ?)", (event_id,))

    def due(self, webhook: str, now_unix_s: float) -> Waiting | None:
        """The message for a webhook that is due, the oldest first."""
        with self._lock:
            row = self._connection.execute(
                f"SELECT {_COLUMNS} FROM waiting WHERE webhook = ? AND due_unix_s <= ?"
                " ORDER BY number LIMIT 1",
                (webhook, now_unix_s),
            ).fetchone()
        return None if row is None else Waiting(*row)

    def unknown(self, webhooks: Sequence[str]) -> list[Waiting]:
        """Messages for webhooks that are not configured any more."""
        marks = ",".join("?" * len(webhooks))
        with self._lock:
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} FROM waiting WHERE webhook NOT IN ({marks})", tuple(webhooks)
            ).fetchall()
        return [Waiting(*row) for row in rows]

    def later(self, number: int, due_unix_s: float) -> None:
        """A message was not taken: it is tried again."""
        with self._lock:
            self._connection.execute(
                "UPDATE waiting SET attempts = attempts + 1, due_unix_s = ? WHERE number = ?",
                (due_unix_s, number),
            )

    def remove(self, number: int) -> None:
        """A message was taken, or is given up."""
        with self._lock:
            self._connection.execute("DELETE FROM waiting WHERE number = ?", (number,))

    def size(self) -> int:
        """How many messages wait."""
        with self._lock:
            (count,) = self._connection.execute("SELECT count(*) FROM waiting").fetchone()
        return int(count)
