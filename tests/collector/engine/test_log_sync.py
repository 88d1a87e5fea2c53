"""The log of a database is synced from beside, when it was written to."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.collector.export.support import until as wait_until

from neurorail.collector.engine import log_sync
from neurorail.collector.engine.log_sync import LogSync


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were synced, in order."""
    names: list[str] = []
    really = os.fsync

    def sync(descriptor: int) -> None:
        really(descriptor)
        names.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)

    monkeypatch.setattr(log_sync, "_sync_data", sync)
    return names


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "data.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    yield connection
    connection.close()


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[LogSync]:
    sync = LogSync(tmp_path / "data.db")
    sync.start()
    yield sync
    sync.stop()


def test_what_was_committed_is_synced(
    database: sqlite3.Connection, beside: LogSync, synced: list[str]
) -> None:
    database.execute("CREATE TABLE data (number INTEGER)")
    wait_until(lambda: synced == ["data.db-wal"])
    database.execute("INSERT INTO data VALUES (1)")
    wait_until(lambda: synced == ["data.db-wal"] * 2)


def test_there_may_be_no_log(tmp_path: Path, beside: LogSync, synced: list[str]) -> None:
    other = sqlite3.connect(tmp_path / "data.db", isolation_level=None)
    other.execute("PRAGMA journal_mode=WAL")
    other.execute("CREATE TABLE data (number INTEGER)")
    wait_until(lambda: bool(synced))
    other.close()  # Merges the log and deletes it.
    assert not (tmp_path / "data.db-wal").exists()
    again = sqlite3.connect(tmp_path / "data.db", isolation_level=None)
    seen = len(synced)
    again.execute("INSERT INTO data VALUES (1)")
    wait_until(lambda: len(synced) > seen)
    again.close()


def test_a_disk_that_fails_is_told_and_tried_again(
    database: sqlite3.Connection,
    beside: LogSync,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fails = [OSError(5, "input/output error")]
    done: list[int] = []

    def sync(descriptor: int) -> None:
        if fails:
            raise fails.pop()
        done.append(descriptor)

    monkeypatch.setattr(log_sync, "_sync_data", sync)
    database.execute("CREATE TABLE data (number INTEGER)")
    wait_until(lambda: bool(done))
    assert "cannot sync" in caplog.text


def test_ending_twice_or_before_the_start_is_harmless(tmp_path: Path) -> None:
    sync = LogSync(tmp_path / "data.db")
    sync.stop()
    started = LogSync(tmp_path / "data.db")
    started.start()
    started.stop()
    started.stop()
