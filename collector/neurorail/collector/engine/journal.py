"""The journal: events not yet archived, and the engine's state, in one SQLite file.

What a group of records produced is written in one transaction: its events (the outbox), how far the
engine is, and, from time to time, the rows of entities and traces that changed. After a crash the
engine goes on from the last flushed state; events already written are never computed a second time
into the outbox. The file may lag behind the inbox after a power failure; the inbox has the records.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import msgspec
import zstandard

from neurorail.collector.engine.log_sync import LogSync
from neurorail.collector.stream.event import decode_line
from neurorail.rules.state import Changes, Row

RECENT_BYTES_MAX: Final = 64 << 20
"""Outbox batches kept in memory for the archive and for readers; older ones are read from disk."""
MERGE_PAGES: Final = 2_000
"""Pages in the log at which the commit that reaches them merges it into the file: a few
milliseconds, in which nothing else is decided."""
QUIET_MERGE_PAGES: Final = 250
"""The same while nothing waits to be decided: a millisecond or two, so that who comes meanwhile
hardly notices."""
PAGE_BYTES: Final = 4_096
COPY_PAGES: Final = 256
SCRUB_BYTES_MAX: Final = 256 << 20
"""A larger file is not written anew while the engine runs, but at the next start."""
COPY_PAUSE_S: Final = 0.01
"""A copy of the state goes on by so many pages, then pauses."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS outbox (
    ordinal INTEGER PRIMARY KEY, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
    events INTEGER NOT NULL, lines BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS state (
    key TEXT PRIMARY KEY, deadline INTEGER NOT NULL, touched INTEGER NOT NULL, row BLOB NOT NULL)
    WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS state_deadline ON state (deadline) WHERE deadline > 0;
CREATE INDEX IF NOT EXISTS state_touched ON state (touched) WHERE touched > 0;
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""

_BIG_INT: Final = 1
"""Code of whole numbers beyond 64 bits, which MessagePack has not: what is absurd is kept, too."""
_encode = msgspec.msgpack.Encoder().encode


def _pack(value: Any) -> bytes:
    try:
        return _encode(value)
    except OverflowError:
        return _encode(_with_big_ints(value))


