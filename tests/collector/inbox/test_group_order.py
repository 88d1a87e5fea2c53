"""The order within a group, and what a group takes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.collector.inbox.support import SettableClock, bodies, of_kind, telemetry

from neurorail.collector.envelope import Kind, Submission
from neurorail.collector.inbox import InboxClosed, InboxConfig
from neurorail.collector.inbox import queue as queue_module
from neurorail.collector.inbox.committer import Committer
from neurorail.collector.inbox.disk import Disk
from neurorail.collector.inbox.queue import AppendQueue, Pending, pending
from neurorail.collector.inbox.segments import Segments
from neurorail.collector.inbox.stamping import Stamper
from neurorail.collector.inbox.tail import Tail


def opened(config: InboxConfig | None = None) -> AppendQueue:
    queue = AppendQueue(config or InboxConfig())
    queue.open()
    queue.allow(1 << 30)
    return queue


def taken(queue: AppendQueue) -> list[bytes]:
    group = queue.take(0)
    assert group is not None
    return [submission.body for entry in group for submission in entry.submissions]


def entry(*submissions: Submission) -> Pending:
    return pending(submissions, None)


def test_commands_lead_their_group_then_ticks_and_system_records(tmp_path: Path) -> None:
    queue = opened()
    segments = Segments(tmp_path, 1 << 20, 1)
    segments.open()
    tail = Tail(1 << 20)
    stamper = Stamper(SettableClock(), 1 << 60)
    stamper.resume(0, 0, 0)
    committer = Committer(
        queue,
        segments,
        tail,
        stamper,
        Disk(tmp_path, segments, InboxConfig()),
        on_failure=lambda failure: pytest.fail(str(failure)),
    )
    queue.put(entry(telemetry(b"t1"), of_kind(Kind.COMMAND, b"c1")))
    queue.put(entry(telemetry(b"t2")))
    queue.put(entry(of_kind(Kind.SYSTEM, b"s1")))
    queue.put(entry(of_kind(Kind.TICK, b"k1")))
    queue.put(entry(of_kind(Kind.COMMAND, b"c2"), of_kind(Kind.COMMAND, b"c3")))
    committer.start(0)
    queue.close()
    committer.join()
    segments.close()
    stored = tail.read(0, 100, 1 << 20)
    assert stored is not None
    assert bodies(stored) == [b"c1", b"c2", b"c3", b"s1", b"k1", b"t1", b"t2"]


def test_a_group_ends_at_its_limits_and_keeps_appends_whole() -> None:
    by_records = opened(InboxConfig(group_records=3))
    for name in (b"a", b"b", b"c"):
        by_records.put(entry(telemetry(name), telemetry(name)))
    assert taken(by_records) == [b"a", b"a"]
    assert taken(by_records) == [b"b", b"b"]
    by_bytes = opened(InboxConfig(group_bytes=2_000))
    for size in (5_000, 700, 700, 700):
        by_bytes.put(entry(telemetry(b"x" * size)))
    assert [len(taken(by_bytes)) for _ in range(3)] == [1, 2, 1]


def test_a_closed_queue_hands_out_what_waits_then_none() -> None:
    queue = opened()
    queue.put(entry(telemetry(b"last")))
    queue.close()
    assert taken(queue) == [b"last"]
    assert queue.take(0) is None
    with pytest.raises(InboxClosed):
        queue.put(entry(telemetry()))


def test_held_telemetry_lets_everything_else_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "HELD_MOST_S", 3_600.0)
    queue = opened()
    busy = [True]
    queue.hold = lambda: busy[0]
    queue.put(entry(telemetry(b"t1")))
    assert taken(queue) == []
    assert queue.held
    queue.put(entry(of_kind(Kind.TICK, b"k1")))
    queue.put(entry(of_kind(Kind.COMMAND, b"c1")))
    assert taken(queue) == [b"c1", b"k1"]
    assert queue.records == 1
    busy[0] = False
    assert taken(queue) == [b"t1"]


def test_held_telemetry_does_not_starve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "HELD_MOST_S", 3_600.0)
    queue = opened()
    queue.hold = lambda: True
    for body in (b"t1", b"t2", b"t3"):
        queue.put(entry(telemetry(body)))
    queue.put(entry(of_kind(Kind.COMMAND, b"c1")))
    assert taken(queue) == [b"c1"]
    monkeypatch.setattr(queue_module, "HELD_MOST_S", 0.0)
    queue.put(entry(of_kind(Kind.COMMAND, b"c2")))
    assert taken(queue) == [b"c2", b"t1"]
    assert taken(queue) == [b"t2"]
    monkeypatch.setattr(queue_module, "HELD_MOST_S", 3_600.0)
    assert taken(queue) == []
    assert queue.records == 1


def test_a_queue_that_closes_holds_nothing() -> None:
    queue = opened()
    queue.hold = lambda: True
    queue.put(entry(telemetry(b"t1")))
    queue.close()
    assert taken(queue) == [b"t1"]
    assert queue.take(0) is None


@pytest.mark.parametrize(
    "ends",
    [
        lambda queue: queue.put(entry(of_kind(Kind.COMMAND, b"c"))),
        lambda queue: queue.put(entry(telemetry(b"x" * 1_000))),
        lambda queue: queue.close(),
    ],
    ids=["command", "bytes", "closed"],
)
def test_telemetry_gathers_until_it_is_enough_or_somebody_waits(
    ends: Callable[[AppendQueue], None],
) -> None:
    queue = opened()
    gathering = threading.Thread(target=queue.gather, args=(60.0, 1_000))
    queue.put(entry(telemetry(b"t1")))
    gathering.start()
    queue.put(entry(telemetry(b"t2")))
    assert gathering.is_alive()
    ends(queue)
    gathering.join(60)
    assert not gathering.is_alive()
    assert {b"t1", b"t2"} <= set(taken(queue))


def test_telemetry_gathers_no_longer_than_it_may() -> None:
    queue = opened()
    queue.put(entry(telemetry(b"t")))
    queue.gather(0.001, 1_000)
    queue.put(entry(telemetry(b"u")))
    assert taken(queue) == [b"t", b"u"]
