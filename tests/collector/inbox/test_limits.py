"""Refusal before anything is stored, room kept for what is urgent, and what frees room."""

from __future__ import annotations

import sqlite3
from concurrent.futures import Future
from pathlib import Path

import pytest
from tests.collector.inbox.support import (
    KIB,
    MIB,
    SettableClock,
    bodies,
    command,
    of_kind,
    put,
    read_all,
    running,
    telemetry,
)

from neurorail.collector.envelope import Kind, Stamp
from neurorail.collector.inbox import InboxClosed, InboxConfig, InboxFailed, InboxFull, SqliteInbox
from neurorail.collector.inbox.committer import Committer
from neurorail.collector.inbox.config import GIB
from neurorail.collector.inbox.disk import Disk
from neurorail.collector.inbox.errors import InboxError
from neurorail.collector.inbox.queue import AppendQueue, pending
from neurorail.collector.inbox.segment import Segment
from neurorail.collector.inbox.segments import Segments
from neurorail.collector.inbox.stamping import Stamper
from neurorail.collector.inbox.tail import Tail


def fill(inbox: SqliteInbox) -> None:
    for _ in range(100):
        put(inbox, telemetry(b"x" * 30 * KIB))


def limit_pages(segment: Segment, pages: int) -> None:
    """Let SQLite itself say that the disk is full."""
    segment._connect().execute(f"PRAGMA max_page_count={pages}").fetchone()


FULL_DISK = InboxConfig(min_free_bytes=1 << 62, reserve_bytes=1 * MIB)


def test_telemetry_is_refused_when_too_much_waits_and_commands_are_not() -> None:
    queue = AppendQueue(InboxConfig(queue_bytes=10 * KIB, reserve_bytes=4 * KIB))
    queue.open()
    queue.allow(GIB)
    queue.put(pending([telemetry(b"x" * 9 * KIB)], None))
    with pytest.raises(InboxFull, match=r"inbox\.queue_bytes"):
        queue.put(pending([telemetry(b"x" * KIB)], None))
    for kind in (Kind.COMMAND, Kind.TICK, Kind.SYSTEM):
        queue.put(pending([of_kind(kind, b"x" * KIB)], None))
    with pytest.raises(InboxFull):
        queue.put(pending([command(b"x" * KIB)], None))
    assert (queue.records, queue.refused) == (4, 2)


def test_what_was_taken_counts_until_it_is_settled() -> None:
    queue = AppendQueue(InboxConfig(queue_bytes=10 * KIB, reserve_bytes=1))
    queue.open()
    queue.allow(GIB)
    queue.put(pending([telemetry(b"x" * 9 * KIB)], None))
    group = queue.take(0)
    assert group is not None
    with pytest.raises(InboxFull):
        queue.put(pending([telemetry(b"x" * 9 * KIB)], None))
    queue.settle(group)
    queue.put(pending([telemetry(b"x" * 9 * KIB)], None))


def test_disk_limit_refuses_telemetry_keeps_commands_and_pruning_frees_it(tmp_path: Path) -> None:
    config = InboxConfig(
        rotate_bytes=64 * KIB, max_bytes=1 * MIB, reserve_bytes=512 * KIB, min_free_bytes=0
    )
    with running(tmp_path, config) as inbox:
        with pytest.raises(InboxFull, match=r"inbox\.max_bytes"):
            fill(inbox)
        stored = inbox.last_seq
        assert 0 < stored < 99
        put(inbox, command(b"kill"))
        assert inbox.stats().refused_records == 1
        assert inbox.stats().bytes <= config.max_bytes
        assert inbox.prune(inbox.last_seq) > 0
        put(inbox, telemetry(b"x" * 30 * KIB))
        assert inbox.last_seq == stored + 2


def test_little_free_disk_refuses_telemetry(tmp_path: Path) -> None:
    with running(tmp_path, FULL_DISK) as inbox, pytest.raises(InboxFull, match="free space"):
        put(inbox, telemetry())


