"""A server that is asked to stop finishes its work, within limits; the rest waits for the next."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from tests.end_to_end.rail import Chain, Rail, config_file, until
from tests.end_to_end.test_restarts import SPANS_PER_REQUEST, Sender, audit, embedded, work
from tests.support.process import STOP_S, running_server
from tests.support.stores import clickhouse

from neurorail.collector.archive.progress import ProgressLog
from neurorail.collector.engine.journal import Journal
from neurorail.collector.inbox import InboxConfig, SqliteInbox
from neurorail.collector.store.config import StoreConfig
from neurorail.collector.store.store import Store

pytestmark = pytest.mark.slow

SOON = {"orphan_grace_ms": 20, "lateness_ms": 20}
"""Something is due all the time, also while the server stops."""
FOR_EVER_MS = 1_000 * 60 * 60
LOAD_REQUESTS = 40
WAITS = re.compile(
    r": (\d+) records and (\d+) batches of events wait for the next start to be archived: (.*)"
)


@contextmanager
def served(url: str) -> Iterator[Store]:
    """The tables of a server."""
    store = Store(StoreConfig(url, readers=1))
    store.start(migrate=False)
    try:
        yield store
    finally:
        store.stop()


def load(rail: Rail) -> list[Chain]:
    """Send as fast as four connections can, until the server has stopped; what it acknowledged."""
    enough = threading.Semaphore(0)
    senders = [Sender(rail, enough) for _ in range(4)]
    for sender in senders:
        sender.start()
    for _ in range(LOAD_REQUESTS):
        assert enough.acquire(timeout=60)
    rail.server.process.send_signal(signal.SIGTERM)
    for sender in senders:
        sender.join()
    assert rail.server.process.wait(STOP_S) == 0
    return [chain for sender in senders for chain in sender.acknowledged]


def nothing_waits(data_dir: Path, store: Store) -> None:
    """Every record and every event of a stopped server is in its tables."""
    # To look at it is no downtime of its own.
    inbox = SqliteInbox(data_dir / "inbox", InboxConfig(resumed_min_ns=1 << 62, jump_ns=1 << 62))
    inbox._segments.open()
    last_seq = inbox._segments.last_seq
    inbox._segments.close()
    progress = ProgressLog(data_dir / "archive.db")
    known = {stream: progress.load(stream) for stream in ("telemetry", "events")}
    progress.close()
    journal = Journal(data_dir / "engine.db")
    journal.open()
    waiting, engine = journal.unarchived(), journal.progress
    journal.close()
    assert waiting == []
    assert engine.flushed_seq == last_seq
    assert {stream: (at.archived, at.plan) for stream, at in known.items() if at} == {
        "telemetry": (last_seq, None),
        "events": (engine.ordinal, None),
    }
    events = "SELECT count(), uniqExact(audit_id) FROM neurorail_audit"
    assert list(store.query_rows(events)[0]) == [engine.events, engine.events]


def everything_is_there_once(store: Store, chains: list[Chain]) -> None:
    counted = "SELECT TraceId, count(), uniqExact(SpanId) FROM otel_traces GROUP BY TraceId"
    found = {trace: (rows, spans) for trace, rows, spans in store.query_rows(counted)}
    whole = (SPANS_PER_REQUEST, SPANS_PER_REQUEST)
    assert {chain.mark: found.get(chain.mark) for chain in chains} == {
        chain.mark: whole for chain in chains
    }
    assert set(found.values()) == {whole}


def said(log: Path) -> tuple[int, int, str]:
    """Records and batches that wait for the next start, and why."""
    found = WAITS.findall(log.read_text(encoding="utf-8"))
    assert len(found) == 1, log.read_text(encoding="utf-8")
    records, batches, why = found[0]
    return int(records), int(batches), why


def test_a_stop_in_the_middle_of_load_leaves_nothing_to_the_next_start(tmp_path: Path) -> None:
    data_dir, log = tmp_path / "data", tmp_path / "log"
    # Batches that would linger for ever are written all the same.
    archive = {"linger_ms": FOR_EVER_MS, "linger_busy_ms": FOR_EVER_MS, "drain_ms": FOR_EVER_MS}
    config = config_file(tmp_path, engine=SOON, archive=archive)
    with running_server(data_dir, "--config", str(config), log=log) as server:
        acknowledged = load(Rail(server))
    assert "wait for the next start" not in log.read_text(encoding="utf-8")
    with embedded(data_dir) as store:
        everything_is_there_once(store, acknowledged)
        nothing_waits(data_dir, store)
    held = audit(data_dir)
    assert held.returncode == 0, held.stdout + held.stderr


def test_a_stop_leaves_nothing_to_the_next_start_with_a_clickhouse_server(tmp_path: Path) -> None:
    data_dir, log = tmp_path / "data", tmp_path / "log"
    config = config_file(tmp_path, engine=SOON)
    with clickhouse(tmp_path / "clickhouse") as away:
        options = ("--clickhouse", away.url, "--config", str(config))
        with running_server(data_dir, *options, log=log) as server:
            acknowledged = load(Rail(server))
        assert "wait for the next start" not in log.read_text(encoding="utf-8")
        with served(away.url) as store:
            everything_is_there_once(store, acknowledged)
            nothing_waits(data_dir, store)


def send_some(rail: Rail) -> list[Chain]:
    chains = [Chain() for _ in range(5)]
    for chain in chains:
        rail.send("traces", work(chain, time.time_ns()))
    for chain in chains:
        rail.ended(chain)
    return chains


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def the_next_start_archives(tmp_path: Path, url: str, chains: list[Chain]) -> None:
    with clickhouse(tmp_path / "clickhouse", port_of(url)):
        with running_server(tmp_path / "data", "--clickhouse", url) as server:
            Rail(server).all_is_stored()
        with served(url) as store:
            everything_is_there_once(store, chains)
            nothing_waits(tmp_path / "data", store)


@pytest.mark.parametrize("known", ["known to be away", "not known to be away"])
def test_a_stop_does_not_wait_for_a_store_that_is_away(tmp_path: Path, known: str) -> None:
    log = tmp_path / "log"
    # What it does not know yet it learns while it stops: before that the batch lingers.
    linger = FOR_EVER_MS if known.startswith("not") else 0
    archive = {"drain_ms": FOR_EVER_MS, "linger_ms": linger, "linger_busy_ms": linger}
    config = config_file(tmp_path, archive=archive)
    with clickhouse(tmp_path / "clickhouse") as away:
        options = ("--clickhouse", away.url, "--config", str(config))
        with running_server(tmp_path / "data", *options, log=log) as server:
            rail = Rail(server)
            away.stop()
            chains = send_some(rail)
            if not linger:
                waits = "the archive waits for the store"
                until("it is known", lambda: waits in log.read_text(encoding="utf-8"))
    records, batches, why = said(log)
    assert records >= len(chains)
    assert batches > 0
    assert why.startswith("the archive waits for the store: ")
    the_next_start_archives(tmp_path, away.url, chains)


def test_a_stop_does_not_wait_for_a_store_that_was_never_there(tmp_path: Path) -> None:
    log = tmp_path / "log"
    config = config_file(tmp_path, archive={"drain_ms": FOR_EVER_MS})
    with clickhouse(tmp_path / "clickhouse") as away:
        url = away.url
    options = ("--clickhouse", url, "--config", str(config))
    with running_server(tmp_path / "data", *options, log=log) as server:
        chains = send_some(Rail(server))
    text = log.read_text(encoding="utf-8")
    assert re.search(
        r"at most \d+ records and \d+ batches of events wait for the next start to be archived: "
        "the store could not be reached since the start",
        text,
    ), text
    the_next_start_archives(tmp_path, url, chains)


def is_closed(api: str) -> bool:
    connection = HTTPConnection(api.removeprefix("http://"), timeout=60)
    try:
        connection.connect()
    except ConnectionRefusedError:
        return True
    finally:
        connection.close()
    return False


@pytest.mark.parametrize(
    ("drain_ms", "reason"),
    [(200, "archive.drain_ms (200) is over"), (FOR_EVER_MS, "a second signal came")],
)
def test_a_store_that_does_not_answer_is_waited_for_no_longer_than_is_allowed(
    tmp_path: Path, drain_ms: int, reason: str
) -> None:
    log = tmp_path / "log"
    config = config_file(tmp_path, archive={"drain_ms": drain_ms})
    with clickhouse(tmp_path / "clickhouse") as stuck:
        options = ("--clickhouse", stuck.url, "--config", str(config))
        with running_server(tmp_path / "data", *options, log=log) as server:
            rail = Rail(server)
            stuck.freeze()
            chains = send_some(rail)
            server.process.send_signal(signal.SIGTERM)
            if drain_ms == FOR_EVER_MS:
                until("the API stops", lambda: is_closed(server.api))
                server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(STOP_S) == 0
        records, batches, why = said(log)
        assert (records >= len(chains), batches > 0, why) == (True, True, reason)
        stuck.kill()
    the_next_start_archives(tmp_path, stuck.url, chains)
