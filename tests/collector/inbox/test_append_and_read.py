"""Appending, stamping, reading, waiting, stopping."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from tests.collector.inbox.support import (
    BEGIN_UNIX_NANO,
    KIB,
    SMALL_FILES,
    SettableClock,
    bodies,
    command,
    put,
    read_all,
    running,
    telemetry,
)

from neurorail.collector.envelope import Kind, Signal, Stamp
from neurorail.collector.inbox import Inbox, InboxClosed, InboxConfig, SqliteInbox


async def test_append_stamps_in_order_and_read_returns_what_was_handed_in(tmp_path: Path) -> None:
    clock = SettableClock()
    inbox = SqliteInbox(tmp_path, clock=clock)
    inbox.start()
    as_protocol: Inbox = inbox
    first = await as_protocol.append([telemetry(b"one"), telemetry(b"two")])
    clock.advance(1)
    second = await as_protocol.append([command(b"three")])
    await inbox.stop()

    assert first == [Stamp(1, BEGIN_UNIX_NANO), Stamp(2, BEGIN_UNIX_NANO + 1)]
    assert second == [Stamp(3, BEGIN_UNIX_NANO + 1_000_000_000)]
    one, two, three = inbox.read(0, 10, KIB)
    assert (one.kind, one.signal, one.tenant, one.items) == (
        Kind.TELEMETRY,
        Signal.TRACES,
        "acme",
        3,
    )
    assert (three.principal, three.encoding, three.schema_version) == ("ann", "json", 1)
    assert bodies([one, two, three]) == [b"one", b"two", b"three"]


def test_receive_time_grows_even_when_the_clock_goes_back(tmp_path: Path) -> None:
    clock = SettableClock()
    with running(tmp_path, clock=clock) as inbox:
        put(inbox, telemetry())
        clock.advance(-3600)
        assert put(inbox, telemetry()) == [Stamp(2, BEGIN_UNIX_NANO + 1)]


def test_read_obeys_limits_but_always_advances(tmp_path: Path) -> None:
    with running(tmp_path) as inbox:
        put(inbox, *(telemetry(b"x" * 100) for _ in range(5)))
        assert [e.seq for e in inbox.read(1, 2, KIB)] == [2, 3]
        assert [e.seq for e in inbox.read(0, 10, 250)] == [1, 2]
        assert [e.seq for e in inbox.read(2, 10, 1)] == [3]
        assert inbox.read(5, 10, KIB) == []
        assert inbox.read(50, 10, KIB) == []


@pytest.mark.parametrize("tail_bytes", [1, 600, 64 << 20])
def test_records_beyond_the_tail_are_read_from_disk_the_same(
    tmp_path: Path, tail_bytes: int
) -> None:
    config = InboxConfig(rotate_bytes=1, open_files=1, tail_bytes=tail_bytes)
    with running(tmp_path, config) as inbox:
        expected = [b"%d" % number for number in range(20)]
        for body in expected:
            put(inbox, telemetry(body))
        inbox.prune(0)
        assert bodies(read_all(inbox)) == expected
        assert inbox.stats().tail_bytes <= max(tail_bytes, 1)


def test_what_came_before_a_seal_can_be_pruned(tmp_path: Path) -> None:
    with running(tmp_path, InboxConfig()) as inbox:
        inbox.seal()
        put(inbox, telemetry(b"a secret of somebody"))
        inbox.seal()
        put(inbox, telemetry(b"harmless"))
        assert inbox.prune(1) == 1
        assert inbox.first_seq == 2
        assert not any(b"a secret" in file.read_bytes() for file in tmp_path.rglob("inbox-*"))
        assert [each.body for each in inbox.read(1, 10, 1 << 20)] == [b"harmless"]


def test_a_large_append_is_one_transaction_and_keeps_its_order(tmp_path: Path) -> None:
    with running(tmp_path, InboxConfig(tail_bytes=1)) as inbox:
        stamps = put(inbox, *(telemetry(b"%d" % number) for number in range(200)))
        assert [stamp.seq for stamp in stamps] == list(range(1, 201))
        assert bodies(read_all(inbox)) == [b"%d" % number for number in range(200)]
        assert inbox.stats().groups == 1


async def test_concurrent_appends_share_groups_and_none_is_lost(tmp_path: Path) -> None:
    inbox = SqliteInbox(tmp_path, SMALL_FILES)
    inbox.start()
    answers = await asyncio.gather(
        *(inbox.append([telemetry(b"%d.%d" % (n, k)) for k in range(n % 3)]) for n in range(300))
    )
    await inbox.stop()
    stored = {envelope.seq: envelope.body for envelope in read_all(inbox)}
    for number, stamps in enumerate(answers):
        expected = [b"%d.%d" % (number, place) for place in range(number % 3)]
        assert [stored[stamp.seq] for stamp in stamps] == expected
    assert len(stored) == 300
    assert inbox.stats().groups < 200


async def test_a_caller_that_goes_away_leaves_its_record_and_harms_nobody(tmp_path: Path) -> None:
    inbox = SqliteInbox(tmp_path)
    inbox.start()
    gone = asyncio.ensure_future(inbox.append([telemetry(b"gone")]))
    stays = asyncio.ensure_future(inbox.append([telemetry(b"stays")]))
    await asyncio.sleep(0)
    gone.cancel()
    assert len(await stays) == 1
    with pytest.raises(asyncio.CancelledError):
        await gone
    await inbox.stop()
    assert bodies(read_all(inbox)) == [b"gone", b"stays"]


async def test_stop_commits_what_waits_and_refuses_what_comes(tmp_path: Path) -> None:
    inbox = SqliteInbox(tmp_path)
    inbox.start()
    waiting = [asyncio.ensure_future(inbox.append([telemetry()])) for _ in range(50)]
    await asyncio.sleep(0)
    await inbox.stop()
    assert sorted(stamps[0].seq for stamps in await asyncio.gather(*waiting)) == list(range(1, 51))
    with pytest.raises(InboxClosed):
        await inbox.append([telemetry()])
    with pytest.raises(InboxClosed):
        inbox.append_threadsafe([telemetry()])
    await inbox.stop()


async def test_an_inbox_that_never_started_refuses_and_stops(tmp_path: Path) -> None:
    inbox = SqliteInbox(tmp_path / "none")
    with pytest.raises(InboxClosed):
        await inbox.append([telemetry()])
    await inbox.stop()
    assert (inbox.first_seq, inbox.last_seq, inbox.read(0, 1, 1)) == (1, 0, [])


async def test_starting_twice_is_starting_once(tmp_path: Path) -> None:
    inbox = SqliteInbox(tmp_path)
    inbox.start()
    await inbox.append([telemetry()])
    inbox.start()
    assert (await inbox.append([telemetry()]))[0].seq == 2
    await inbox.stop()


async def test_an_empty_append_stores_nothing(tmp_path: Path) -> None:
    inbox = SqliteInbox(tmp_path)
    inbox.start()
    assert await inbox.append([]) == []
    assert inbox.append_threadsafe([]).result() == []
    await inbox.stop()
    assert inbox.last_seq == 0


def test_wait_for_returns_on_a_record_on_wake_and_on_timeout(tmp_path: Path) -> None:
    with running(tmp_path) as inbox:
        assert inbox.wait_for(0, 0.001) is False
        answers: list[bool] = []
        waits = threading.Thread(target=lambda: answers.append(inbox.wait_for(0, 30)))
        waits.start()
        put(inbox, telemetry())
        waits.join(30)
        assert answers == [True]
        assert inbox.wait_for(0, 0) is True

        woken = threading.Thread(target=lambda: answers.append(inbox.wait_for(1, 30)))
        woken.start()
        while woken.is_alive():
            inbox.wake()
            woken.join(0.01)
        assert answers == [True, False]


async def test_a_loop_that_was_closed_meanwhile_does_not_stop_the_inbox(tmp_path: Path) -> None:
    inbox = SqliteInbox(tmp_path)
    inbox.start()

    def leave() -> None:
        loop = asyncio.new_event_loop()
        task = loop.create_task(inbox.append([telemetry(b"left")]))
        loop.call_soon(loop.stop)
        loop.run_forever()
        task.cancel()
        loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
        loop.close()

    await asyncio.to_thread(leave)
    await inbox.append([telemetry(b"after")])
    await inbox.stop()
    assert b"after" in bodies(read_all(inbox))


def test_stats_tell_what_is_kept(tmp_path: Path) -> None:
    with running(tmp_path, SMALL_FILES) as inbox:
        empty = inbox.stats()
        assert (empty.records, empty.files, empty.bytes, empty.oldest_received_unix_nano) == (
            (0, 0, 0, 0)
        )
        for _ in range(4):
            put(inbox, telemetry(b"x" * 1_000))
        assert inbox.prune(2) == 2
        stats = inbox.stats()
        assert (stats.first_seq, stats.last_seq, stats.records, stats.files) == (3, 4, 2, 2)
        assert (stats.appended_records, stats.groups, stats.refused_records) == (4, 4, 0)
        assert (stats.queue_records, stats.queue_bytes) == (0, 0)
        assert stats.oldest_received_unix_nano == BEGIN_UNIX_NANO + 2
        assert stats.bytes >= 2_000