@pytest.mark.parametrize("rows", [1, 200])
def test_a_file_without_room_takes_nothing_of_a_group_and_goes_on_later(
    tmp_path: Path, rows: int
) -> None:
    segment = Segment(tmp_path / "inbox-1.db", 1)
    segment.create(0)
    segment.close()
    envelopes = Stamper(SettableClock(), 1).stamp([telemetry(b"x" * 40 * KIB)] * rows)
    limit_pages(segment, 4)
    with pytest.raises(sqlite3.OperationalError) as caught:
        segment.append(envelopes)
    assert caught.value.sqlite_errorcode == sqlite3.SQLITE_FULL
    assert segment.is_empty
    limit_pages(segment, 1 << 20)
    segment.append(envelopes)
    assert segment.read(0, 1_000, GIB) == envelopes
    segment.close()


def test_a_full_disk_refuses_telemetry_but_keeps_the_commands_of_the_group(tmp_path: Path) -> None:
    config = InboxConfig()
    queue = AppendQueue(config)
    queue.open()
    queue.allow(GIB)
    segments = Segments(tmp_path, GIB, 1)
    segments.open()
    stamper = Stamper(SettableClock(), 1 << 60)
    segments.append(stamper.stamp([command(b"first")]))
    stamper.resume(1, segments.last_received_unix_nano, 0)
    limit_pages(segments._segments[-1], 6)
    tail = Tail(GIB)
    tail.start_after(1)
    disk = Disk(tmp_path, segments, config)
    committer = Committer(queue, segments, tail, stamper, disk, on_failure=lambda _: None)
    refused: Future[list[Stamp]] = Future()
    stored: Future[list[Stamp]] = Future()
    queue.put(pending([telemetry(b"x" * MIB)], refused))
    queue.put(pending([command(b"kill")], stored))
    committer.start(0)
    queue.close()
    committer.join()
    with pytest.raises(InboxFull, match="disk of the inbox is full"):
        refused.result(0)
    assert [stamp.seq for stamp in stored.result(0)] == [2]
    assert committer.failure is None
    assert bodies(segments.read(0, 9, GIB)) == [b"first", b"kill"]
    segments.close()


async def test_a_failing_disk_closes_the_inbox_and_says_so(tmp_path: Path) -> None:
    directory = tmp_path / "inbox"
    failures: list[InboxError] = []
    inbox = SqliteInbox(directory, InboxConfig(rotate_bytes=1), SettableClock(), failures.append)
    inbox.start()
    await inbox.append([telemetry(b"kept")])
    for path in directory.iterdir():
        path.unlink()
    directory.rmdir()
    with pytest.raises((InboxFailed, InboxClosed)):
        await inbox.append([telemetry()])
    with pytest.raises(InboxClosed):
        await inbox.append([telemetry()])
    await inbox.stop()
    assert failures == [inbox.failure]
    assert isinstance(inbox.failure, InboxFailed)
    assert bodies(read_all(inbox)) == [b"kept"]


@pytest.mark.parametrize(
    ("name", "value"), [("rotate_bytes", 0), ("tail_bytes", -1), ("reserve_bytes", 10 * GIB)]
)
def test_a_senseless_limit_is_named(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"inbox.{name} "):
        InboxConfig(**{name: value})


def test_tiny_commits_do_not_fill_the_disk_with_their_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neurorail.collector.inbox.segment.MERGE_LOG_BYTES", 1 * MIB)
    segments = Segments(tmp_path, GIB, 1)
    segments.open()
    stamper = Stamper(SettableClock(), 1 << 60)
    most_bytes = 0
    for _ in range(200):
        envelopes = stamper.stamp([command()])
        segments.append(envelopes)
        stamper.committed(envelopes[-1])
        most_bytes = max(most_bytes, segments.disk_bytes())
    # Each commit writes at least one page of 16 KiB: 3 MiB in all, without the merges.
    assert 1 * MIB <= most_bytes < 2 * MIB
    assert len(segments.read(0, 10_000, GIB)) == 200
    segments.close()
