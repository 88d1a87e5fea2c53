"""An engine whose process ends by itself, does not start, or is left alone; and stopping it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.collector.engine.remote_support import (
    Remote,
    epoch,
    give_up,
    missions,
    moved,
    remote,
)
from tests.collector.engine.support import PATIENCE_S
from tests.collector.engine.test_encoding import verify

from neurorail.collector.engine.applier import Busy
from neurorail.collector.engine.remote import EngineGone

PARENT = """
import sys
from pathlib import Path
from tests.collector.engine.remote_support import epoch, moved, remote

with remote(Path(sys.argv[1])) as rail:
    rail.put(epoch(), moved(1))
    print(rail.engine.pid, flush=True)
    sys.stdin.read()
"""


def send(rail: Remote, *signals: signal.Signals) -> None:
    """Send signals to the engine's process."""
    assert rail.engine.pid is not None
    for number in signals:
        os.kill(rail.engine.pid, number)


def event_ids(rail: Remote) -> list[str]:
    """Every event of the outbox, whose chain must hold."""
    verify([line for batch in rail.engine.read(0, 1 << 30) for line in batch.lines.splitlines()])
    return [line.event_id for line in rail.lines()]


async def test_a_killed_engine_refuses_at_once_and_loses_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with remote(tmp_path) as rail:
        rail.put(epoch(), moved(1))
        send(rail, signal.SIGSTOP)
        asked = asyncio.create_task(rail.engine.ask(missions))
        waiting = asyncio.create_task(rail.engine.applied(3))
        head = asyncio.create_task(rail.engine.archived_head())
        await asyncio.sleep(0)
        rail.append(moved(2))
        send(rail, signal.SIGKILL)
        for refused in (asked, waiting, head):
            with pytest.raises(Busy, match=r"the engine stopped: .* killed by SIGKILL"):
                await asyncio.wait_for(refused, PATIENCE_S)
        assert isinstance(rail.engine.failure, EngineGone)
        assert await asyncio.to_thread(rail.failed.wait, PATIENCE_S)
        assert "killed by SIGKILL" in caplog.text
        with pytest.raises(Busy, match="SIGKILL"):
            await rail.engine.ask(missions)
        with pytest.raises(Busy, match="SIGKILL"):
            await rail.engine.applied(99)
        # The inbox goes on taking in, and what is in memory can still be archived.
        assert rail.append(moved(3), moved(4)) == 5
        assert rail.engine.read(0, 1 << 20) != []
        rail.engine.prune(1)
    with remote(tmp_path) as rail:
        rail.wait(lambda: rail.engine.seq == 5)
        assert event_ids(rail) == [f"n1.1.{seq}.0" for seq in range(1, 6)]


def test_kill_again_and_again(tmp_path: Path) -> None:
    for turn in range(3):
        with remote(tmp_path) as rail:
            rail.append(*([epoch()] if turn == 0 else []), moved(1000 + turn))
            for number in range(40):
                rail.append(moved(100 * turn + number))
            rail.wait(lambda: rail.engine.seq > 0)
            send(rail, signal.SIGKILL)
            assert rail.failed.wait(PATIENCE_S)
    with remote(tmp_path) as rail:
        last = rail.put(moved(999))
        assert event_ids(rail) == [f"n1.1.{seq}.0" for seq in range(1, last + 1)]


async def test_an_applier_that_ends_is_a_failure_with_its_cause(tmp_path: Path) -> None:
    with remote(tmp_path) as rail:
        rail.put(epoch())
        with pytest.raises(Busy, match="SystemExit: enough"):
            await rail.engine.ask(give_up)
        assert str(rail.engine.failure) == "SystemExit: enough"
        assert rail.failed.wait(PATIENCE_S)
        rail.append(moved(1))
    with remote(tmp_path) as rail:
        rail.wait(lambda: rail.engine.seq == 2)
        assert len(event_ids(rail)) == 2


def test_a_journal_that_is_none_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "engine.db").write_bytes(b"no database" * 1_000)
    with remote(tmp_path, start=False) as rail:
        rail.engine.launch()
        with pytest.raises(
            EngineGone, match="did not start: DatabaseError: file is not a database"
        ):
            rail.engine.start()


def test_a_process_that_ends_before_it_is_started(tmp_path: Path) -> None:
    with remote(tmp_path, start=False) as rail:
        rail.engine.launch()
        send(rail, signal.SIGKILL)
        with pytest.raises(EngineGone, match=r"did not start: .* killed by SIGKILL"):
            rail.engine.start()


async def test_signals_to_the_whole_group_are_not_the_engines(tmp_path: Path) -> None:
    with remote(tmp_path, start=False) as rail:
        rail.engine.launch()
        send(rail, signal.SIGINT, signal.SIGTERM)  # Before it could have chosen to ignore them.
        await asyncio.to_thread(rail.engine.start)
        send(rail, signal.SIGINT, signal.SIGTERM)
        await rail.engine.applied(rail.append(epoch(), moved(1)))
        assert await rail.engine.ask(missions) == 1
        assert rail.engine.failure is None


async def test_stopping_is_harmless_at_any_time(tmp_path: Path) -> None:
    with remote(tmp_path, start=False) as rail:
        rail.engine.prune(1)
        with pytest.raises(Busy, match="not running"):
            await rail.engine.ask(missions)
        with pytest.raises(EngineGone, match="not launched"):
            rail.engine.start()
        rail.engine.stop()
        rail.engine.stop()
    with remote(tmp_path, start=False) as rail:
        rail.engine.launch()
        pid = rail.engine.pid
        assert pid is not None
        rail.engine.stop()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    with remote(tmp_path) as rail:
        seq = rail.append(epoch(), moved(1))
        waiting = asyncio.create_task(rail.engine.applied(seq + 1))
        await rail.engine.applied(seq)
        await asyncio.to_thread(rail.engine.stop)
        rail.engine.stop()
        with pytest.raises(Busy, match="not running"):
            await waiting
        assert rail.engine.flushed_seq == seq
        assert rail.engine.failure is None
        assert not rail.failed.is_set()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux ties the two together")
def test_a_killed_server_takes_its_engine_along(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    try:
        with remote(tmp_path) as rail:  # At once: it waits for the other one by itself.
            rail.put(moved(2))
            assert len(event_ids(rail)) == 3
        assert select.select([child], [], [], PATIENCE_S)[0], "the engine outlived its server"
    finally:
        os.close(child)


def test_only_one_engine_writes_a_journal(tmp_path: Path) -> None:
    with remote(tmp_path) as rail, (tmp_path / "engine.lock").open() as held:
        rail.put(epoch())
        with pytest.raises(BlockingIOError):
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        rail.engine.stop()
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
