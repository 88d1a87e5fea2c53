"""The engine in a process of its own: order, the outbox, questions, ticks, restarts, failures."""

from __future__ import annotations

import asyncio
import os
import signal
from itertools import pairwise
from pathlib import Path

import pytest
from tests.collector.engine.remote_support import (
    Remote,
    divide,
    epoch,
    lock,
    missions,
    moved,
    poison,
    remote,
)
from tests.collector.engine.support import NODE
from tests.collector.engine.test_encoding import verify

from neurorail.collector.engine import remote as remote_module
from neurorail.collector.engine.applier import Busy
from neurorail.collector.envelope import Kind


def told(rail: Remote) -> list[tuple[str, tuple[int, ...]]]:
    """Types and places of what was published."""
    return [(event.event_type, event.position[1:]) for event in rail.published]


def test_records_are_applied_in_order_and_published_once(tmp_path: Path) -> None:
    with remote(tmp_path) as rail:
        rail.append(epoch())
        rail.put(*[moved(number) for number in range(20)])
        rail.put(moved(20))
        rail.wait_published(22)
        positions = [event.position for event in rail.published]
        assert positions == sorted(set(positions))
        assert len(positions) == 22
        assert [line.position for line in rail.lines()] == positions
        assert {line.node for line in rail.lines()} == {NODE}
        assert rail.engine.depth() == len(rail.engine.read(0, 1 << 30))
        assert rail.engine.stats["entities"] >= 0
        assert rail.engine.stats["memory_rss"] > 1_000_000
        assert rail.engine.stats["cpu_seconds"] > 0


def test_what_each_record_said_is_kept_for_the_archive(tmp_path: Path) -> None:
    with remote(tmp_path) as rail:
        rail.put(epoch(), moved(1))
        (envelope,) = rail.inbox.read(1, 1, 1 << 20)
        kept = rail.engine._records._encoded[2]
        assert b"m_1" in kept
        assert rail.engine._records.take(envelope) == kept


def test_the_outbox_is_read_from_memory_and_then_over_the_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with remote(tmp_path) as rail:
        for submission in (epoch(), moved(1), moved(2), moved(3)):
            rail.put(submission)
        assert rail.engine.wait_for(3, 60)
        from_memory = rail.engine.read(0, 1 << 20)
        assert [batch.ordinal for batch in from_memory] == [1, 2, 3, 4]
        assert [batch.ordinal for batch in rail.engine.read(1, 1)] == [2]
        monkeypatch.setattr(remote_module, "RECENT_BYTES_MAX", 1)
        rail.put(moved(4))
        assert len(rail.engine._recent) == 1
        over_the_pipe = rail.engine.read(0, 1 << 20)
        assert over_the_pipe[:4] == from_memory
        assert [batch.ordinal for batch in over_the_pipe] == [1, 2, 3, 4, 5]
        assert [batch.ordinal for batch in rail.engine.read(2, 1)] == [3]
        assert rail.engine.read(5, 1 << 20) == []
        assert not rail.engine.wait_for(5, 0)


def test_what_is_pruned_is_gone_here_and_there(tmp_path: Path) -> None:
    with remote(tmp_path) as rail:
        for submission in (epoch(), moved(1), moved(2)):
            rail.put(submission)
        before = rail.engine.read(0, 1 << 20)
        rail.engine.prune(2)
        rail.engine.prune(1)
        assert rail.engine.read(0, 1 << 20) == before[2:]
        assert rail.engine.depth() == 1
        rail.put(moved(3))  # The file follows with the next commit.
    with remote(tmp_path) as rail:
        assert [batch.ordinal for batch in rail.engine.read(0, 1 << 20)] == [3, 4]
        assert rail.engine.depth() == 2


async def test_questions_are_answered(tmp_path: Path) -> None:
    with remote(tmp_path) as rail:
        seq = rail.append(epoch(), moved(1))
        await rail.engine.applied(seq)
        assert await rail.engine.ask(missions) == 1
        with pytest.raises(RuntimeError, match="ZeroDivisionError") as raised:
            await rail.engine.ask(divide)
        assert not isinstance(raised.value, Busy)
        with pytest.raises(RuntimeError, match="lock"):
            await rail.engine.ask(lock)
        with pytest.raises(Exception, match="pickle"):
            await rail.engine.ask(lambda engine: 1)
        assert await rail.engine.ask(missions) == 1
        last = rail.lines()[-1].hash
        assert await rail.engine.archived_head() == bytes(32).hex()
        rail.engine.prune(rail.engine.depth())
        assert await rail.engine.archived_head() == last


