"""The applier over a real inbox: order, durability, restarts, failures, questions, ticks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest
from tests.collector.engine.replaying import Replay
from tests.collector.engine.support import (
    NODE,
    PATIENCE_S,
    decode,
    epoch,
    lines_of,
    record,
    running,
)
from tests.collector.engine.test_encoding import verify
from tests.collector.inbox.support import SettableClock
from tests.rules.scenario import BASE

from neurorail.collector.engine import applier as applier_module
from neurorail.collector.engine.applier import Busy
from neurorail.collector.engine.journal import Journal
from neurorail.collector.envelope import Envelope, Kind, Stamp, Submission
from neurorail.collector.inbox.errors import InboxFull
from neurorail.rules.config import EngineConfig
from neurorail.rules.observations import Observation, PricesLoaded

POISON = PricesLoaded("v", "ab", b"no json")
CONFIG = EngineConfig()


def created(number: int) -> dict[str, object]:
    return {"log": "create", "ids": [f"m_{number}"], "time": number}


def test_events_are_published_in_order_after_they_are_durable(tmp_path: Path) -> None:
    with running(tmp_path) as rail:
        rail.put(epoch())
        rail.put(*[record(created(number), created(number + 50)) for number in range(20)])
        positions = [event.position for event in rail.published]
        assert positions == sorted(set(positions))
        assert len(positions) == 41
        assert [line.position for line in rail.lines()] == positions
        assert {line.node for line in rail.lines()} == {NODE}
        raw = b"".join(batch.lines for batch in rail.journal.unarchived())
        assert verify(raw.splitlines()) == rail.journal.progress.audit


def test_restart_goes_on_and_repeats_nothing(tmp_path: Path) -> None:
    config = EngineConfig(entities_in_memory=1)
    with running(tmp_path, config) as rail:
        rail.put(epoch(), record(created(1)))
        first = [event.event_id for event in rail.published]
    with running(tmp_path, config) as rail:
        assert rail.applier.seq == 2
        rail.put(record(created(1), {"log": "enqueue", "ids": ["m_1"], "time": 2}))
        (event,) = rail.published
        assert b'"from_state":"pending"' in event.data
        assert [line.event_id for line in rail.lines()] == [*first, event.event_id]
        raw = b"".join(batch.lines for batch in rail.journal.unarchived())
        assert verify(raw.splitlines()) == rail.journal.progress.audit


def test_records_applied_after_the_last_flush_are_applied_again_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applier_module, "FLUSH_INTERVAL_S", 3_600.0)
    with running(tmp_path) as rail:
        rail.put(epoch(), record(created(1)), record(POISON, created(2)))
        before = [line.event_id for line in rail.lines()]
        # As if the process had died now: the state is not flushed, the events are written.
        assert rail.journal.progress.flushed_seq == 0
        digest = rail.journal.progress.digest
        saved = {path.name: path.read_bytes() for path in tmp_path.glob("state.db*")}
    for path in tmp_path.glob("state.db*"):
        path.unlink()
    for name, content in saved.items():
        (tmp_path / name).write_bytes(content)
    with running(tmp_path) as rail:
        rail.wait(lambda: rail.applier.seq == 3)
        rail.wait_for(3)
        assert rail.published == []
        assert [line.event_id for line in rail.lines()] == before
        assert rail.journal.progress.digest == digest
        rail.put(record({"log": "enqueue", "ids": ["m_2"], "time": 3}))
        (event,) = rail.published
        assert b'"from_state":"pending"' in event.data


def test_the_state_is_flushed_in_small_steps_while_somebody_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applier_module, "FLUSH_INTERVAL_S", 3_600.0)
    monkeypatch.setattr(applier_module, "FLUSH_DIRTY_ASKED", 3)
    with running(tmp_path) as rail:
        rail.put(epoch(), record(created(1), created(2)))
        assert rail.journal.progress.flushed_seq == 0
        seq = rail.put(record(created(3)))
        rail.wait(lambda: rail.journal.progress.flushed_seq == seq)


def test_an_observation_that_fails_is_told_once_and_the_rest_is_applied(tmp_path: Path) -> None:
    with running(tmp_path) as rail:
        rail.put(epoch(), record(created(1)))
        rail.put(record(created(2), POISON, created(3)), record(created(4)))
        rail.put(record(POISON))
        told = [(event.event_type, event.position[1:]) for event in rail.published]
        assert told == [
            ("engine_epoch", (1, 0)),
            ("state_changed", (2, 0)),
            ("state_changed", (3, 0)),
            ("record_failed", (3, 1)),
            ("state_changed", (3, 2)),
            ("state_changed", (4, 0)),
            ("record_failed", (5, 0)),
        ]
        failed = rail.published[3].data
        assert b'"observation":"PricesLoaded"' in failed
        assert b'"observation_index":1' in failed
        live = rail.journal.progress
        replayed = Replay(decode, CONFIG).run(rail.inbox)
        assert replayed.digest == live.digest.hex()
        assert replayed.audit_hash == live.audit.hex()


def test_failures_still_ahead_are_not_forgotten_by_a_flush(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every record is a group of its own, and every group is flushed.
    monkeypatch.setattr(applier_module, "SLICE_S", 0.0)
    monkeypatch.setattr(applier_module, "FLUSH_INTERVAL_S", 0.0)
    with running(tmp_path, start=False) as rail:
        for submission in (epoch(), record(created(1)), record(POISON), record(created(2))):
            rail.inbox.append_threadsafe([submission]).result(PATIENCE_S)
        rail.applier.start()
        rail.wait_for(4)
        types = [event.event_type for event in rail.published]
        assert types == ["engine_epoch", "state_changed", "record_failed", "state_changed"]
        assert rail.journal.progress.failed == []


def test_an_error_that_is_nobodys_observation_stops_the_engine(tmp_path: Path) -> None:
    def exhausted(envelope: Envelope) -> Sequence[Observation]:
        raise MemoryError

    with running(tmp_path, decoding=exhausted) as rail:
        rail.inbox.append_threadsafe([epoch()]).result(PATIENCE_S)
        rail.applier._ended.wait(PATIENCE_S)
        assert isinstance(rail.applier.failure, MemoryError)
        with pytest.raises(Busy, match="not running"):
            asyncio.run(rail.applier.ask(lambda engine: 1))
        with pytest.raises(Busy, match="not running"):
            asyncio.run(rail.applier.applied(99))
        assert lines_of(rail.journal) == []


async def test_questions_are_answered_between_slices(tmp_path: Path) -> None:
    with running(tmp_path) as rail:
        rail.put(epoch(), record(created(1)))
        assert await rail.applier.ask(lambda engine: len(engine.state.entities)) == 1
        with pytest.raises(ZeroDivisionError):
            await rail.applier.ask(lambda engine: 1 // 0)
        assert await rail.applier.ask(lambda engine: engine.state.epoch) == 1


async def test_too_many_questions_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applier_module, "QUERIES_MAX", 2)
    with running(tmp_path, start=False) as rail:
        waiting = [asyncio.create_task(rail.applier.ask(lambda engine: 7)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="2 questions wait for the engine"):
            await rail.applier.ask(lambda engine: 7)
        given_up = waiting.pop()
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        rail.applier.start()
        assert await asyncio.gather(*waiting) == [7]


async def test_questions_that_wait_at_the_end_are_refused(tmp_path: Path) -> None:
    with running(tmp_path) as rail:
        rail.put(epoch())
        began, go_on = threading.Event(), threading.Event()

        def busy(engine: object) -> int:
            began.set()
            go_on.wait(PATIENCE_S)
            return 1

        first = asyncio.create_task(rail.applier.ask(busy))
        await asyncio.to_thread(began.wait, PATIENCE_S)
        later = asyncio.create_task(rail.applier.applied(99))
        await asyncio.sleep(0)
        stopping = threading.Thread(target=rail.applier.stop)
        stopping.start()
        go_on.set()
        assert await first == 1
        with pytest.raises(Busy):
            await later
        await asyncio.to_thread(stopping.join)


async def test_who_waits_for_a_record_gets_its_events(tmp_path: Path) -> None:
    with running(tmp_path, start=False) as rail:
        waiting = asyncio.create_task(rail.applier.applied(2))
        given_up = asyncio.create_task(rail.applier.applied(2))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        rail.applier.start()
        stamps = await rail.inbox.append([epoch(), record(created(1), created(2))])
        assert stamps[-1].seq == 2
        events = await waiting
        assert [event.position[1:] for event in events] == [(2, 0), (2, 1)]
        assert await rail.applier.applied(1) == []


def test_ticks_are_appended_when_something_is_due(tmp_path: Path) -> None:
    clock = SettableClock(BASE)
    with running(tmp_path, clock=clock) as rail:
        budget = {"timeout_ms": 5_000}
        rail.put(epoch(), record(*[
            {"log": name, "ids": ["m_1"], "time": 0, "budget": budget}
            for name in ("create", "enqueue", "start")
        ]))  # fmt: skip
        assert rail.inbox.last_seq == 2
        clock.advance(5)
        rail.wait(lambda: any(e.event_type == "timeout_enforced" for e in rail.published))
        ticks = [one for one in rail.inbox.read(2, 10, 1 << 20) if one.kind == Kind.TICK]
        assert [one.seq for one in ticks] == [3]
        assert rail.applier.flushed_seq <= 3
        clock.advance(10)
        rail.wait(lambda: any(b'"to_state":"timeout"' in e.data for e in rail.published))
        rail.applier.stop()
        live = rail.journal.progress
        assert Replay(decode, CONFIG).run(rail.inbox).digest == live.digest.hex()


async def test_no_tick_is_appended_after_the_last(tmp_path: Path) -> None:
    clock = SettableClock(BASE)
    with running(tmp_path, clock=clock) as rail:
        budget = {"timeout_ms": 5_000}
        steps = ("create", "enqueue", "start")
        stamps = await rail.inbox.append([epoch(), record(*[
            {"log": name, "ids": ["m_1"], "time": 0, "budget": budget} for name in steps
        ])])  # fmt: skip
        await rail.applier.applied(stamps[-1].seq)
        rail.applier.end_ticks().result(PATIENCE_S)
        clock.advance(5)
        for _ in range(10):  # Each answer is a turn of the applier.
            await rail.applier.ask(lambda engine: 1)
        assert rail.inbox.last_seq == stamps[-1].seq
        # What is taken in all the same is applied.
        (more,) = await rail.inbox.append([record(created(2))])
        await rail.applier.applied(more.seq)
        assert rail.applier.seq == rail.inbox.last_seq == more.seq


async def test_a_tick_that_is_refused_is_not_tried_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SettableClock(BASE)
    with running(tmp_path, clock=clock, start=False) as rail:
        refused: list[object] = []

        def refuse(submissions: Sequence[Submission]) -> Future[list[Stamp]]:
            refused.append(submissions)
            raise InboxFull("the disk is full")

        budget = {"timeout_ms": 5_000}
        steps = ("create", "enqueue", "start")
        await rail.inbox.append([epoch(), record(*[
            {"log": name, "ids": ["m_1"], "time": 0, "budget": budget} for name in steps
        ])])  # fmt: skip
        monkeypatch.setattr(applier_module, "TICK_RETRY_S", 3_600.0)
        monkeypatch.setattr(rail.inbox, "append_threadsafe", refuse)
        rail.applier.start()
        clock.advance(5)
        rail.wait(lambda: bool(refused))
        for _ in range(10):  # Each answer is a turn of the applier.
            await rail.applier.ask(lambda engine: 1)
        assert len(refused) == 1


def test_prices_that_change_under_one_version_are_kept(tmp_path: Path) -> None:
    def prices(dollars: str) -> dict[str, object]:
        model = {"id": "big", "match": {"equals": "big"}, "prices": [{"input_mtok": dollars}]}
        provider = {"id": "acme", "provider_match": {"equals": "acme"}, "models": [model]}
        table = {"format": 1, "version": "v", "providers": [provider]}
        return {"prices": "v + 1 overrides", "table": table}

    usage = {"in": 1, "provider": "acme", "model": "big"}
    call = {"ids": ["m_1", "p_1", "j_1", "a_1"], "role": "inference", "usage": usage}
    with running(tmp_path) as rail:
        rail.put(epoch(), record(prices("1")))
        rail.put(record(prices("2")))
    with running(tmp_path) as rail:
        rail.put(record({"span": "c", **call}))
        (tracked,) = [e for e in rail.published if e.event_type == "cost_tracked"]
        assert b'"cost_usd_pico":2000000' in tracked.data


def test_stopping_without_starting_and_twice_is_harmless(tmp_path: Path) -> None:
    with running(tmp_path, start=False) as rail:
        rail.applier.stop()
        rail.applier.stop()
    journal = Journal(tmp_path / "state.db")
    journal.open()
    assert journal.progress.emitted_seq == 0
    journal.close()
