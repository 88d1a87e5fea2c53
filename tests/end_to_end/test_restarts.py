"""What is there before the end of a process is there after it, exactly once."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Any

import grpc
from tests.end_to_end.rail import MS, SECOND, Chain, Rail, config_file, listening
from tests.support.otlp_requests import set_attributes, traces
from tests.support.process import running_server

from neurorail.client.sse import StreamMessage
from neurorail.collector.store.config import StoreConfig
from neurorail.collector.store.store import Store

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
SPANS_PER_REQUEST = 20
ENOUGH_REQUESTS = 60
"""Acknowledged before the process is killed."""


def work(chain: Chain, now: int) -> bytes:
    """A mission with its calls, in one request of `SPANS_PER_REQUEST` spans."""
    calls = [
        chain.span(number, 4, parent=1, times=(now - 50 * MS, now))
        for number in range(2, SPANS_PER_REQUEST + 1)
    ]
    for call in calls:
        set_attributes(
            call.attributes,
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.usage.input_tokens": 10,
            },
        )
    return traces(*calls, chain.entity("mission", 1, times=(now - SECOND, now)))


def picture(rail: Rail, chain: Chain) -> Any:
    """All the API says of a mission."""
    rail.ended(chain)
    rail.all_is_applied()
    tree = rail.entity(chain.mission)
    history = rail.get(f"/lifecycle/history/mission/{chain.mission}")
    return tree, history["transitions"], rail.get("/audit/stats", mission_id=chain.mission)


def audit(data_dir: Path) -> subprocess.CompletedProcess[str]:
    """What `neurorail audit verify` says."""
    return subprocess.run(
        [sys.executable, "-m", "neurorail.app.cli", "audit", "verify", "--data-dir", str(data_dir)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip


@contextmanager
def embedded(data_dir: Path) -> Iterator[Store]:
    """The embedded store of a server that is stopped."""
    store = Store(StoreConfig(f"chdb://{(data_dir / 'clickhouse').resolve()}", readers=1))
    store.start(migrate=False)
    try:
        yield store
    finally:
        store.stop()


def test_a_restart_changes_nothing_and_the_audit_tells_what_does(tmp_path: Path) -> None:
    data_dir, chain, now = tmp_path / "data", Chain(), time.time_ns()
    with running_server(data_dir) as server:
        rail = Rail(server)
        rail.send("traces", work(chain, now))
        before = picture(rail, chain)
        with listening(rail, entity_ids=chain.mission) as stream:
            events = before[2]["total_events"]
            told = stream.until(lambda all: len(all) == events)

    with running_server(data_dir) as server:
        rail = Rail(server)
        assert picture(rail, chain) == before
        # The stream goes on where it was, though nothing of it is in memory any more.
        with listening(rail, told[10].id, entity_ids=chain.mission) as stream:
            rest = stream.until(lambda all: len(all) == events - 11)
        assert [message.raw for message in rest] == [message.raw for message in told[11:]]
        # What was counted is not counted again, and what has ended stays so.
        rail.send("traces", work(chain, now))
        times = (now - SECOND, now + SECOND)
        late = chain.entity("mission", 1, times=times, neurorail__outcome="failed")
        rail.send("traces", traces(late))
        rail.events(chain.mission, "late_outcome")
        assert rail.entity(chain.mission)["mission"] == before[0]["mission"]

    held = audit(data_dir)
    assert held.returncode == 0, held.stdout + held.stderr
    with embedded(data_dir) as store:
        rows = store.query_rows("SELECT count(), uniqExact(audit_id) FROM neurorail_audit")
        assert rows[0][0] == rows[0][1] > events
        store.command(
            "ALTER TABLE neurorail_audit UPDATE details = replaceOne(details, '190', '19') "
            "WHERE event_type = 'metrics_recorded' AND entity_id = {entity:String} "
            "SETTINGS mutations_sync = 2",
            {"entity": chain.mission},
        )
    broken = audit(data_dir)
    assert broken.returncode == 1, broken.stdout + broken.stderr
    assert "NR-E302" in broken.stdout


class Sender(threading.Thread):
    """Sends missions until the server is gone; remembers which were acknowledged."""

    def __init__(self, rail: Rail, enough: threading.Semaphore) -> None:
        super().__init__()
        self.acknowledged: list[Chain] = []
        self.unanswered: list[Chain] = []
        self._rail = rail
        self._enough = enough

    def run(self) -> None:
        with grpc.insecure_channel(self._rail.server.otlp_grpc) as channel:
            export = channel.unary_unary(TRACES, None, None)
            while not self.unanswered:
                chain = Chain()
                try:
                    export(work(chain, time.time_ns()), timeout=60)
                except grpc.RpcError:
                    self.unanswered.append(chain)
                else:
                    self.acknowledged.append(chain)
                    self._enough.release()


def ends(message: StreamMessage, chain: Chain) -> bool:
    """Whether it says that a mission has ended."""
    data = message.data
    return message.event_type == "metrics_recorded" and data["entity_id"] == chain.mission


def resumed(
    rail: Rail, last_id: str, enough: Callable[[Sequence[StreamMessage]], bool]
) -> list[StreamMessage]:
    """What a new connection is sent, up to where it is told that it fell behind."""

    def is_over(all: Sequence[StreamMessage]) -> bool:
        return bool(all) and (enough(all) or not all[-1].id)

    with listening(rail, last_id) as stream:
        return events_of(stream.until(is_over))


def events_of(messages: Sequence[StreamMessage]) -> list[StreamMessage]:
    """What was sent, up to where it was told that it fell behind."""
    return list(takewhile(lambda message: message.id, messages))


def test_kill_in_the_middle_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with running_server(data_dir) as server, listening(Rail(server)) as stream:
        enough = threading.Semaphore(0)
        senders = [Sender(Rail(server), enough) for _ in range(4)]
        for sender in senders:
            sender.start()
        for _ in range(ENOUGH_REQUESTS):
            assert enough.acquire(timeout=60)
        stream.until(bool)
        server.kill()
        for sender in senders:
            sender.join()
    heard = [message.id for message in events_of(stream.messages)]
    acknowledged = [chain for sender in senders for chain in sender.acknowledged]
    assert len(acknowledged) >= ENOUGH_REQUESTS

    # So little memory that resuming reads the archive, then the outbox, then memory.
    little = config_file(tmp_path, stream={"buffer_events": 50, "replay_page_events": 30})
    with running_server(data_dir, "--config", str(little)) as server:
        rail = Rail(server)
        # However much was heard before the end, there is more to come.
        more = [Chain() for _ in range(3)]
        for chain in more:
            rail.send("traces", work(chain, time.time_ns()))
        for _ in range(3):
            heard += [message.id for message in resumed(rail, heard[-1], lambda all: len(all) > 39)]
        last = Chain()
        rail.send("traces", work(last, time.time_ns()))
        told: list[StreamMessage] = []
        while not any(ends(message, last) for message in told):
            told += resumed(
                rail, (told[-1].id if told else heard[-1]), lambda all: ends(all[-1], last)
            )
        heard += [message.id for message in told]
        acknowledged += more
        for chain in acknowledged:
            mission = rail.ended(chain)["mission"]
            assert mission["state"] == "succeeded"
            assert mission["totals"]["input_tokens"] == 10 * (SPANS_PER_REQUEST - 1)
        rail.all_is_stored()

    held = audit(data_dir)
    assert held.returncode == 0, held.stdout + held.stderr
    with embedded(data_dir) as store:
        counted = "SELECT TraceId, count(), uniqExact(SpanId) FROM otel_traces GROUP BY TraceId"
        found = {trace: (rows, spans) for trace, rows, spans in store.query_rows(counted)}
        events = "SELECT count(), uniqExact(audit_id) FROM neurorail_audit"
        rows, distinct = store.query_rows(events)[0]
        order = "SELECT audit_id FROM neurorail_audit ORDER BY epoch, seq, `index`"
        stored = [event_id for (event_id,) in store.query_rows(order)]
    whole = (SPANS_PER_REQUEST, SPANS_PER_REQUEST)
    assert {chain.mark: found.get(chain.mark) for chain in acknowledged} == {
        chain.mark: whole for chain in acknowledged
    }
    # A request without an answer is there as a whole or not at all.
    assert set(found.values()) == {whole}
    assert rows == distinct
    # Each event exactly once, in order, across the kill and every connection after it.
    assert heard == stored[stored.index(heard[0]) : stored.index(heard[-1]) + 1]
