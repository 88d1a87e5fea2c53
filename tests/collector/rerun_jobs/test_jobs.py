"""Backtests and replays in processes of their own, on a real store."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.collector.rerun.history import keep_events, keep_records, live
from tests.collector.rerun_jobs.support import (
    BEGAN,
    Held,
    Notes,
    asking,
    job,
    over,
    running_jobs,
)
from tests.support.stores import started_store

from neurorail.collector.rerun_jobs.config import RerunConfig
from neurorail.collector.rerun_jobs.jobs import STOPPED, TooMany
from neurorail.collector.store.store import Store
from neurorail.rules.config import EngineConfig
from neurorail.rules.manifest.load import load

NODE = "jobs"
HEAD = "neurorail_manifest: 1\nname: test\nversion: '{}'\ndefault_mode: rail\n"
STRICT = load(HEAD.format("strict") + "mode_rules: [{id: nothing, effect: refuse}]\n")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with a history that happened."""
    folder = tmp_path_factory.mktemp("jobs")
    envelopes, lines = live(folder / "live", NODE, EngineConfig(), "{}", 7)
    with started_store(f"chdb://{folder / 'clickhouse'}") as found:
        keep_records(found, NODE, envelopes)
        keep_events(found, NODE, lines)
        yield found


@pytest.fixture
def held() -> Iterator[Held]:
    """A store that does not answer before the test is over."""
    found = Held()
    yield found
    found.free.set()


@pytest.fixture
def notes() -> Notes:
    return Notes()


async def test_backtest_and_replay_are_done_one_after_the_other_and_kept(
    store: Store, notes: Notes, tmp_path: Path
) -> None:
    backtest, replay = job(1, new=STRICT), job(2, "replay")
    async with running_jobs(tmp_path, NODE, store, notes) as jobs:
        await jobs.launch(backtest, STRICT.json)
        await jobs.launch(replay)
        assert [one.id for one in jobs.all("default", "backtest")] == [backtest.id]
        assert jobs.get("other", "backtest", backtest.id) is None
        await over(jobs, replay)
        assert (backtest.state, replay.state) == ("succeeded", "succeeded")
        assert backtest.done == backtest.total > 0
        assert backtest.ended_unix_nano
        found = json.loads(await jobs.report(backtest) or b"")
        assert found["new"]["version"] == "strict"
        assert found["calls"]["all"] == found["new"]["calls_refused"] > 0
        same = json.loads(await jobs.report(replay) or b"")
        assert same["equal"]
        assert same["events"] > 20
        assert not (tmp_path / "jobs" / "scratch").exists()
    event, who, data = notes.said[0]
    assert (event, who) == ("rerun_started", "ada")
    assert (data["rerun_id"], data["manifest_sha256"]) == (backtest.id, STRICT.sha256)
    assert notes.ends == [("succeeded", None)] * 2
    async with running_jobs(tmp_path, NODE, store, notes) as jobs:
        (kept,) = jobs.all("default", "backtest")
        assert kept == backtest
        assert await jobs.report(kept) is not None
        assert not await jobs.cancel(kept, "too late")


async def test_nothing_to_look_at_is_said(store: Store, notes: Notes, tmp_path: Path) -> None:
    one = job(1, new=STRICT)
    one.since_unix_nano = one.until_unix_nano - 1
    other, state = job(2, "replay"), job(3, "replay")
    other.after_seq, state.after_seq = 10**9, 3
    async with running_jobs(tmp_path, NODE, store, notes) as jobs:
        await jobs.launch(one, STRICT.json)
        await jobs.launch(other)
        await jobs.launch(state)
        await over(jobs, state)
        assert await jobs.report(one) is None
    assert one.error == "nothing of node jobs was received then"
    assert other.error == "no record of node jobs is archived after 1000000000"
    assert state.error == "no state is stored after record 3; there are: none"
    assert {state for state, _ in notes.ends} == {"failed"}