async def test_who_waits_for_a_record_gets_its_events(tmp_path: Path) -> None:
    with remote(tmp_path) as rail:
        rail.put(epoch())
        waiting = [asyncio.create_task(rail.engine.applied(seq)) for seq in (2, 3, 3)]
        await asyncio.sleep(0)
        waiting.pop().cancel()
        rail.append(moved(1), moved(2))
        first, second = await asyncio.gather(*waiting)
        assert [event.position[1:] for event in first] == [(2, 0)]
        assert [event.position[1:] for event in second] == [(3, 0)]
        assert await rail.engine.applied(1) == []


async def test_questions_beyond_the_limit_and_after_the_end_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_module, "QUESTIONS_MAX", 2)
    with remote(tmp_path) as rail:
        pid = rail.engine.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        waiting = [asyncio.create_task(rail.engine.ask(missions)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="2 questions wait for the engine"):
            await rail.engine.ask(missions)
        given_up = waiting.pop()
        given_up.cancel()
        os.kill(pid, signal.SIGCONT)
        assert await asyncio.gather(*waiting) == [0]
        await asyncio.to_thread(rail.engine.stop)
        with pytest.raises(Busy, match="not running"):
            await rail.engine.ask(missions)
        with pytest.raises(Busy, match="not running"):
            await rail.engine.applied(99)


def test_ticks_are_appended_through_the_server(tmp_path: Path) -> None:
    with remote(tmp_path) as rail:
        budget = {"neurorail__budget__timeout_ms": 1}
        rail.put(epoch(), moved(1, "create", "enqueue", "start", **budget))
        rail.wait(lambda: any(e.event_type == "timeout_enforced" for e in rail.published))
        kinds = [envelope.kind for envelope in rail.inbox.read(2, 10, 1 << 20)]
        assert kinds
        assert set(kinds) == {Kind.TICK}


async def test_ticks_end_with_the_answer(tmp_path: Path) -> None:
    with remote(tmp_path) as rail:
        await rail.inbox.append([epoch()])
        for number in range(50):
            budget = {"neurorail__budget__timeout_ms": 1}
            await rail.inbox.append([moved(number, "create", "enqueue", "start", **budget)])
        await rail.engine.end_ticks()
        # What the engine appended before its answer stands before what is appended after it.
        (last,) = await rail.inbox.append([moved(99)])
        await rail.engine.applied(last.seq)
        assert await rail.engine.ask(missions) == 51
        assert rail.inbox.last_seq == last.seq


def test_a_restart_goes_on_and_repeats_nothing(tmp_path: Path) -> None:
    with remote(tmp_path) as rail:
        rail.put(epoch(), moved(1))
        rail.wait_published(2)
        first = [event.event_id for event in rail.published]
    with remote(tmp_path) as rail:
        assert rail.engine.seq == rail.engine.flushed_seq == 2
        rail.put(moved(1, "enqueue"))
        rail.wait_published(1)
        (event,) = rail.published
        assert b'"from_state":"pending"' in event.data
        assert [line.event_id for line in rail.lines()] == [*first, event.event_id]
        verify([line for b in rail.engine.read(0, 1 << 30) for line in b.lines.splitlines()])


def test_after_a_poison_everything_else_is_applied_once(tmp_path: Path) -> None:
    with remote(tmp_path) as rail:
        rail.put(epoch())
        expected = [("engine_epoch", (1, 0))]
        reads = rail.watched.reads
        # A poison sends the engine back to its last flush. If it has put what follows from there
        # out of its hands already, it wants to be fed again; that is nearly always the first time.
        while not any(later < earlier for earlier, later in pairwise(reads)):
            assert len(expected) < 100, "the engine never wanted to be fed again"
            good, bad = rail.put(moved(len(expected))), rail.put(poison())
            expected += [("state_changed", (good, 0)), ("record_failed", (bad, 0))]
        last = rail.put(moved(0))
        expected.append(("state_changed", (last, 0)))
        rail.wait_published(len(expected))
        assert told(rail) == expected
        assert [line.position for line in rail.lines()] == [e.position for e in rail.published]


def test_what_the_engine_has_not_applied_is_bounded(tmp_path: Path) -> None:
    with remote(tmp_path, unapplied_bytes_max=1) as rail:
        open_bytes: list[int] = []
        rail.watched.on_read = lambda: open_bytes.append(rail.engine.unapplied_bytes)
        rail.append(epoch())
        for number in range(50):
            rail.append(moved(number))
        rail.wait(lambda: rail.engine.seq == 51)
        # With room for one byte, nothing is read while anything is open.
        assert set(open_bytes) == {0}
        rail.wait(lambda: rail.engine.unapplied_bytes == 0)