def _with_big_ints(value: Any) -> Any:
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        size = value.bit_length() // 8 + 1
        return msgspec.msgpack.Ext(_BIG_INT, value.to_bytes(size, "big", signed=True))
    if isinstance(value, dict):
        return {key: _with_big_ints(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_with_big_ints(part) for part in value]
    return value


def _big_int(code: int, data: memoryview) -> int:
    return int.from_bytes(data, "big", signed=True)


_unpack = msgspec.msgpack.Decoder(ext_hook=_big_int).decode


@dataclass(frozen=True, slots=True)
class OutboxBatch:
    """Events of consecutive records: one JSON array a line, each line ended by a newline."""

    ordinal: int
    first_seq: int
    last_seq: int
    events: int
    lines: bytes


@dataclass(slots=True)
class Progress:
    """How far the engine is."""

    emitted_seq: int = 0
    """The last record whose events are in the outbox, or were."""
    flushed_seq: int = 0
    """The last record that the flushed state covers."""
    ordinal: int = 0
    """The last outbox batch."""
    pruned_ordinal: int = 0
    audit: bytes = bytes(32)
    digest: bytes = bytes(32)
    events: int = 0
    failed: list[tuple[int, int, str]] = field(default_factory=list)
    """Observations that raised since the last flush: seq, index, cause."""


@dataclass(slots=True)
class Flushed:
    """The engine's state as it was last flushed."""

    meta: dict[str, Any] | None
    prices_json: bytes
    deadlines: list[tuple[str, int]]
    traces: list[tuple[str, Row, int]]
    """Live traces in touch order."""
    kept: list[tuple[str, Row]] = field(default_factory=list)
    """Kept objects."""


class Journal:
    """The journal of one data directory. Every method may be called from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._arrived = threading.Condition()
        self._connection: sqlite3.Connection | None = None
        self._log_sync: LogSync | None = None
        self._recent: deque[OutboxBatch] = deque()
        self._recent_bytes = 0
        self._prune_to = 0
        self._deleted_to = 0
        self._log_pages = 0
        """About so many pages were written since the log was last merged in a quiet moment."""
        # Event lines repeat themselves; a tenth of the bytes is a tenth of the writing.
        self._compress = zstandard.ZstdCompressor(level=1).compress
        self._decompress = zstandard.ZstdDecompressor().decompress
        self.progress = Progress()

    def open(self) -> None:
        """Open the file, making it if need be."""
        connection = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA cache_size=-65536")
        connection.execute(f"PRAGMA wal_autocheckpoint={MERGE_PAGES}")
        connection.executescript(_SCHEMA)
        self._connection = connection
        self._log_sync = LogSync(self._path)
        self._log_sync.start()
        found = connection.execute("SELECT value FROM meta WHERE name = 'progress'").fetchone()
        if found is not None:
            self.progress = msgspec.msgpack.decode(found[0], type=Progress)
        self._prune_to = self.progress.pruned_ordinal
        if connection.execute("SELECT 1 FROM meta WHERE name = 'scrub'").fetchone() is not None:
            self._write_anew(connection)

    def scrub(self) -> bool:
        """Leave no bytes of what was deleted or replaced in the file and its log.

        The engine waits meanwhile: about a second for each 200 MB.

        Returns:
            False if the file is too large for that: it is done at the next start.
        """
        with self._lock:
            connection = self._open_connection()
            connection.execute("DELETE FROM outbox WHERE ordinal <= ?", (self._prune_to,))
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('scrub', x'')")
            if self._path.stat().st_size > SCRUB_BYTES_MAX:
                return False
            self._write_anew(connection)
        return True

    def _write_anew(self, connection: sqlite3.Connection) -> None:
        connection.execute("VACUUM")
        connection.execute("DELETE FROM meta WHERE name = 'scrub'")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file; harmless when it is not open."""
        if self._log_sync is not None:
            self._log_sync.stop()
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
        with self._arrived:
            self._arrived.notify_all()

    # ── writing (the applier's thread) ───────────────────────────────────────────────────────

    def commit(
        self,
        lines: bytes,
        first_seq: int,
        events: int,
        progress: Progress,
        changes: Changes | None,
        prices_json: bytes | None,
    ) -> OutboxBatch | None:
        """Write a group: its events, the progress made, and the state if it is flushed now.

        Returns:
            The batch of its events; None when it has none.
        """
        batch = None
        packed = b""
        if events:
            progress.ordinal += 1
            batch = OutboxBatch(progress.ordinal, first_seq, progress.emitted_seq, events, lines)
            packed = self._compress(lines)
        progress.pruned_ordinal = self._prune_to
        with self._lock:
            connection = self._open_connection()
            connection.execute("BEGIN")
            try:
                if batch is not None:
                    connection.execute(
                        "INSERT INTO outbox VALUES (?, ?, ?, ?, ?)",
                        (batch.ordinal, batch.first_seq, batch.last_seq, events, packed),
                    )
                if self._deleted_to != progress.pruned_ordinal:
                    connection.execute(
                        "DELETE FROM outbox WHERE ordinal <= ?", (progress.pruned_ordinal,)
                    )
                if changes is not None:
                    _write_changes(connection, changes, prices_json)
                connection.execute(
                    "INSERT OR REPLACE INTO meta VALUES ('progress', ?)", (_pack(progress),)
                )
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            self._deleted_to = progress.pruned_ordinal
            self._log_pages += 1 + len(packed) // PAGE_BYTES + (len(changes.rows) if changes else 0)
        if batch is not None:
            self._remember(batch)
        return batch

    def merge_if_large(self) -> None:
        """Merge the log if there is something in it; for moments in which nobody waits.

        Without it a commit does so, later and at greater length.
        """
        if self._log_pages < QUIET_MERGE_PAGES:
            return
        with self._lock:
            self._log_pages = 0
            # A disk that refuses refuses the next commit too, which says so.
            with suppress(sqlite3.Error):
                self._open_connection().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def _remember(self, batch: OutboxBatch) -> None:
        with self._arrived:
            self._recent.append(batch)
            self._recent_bytes += len(batch.lines)
            while self._recent_bytes > RECENT_BYTES_MAX and len(self._recent) > 1:
                self._recent_bytes -= len(self._recent.popleft().lines)
            self._arrived.notify_all()

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("the journal is closed")
        return self._connection

    # ── the engine's state ───────────────────────────────────────────────────────────────────

    def load(self, key: str) -> Row | None:
        """The row of one entity or trace; None when there is none."""
        with self._lock:
            found = (
                self._open_connection()
                .execute("SELECT row FROM state WHERE key = ?", (key,))
                .fetchone()
            )
        return None if found is None else _unpack(found[0])

    def load_many(self, keys: list[str]) -> dict[str, Row]:
        """The rows of those keys that have one."""
        found: dict[str, Row] = {}
        with self._lock:
            connection = self._open_connection()
            for at in range(0, len(keys), 500):
                part = keys[at : at + 500]
                marks = ",".join("?" * len(part))
                query = f"SELECT key, row FROM state WHERE key IN ({marks})"
                for key, row in connection.execute(query, part):
                    found[key] = _unpack(row)
        return found

    def flushed(self) -> Flushed:
        """The state as it was last flushed, without the rows of entities."""
        with self._lock:
            connection = self._open_connection()
            meta = dict(connection.execute("SELECT name, value FROM meta").fetchall())
            deadlines = connection.execute(
                "SELECT key, deadline FROM state WHERE deadline > 0"
            ).fetchall()
            traces = connection.execute(
                "SELECT key, row, touched FROM state WHERE touched > 0 ORDER BY touched"
            ).fetchall()
            # Keys of kept objects, and no others, begin with "|".
            kept = connection.execute(
                "SELECT key, row FROM state WHERE key >= '|' AND key < '}'"
            ).fetchall()
        return Flushed(
            meta=_unpack(meta["engine"]) if "engine" in meta else None,
            prices_json=meta.get("prices", b""),
            deadlines=deadlines,
            traces=[(key, _unpack(row), touched) for key, row, touched in traces],
            kept=[(key, _unpack(row)) for key, row in kept],
        )

    def copy_state(self, path: Path) -> int:
        """Copy the flushed state into a file of its own, while it is written to.

        Takes small steps, so that nobody waits for it.

        Returns:
            The last record that the copy covers.
        """
        target = sqlite3.connect(path, isolation_level=None)
        try:
            self._open_connection().backup(target, pages=COPY_PAGES, sleep=COPY_PAUSE_S)
            target.execute("DELETE FROM outbox")
            target.execute("VACUUM")
            found = target.execute("SELECT value FROM meta WHERE name = 'progress'").fetchone()
        finally:
            target.close()
        return 0 if found is None else msgspec.msgpack.decode(found[0], type=Progress).flushed_seq

    # ── the outbox (the archive, and readers) ────────────────────────────────────────────────

    def read(self, after_ordinal: int, max_bytes: int) -> list[OutboxBatch]:
        """The batches after `after_ordinal`, in order, up to `max_bytes` but at least one."""
        with self._arrived:
            after_ordinal = max(after_ordinal, self._prune_to)
            if after_ordinal >= self.progress.ordinal:
                return []
            recent = list(self._recent)
        if not recent or recent[0].ordinal > after_ordinal + 1:
            return self._read_file(after_ordinal, max_bytes)
        return up_to((batch for batch in recent if batch.ordinal > after_ordinal), max_bytes)

    def _read_file(self, after_ordinal: int, max_bytes: int) -> list[OutboxBatch]:
        with self._lock:
            if self._connection is None:
                return []
            cursor = self._connection.execute(
                "SELECT ordinal, first_seq, last_seq, events, lines FROM outbox"
                " WHERE ordinal > ? ORDER BY ordinal",
                (after_ordinal,),
            )
            return up_to((self._unpacked(row) for row in cursor), max_bytes)

    def _unpacked(self, row: tuple[int, int, int, int, bytes]) -> OutboxBatch:
        ordinal, first_seq, last_seq, events, packed = row
        return OutboxBatch(ordinal, first_seq, last_seq, events, self._decompress(packed))

    def wait_for(self, after_ordinal: int, timeout_s: float) -> bool:
        """Wait until there is a batch after `after_ordinal`, or the time is over."""
        with self._arrived:
            return self._arrived.wait_for(lambda: self.progress.ordinal > after_ordinal, timeout_s)

    def prune(self, through_ordinal: int) -> None:
        """Forget batches that are archived; the file follows at the next commit."""
        with self._arrived:
            self._prune_to = max(self._prune_to, through_ordinal)
            while self._recent and self._recent[0].ordinal <= through_ordinal:
                self._recent_bytes -= len(self._recent.popleft().lines)

    def unarchived(self) -> list[OutboxBatch]:
        """Every batch that was not pruned yet."""
        found: list[OutboxBatch] = []
        while page := self.read(found[-1].ordinal if found else self._prune_to, RECENT_BYTES_MAX):
            found += page
        return found

    def archived_head(self) -> str:
        """The hash, in hex, of the newest event that is archived; ask on the applier's thread."""
        waiting = self.unarchived()
        if not waiting:
            return self.progress.audit.hex()
        return decode_line(waiting[0].lines.split(b"\n", 1)[0]).prev_hash

    def depth(self) -> int:
        """Batches that wait for the archive."""
        return self.progress.ordinal - self._prune_to


def up_to(batches: Iterable[OutboxBatch], max_bytes: int) -> list[OutboxBatch]:
    """The first batches, up to so many bytes but at least one."""
    found: list[OutboxBatch] = []
    size = 0
    for batch in batches:
        size += len(batch.lines)
        if found and size > max_bytes:
            break
        found.append(batch)
    return found


def _write_changes(
    connection: sqlite3.Connection, changes: Changes, prices_json: bytes | None
) -> None:
    in_order = sorted(changes.rows, key=itemgetter(0))  # As they lie in the file.
    connection.executemany(
        "INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?)",
        [(key, deadline, touched, _pack(row)) for key, deadline, touched, row in in_order],
    )
    connection.executemany("DELETE FROM state WHERE key = ?", [(key,) for key in changes.removed])
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('engine', ?)", (_pack(changes.meta),))
    if prices_json is not None:
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('prices', ?)", (prices_json,))