async def test_what_waits_and_what_runs_can_be_cancelled(
    held: Held, notes: Notes, tmp_path: Path
) -> None:
    async with running_jobs(tmp_path, NODE, held, notes, waiting=1) as jobs:
        first, second = job(1, new=STRICT), job(2)
        await jobs.launch(first, STRICT.json)
        await jobs.launch(second, STRICT.json)
        with pytest.raises(TooMany, match="2 backtests and replays run or wait already"):
            await jobs.launch(job(3), STRICT.json)
        assert await jobs.cancel(second, "cancelled by ada")
        assert await asyncio.to_thread(held.asked.wait, 60)
        assert first.state == "running"
        assert await jobs.cancel(first, "cancelled by bob")
        assert jobs.open_count == 0
    assert notes.ends == [("cancelled", "cancelled by ada"), ("cancelled", "cancelled by bob")]


async def test_a_server_that_stops_cancels_them(held: Held, notes: Notes, tmp_path: Path) -> None:
    async with running_jobs(tmp_path, NODE, held, notes) as jobs:
        await jobs.launch(job(1), STRICT.json)
        await jobs.launch(job(2), STRICT.json)
        held.free.set()
        await jobs.stop()
        with pytest.raises(TooMany):
            await jobs.launch(job(3), STRICT.json)
    assert notes.ends == [("cancelled", STOPPED)] * 2


async def test_what_a_killed_server_left_is_cancelled_at_the_next_start(
    held: Held, notes: Notes, tmp_path: Path
) -> None:
    async with running_jobs(tmp_path, NODE, held, notes) as jobs:
        jobs._shelf.keep(job(1))
        jobs._shelf.scratch()
        (tmp_path / "jobs" / "x.job.json").write_text("no job")
    async with running_jobs(tmp_path, NODE, held, notes) as jobs:
        (left,) = jobs.all("default", "backtest")
        assert (left.state, left.error) == ("cancelled", STOPPED)
    assert not (tmp_path / "jobs" / "scratch").exists()


async def test_limits_of_time_and_memory_hold(held: Held, notes: Notes, tmp_path: Path) -> None:
    long, large, killed = job(1), job(2), job(3)
    async with running_jobs(tmp_path, NODE, held, notes, time_max_s=1) as jobs:
        await jobs.launch(long, STRICT.json)
        await over(jobs, long)
    assert (long.state, long.error) == ("failed", "it took longer than 1 s")
    big = Huge()
    async with running_jobs(tmp_path, NODE, big, notes, memory_max_bytes=256 << 20) as jobs:
        await jobs.launch(large, STRICT.json)
        await over(jobs, large)
    assert (large.state, large.error) == ("failed", "it needs more than 256 MiB of memory")
    async with running_jobs(tmp_path, NODE, Killing(), notes) as jobs:
        await jobs.launch(killed, STRICT.json)
        await over(jobs, killed)
    assert (killed.state, killed.error) == ("failed", "its process ended with status -9")


class Huge(Held):
    """Answers with more than fits."""

    def query_rows(self, sql: str, parameters: object = None) -> list[list[bytes]]:
        return [[b"x" * (160 << 20)]]


class Killing(Held):
    """Kills who asks."""

    def query_rows(self, sql: str, parameters: object = None) -> list[list[int]]:
        for pid in asking():
            os.kill(pid, signal.SIGKILL)
        return []


async def test_store_that_is_away_is_said(held: Held, notes: Notes, tmp_path: Path) -> None:
    held.free.set()
    one = job(1)
    async with running_jobs(tmp_path, NODE, held, notes) as jobs:
        await jobs.launch(one, STRICT.json)
        await over(jobs, one)
    assert (one.state, one.error) == ("failed", "the store is away")


async def test_only_so_many_are_kept_and_not_for_ever(
    held: Held, notes: Notes, tmp_path: Path
) -> None:
    async with running_jobs(tmp_path, NODE, held, notes) as jobs:
        for number in (-100 * 86_400 * 10**9, 1, 2, 3):
            one = job(number)
            one.state = "succeeded"
            jobs._shelf.keep(one)
            jobs._shelf.keep_report(one, b"{}")
    async with running_jobs(tmp_path, NODE, held, notes, reports=2) as jobs:
        kept = [one.created_unix_nano - BEGAN for one in jobs.all("default", "backtest")]
    assert kept == [3, 2]
    assert len(list((tmp_path / "jobs").iterdir())) == 4


def test_limits_have_to_make_sense() -> None:
    with pytest.raises(ValueError, match="time_max_s is 0"):
        RerunConfig(time_max_s=0)
    with pytest.raises(ValueError, match="at least 256 MiB"):
        RerunConfig(memory_max_bytes=1)
