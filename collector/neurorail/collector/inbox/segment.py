"""One file of the inbox: a SQLite database with a single connection.

Every access goes through that connection, under its lock: SQLite before 3.51.3 can lose a commit
when two connections of one file reset its write-ahead log at the same time.

The log is merged into the database only when the file is closed, or when small commits made it
much larger than what they hold. A file that is read from memory and pruned soon is therefore
written once, not twice. After a merge the log starts anew in the room that it has.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from neurorail.collector.envelope import Envelope
from neurorail.collector.inbox import rows, runway
from neurorail.collector.inbox.errors import InboxCorrupt, InboxPruned

PAGE_BYTES: Final = 16_384
MERGE_LOG_BYTES: Final = 8 << 20
"""A log this large is merged early if most of it is not records."""


class Segment:
    """A run of records in one file. All methods may be called from any thread."""

    def __init__(self, path: Path, first_seq: int, runway_bytes: int = 0) -> None:
        self.path = path
        self.first_seq = first_seq
        self.last_seq = first_seq - 1
        self.first_received_unix_nano = 0
        """0 until it is known."""
        self._log_path = path.with_name(path.name + "-wal")
        self._index_path = path.with_name(path.name + "-shm")
        self._file_bytes = 0
        """Size without the log, which alone grows between merges."""
        self._runway_bytes = runway_bytes
        self._runway_is_laid = False
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._log_payload_bytes = 0
        self._removed = False

    @property
    def is_open(self) -> bool:
        """Whether the file has its connection at the moment."""
        return self._connection is not None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was committed to the file yet."""
        return self.last_seq < self.first_seq

    def create(self, previous_received_unix_nano: int) -> None:
        """Make the file; it is durable, and known to its directory, when this returns."""
        with self._lock:
            connection = self._connect()
            with _transaction(connection):
                for statement in rows.CREATE:
                    connection.execute(statement)
                connection.execute(
                    rows.CREATE_SEGMENT,
                    (rows.FORMAT_VERSION, self.first_seq, previous_received_unix_nano),
                )
            self._lay_runway()
        _sync_directory(self.path.parent)

    def recover(self) -> int | None:
        """Learn the file's bounds after a start.

        Returns:
            The receive time of its last record (of the record before it, when it is empty);
            None if the process died while making the file, which then holds nothing.

        Raises:
            InboxCorrupt: if it is no inbox file, of another version, or lacks records.
        """
        with self._lock, self._corruption_named():
            connection = self._connect()
            if not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                return None
            version, first_seq, previous = connection.execute("SELECT * FROM segment").fetchone()
            if (version, first_seq) != (rows.FORMAT_VERSION, self.first_seq):
                raise InboxCorrupt(
                    f"inbox file {self.path} is of version {version} and begins at record "
                    f"{first_seq}, not version {rows.FORMAT_VERSION} and {self.first_seq}: use the "
                    "release that wrote it, or restore the file"
                )
            count, last = connection.execute(rows.SELECT_BOUNDS).fetchone()
            if not count:
                return int(previous)
            self.last_seq = int(last)
            if self.last_seq - self.first_seq + 1 != count:
                raise self._lacks(f"some of the records {self.first_seq} to {last}")
            self.first_received_unix_nano = self._received(connection, self.first_seq)
            return self._received(connection, self.last_seq)

    def load_first_received(self) -> None:
        """Find out when the first record was received, if there is one."""
        if self.first_received_unix_nano or self.is_empty:
            return
        with self._lock, self._corruption_named():
            self.first_received_unix_nano = self._received(self._connect(), self.first_seq)

    def append(self, envelopes: Sequence[Envelope]) -> None:
        """Commit `envelopes`, all or none; durable when this returns.

        Raises:
            sqlite3.Error: nothing of them is in the file, unless the disk failed while syncing.
        """
        with self._lock:
            connection = self._connect()
            if len(envelopes) <= rows.ROWS_PER_STATEMENT:
                # One statement is a transaction of its own and a single trip into SQLite. Each trip
                # gives up the interpreter lock, and getting it back can take a switch interval.
                _insert(connection, envelopes)
            else:
                with _transaction(connection):
                    for start in range(0, len(envelopes), rows.ROWS_PER_STATEMENT):
                        _insert(connection, envelopes[start : start + rows.ROWS_PER_STATEMENT])
            if not self.first_received_unix_nano:
                self.first_received_unix_nano = envelopes[0].received_unix_nano
            self.last_seq = envelopes[-1].seq
            self._log_payload_bytes += sum(len(envelope.body) for envelope in envelopes)
            self._lay_runway()

    def used_bytes(self) -> int:
        """Return what the records take after an append, with the log merged if it is mostly waste.

        It is when small commits, a page or two each, made most of it.
        """
        log_bytes = runway.used_bytes(self._index_path, PAGE_BYTES)
        if log_bytes < MERGE_LOG_BYTES or log_bytes < 4 * self._log_payload_bytes:
            return self._file_bytes + log_bytes
        # The records are durable already: a merge that finds no room is no reason to refuse them.
        with self._lock, suppress(sqlite3.Error):
            self._log_payload_bytes = log_bytes
            self._connect().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            self._log_payload_bytes = 0
        self._file_bytes = _size_bytes(self.path)
        return self._file_bytes

    def read(self, after_seq: int, max_records: int, max_bytes: int) -> list[Envelope]:
        """Return records after `after_seq` up to the limits, but at least one if there is one."""
        first = max(after_seq + 1, self.first_seq)
        last = min(self.last_seq, first + max_records - 1)
        found: list[Envelope] = []
        size_bytes = 0
        with self._lock, self._corruption_named():
            cursor = self._connect().execute(rows.SELECT, (first, last))
            try:
                for row in cursor:
                    size_bytes += len(row[-1])
                    if found and size_bytes > max_bytes:
                        return found
                    if row[0] != first + len(found):
                        break
                    found.append(rows.envelope_of(row))
            finally:
                cursor.close()
        if len(found) != last - first + 1:
            raise self._lacks(f"record {first + len(found)}")
        return found

    def disk_bytes(self) -> int:
        """Return the size of the file and its log, with the room that is ahead in it."""
        self._file_bytes = _size_bytes(self.path)
        return self._file_bytes + _size_bytes(self._log_path)

    def close(self) -> None:
        """Merge the log and close the connection; the next access opens it again."""
        with self._lock:
            self._disconnect()

    def remove(self) -> None:
        """Delete the file with its log and index. Later reads raise `InboxPruned`."""
        with self._lock:
            self._removed = True
            if self._connection is not None:
                # Closing merges the log into a file that is about to vanish: do not sync that.
                self._connection.execute("PRAGMA synchronous=OFF")
            self.path.unlink(missing_ok=True)
            self._disconnect()
            for suffix in ("-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def _connect(self) -> sqlite3.Connection:
        if self._removed:
            raise InboxPruned(f"records {self.first_seq} to {self.last_seq} were pruned")
        if self._connection is None:
            connection = sqlite3.connect(
                self.path, isolation_level=None, check_same_thread=False, cached_statements=256
            )
            try:
                connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
                connection.execute("PRAGMA journal_mode=WAL").fetchone()
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute("PRAGMA wal_autocheckpoint=0").fetchone()
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self._log_payload_bytes = 0
            self._runway_is_laid = False

    def _lay_runway(self) -> None:
        """Do it once for each log: the first commit makes one, closing deletes it."""
        if not self._runway_is_laid:
            runway.lay(self._log_path, self._runway_bytes)
            self._runway_is_laid = True

    def _received(self, connection: sqlite3.Connection, seq: int) -> int:
        row = connection.execute(rows.SELECT_RECEIVED, (seq,)).fetchone()
        if row is None:
            raise self._lacks(f"record {seq}")
        return int(row[0])

    def _lacks(self, what: str) -> InboxCorrupt:
        return InboxCorrupt(f"inbox file {self.path} lacks {what}: restore it from a backup")

    @contextmanager
    def _corruption_named(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, TypeError, ValueError) as error:
            raise InboxCorrupt(
                f"inbox file {self.path} cannot be read ({error}): restore it from a backup, or "
                "move it away to go on without its records"
            ) from error


def _insert(connection: sqlite3.Connection, envelopes: Sequence[Envelope]) -> None:
    values = [value for envelope in envelopes for value in rows.row_of(envelope)]
    connection.execute(rows.insert(len(envelopes)), values)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _size_bytes(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
