"""ClickHouse goes away and comes back: nothing is refused before the disk is full, nothing lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from tests.end_to_end.rail import MS, Answer, Chain, Rail, config_file, listening, until
from tests.support.otlp_requests import set_attributes, traces
from tests.support.process import running_server
from tests.support.stores import clickhouse

from neurorail.client import Problem
from neurorail.collector.store.config import StoreConfig
from neurorail.collector.store.store import Store

SPANS = 50
ARCHIVE = {"linger_ms": 20, "retry_delay_ms_max": 200}


def body(chain: Chain, padding: int = 0) -> bytes:
    """A mission of `SPANS` spans."""
    now = time.time_ns()
    spans = [chain.span(n, 1, times=(now - MS, now)) for n in range(2, SPANS + 1)]
    set_attributes(spans[0].attributes, {"padding": "x" * padding})
    return traces(*spans, chain.entity("mission", 1, times=(now - MS, now)))


def everything_is_there_once(url: str, chains: list[Chain]) -> None:
    store = Store(StoreConfig(url, readers=1))
    store.start(migrate=False)
    try:
        rows = store.query_rows(
            "SELECT TraceId, count(), uniqExact(SpanId) FROM otel_traces GROUP BY TraceId"
        )
        assert {row[0]: tuple(row[1:]) for row in rows} == {c.mark: (SPANS, SPANS) for c in chains}
        events = store.query_rows(
            "SELECT count(), uniqExact(audit_id), uniqExact(mission_id) FROM neurorail_audit "
            "WHERE mission_id != ''"
        )
        total, distinct, missions = events[0]
        assert (total, missions) == (distinct, len(chains))
    finally:
        store.stop()


def test_clickhouse_goes_away_and_comes_back(tmp_path: Path, free_port: Callable[[], int]) -> None:
    folder, port = tmp_path / "clickhouse", free_port()
    config = config_file(tmp_path, archive=ARCHIVE)
    before, during, after = ([Chain() for _ in range(10)] for _ in range(3))
    with clickhouse(folder, port) as first:
        options = ("--clickhouse", first.url, "--config", str(config))
        with running_server(tmp_path / "data", *options) as server:
            rail = Rail(server)
            for chain in before:
                rail.send("traces", body(chain))
            first.stop()
            for chain in during:
                rail.send("traces", body(chain))
                # What needs no archive works as ever.
                assert rail.ended(chain)["mission"]["state"] == "succeeded"
            last = during[-1].mission
            with listening(rail, entity_ids=last, event_types="state_changed") as stream:
                assert len(stream.until(lambda all: len(all) == 4)) == 4
            # What needs it says so, and that asking again can help.
            with pytest.raises(Problem) as away:
                rail.get("/audit/events", mission_id=before[0].mission)
            assert away.value.status == 503
            until("records wait", lambda: rail.metrics()["otelcol_exporter_queue_size"])
            rail.must_be_ready()
            with clickhouse(folder, port):
                for chain in after:
                    rail.send("traces", body(chain))
                rail.all_is_stored()
                everything_is_there_once(first.url, before + during + after)


def test_a_start_without_clickhouse_a_full_disk_and_the_way_back(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    folder, port = tmp_path / "clickhouse", free_port()
    limit = 4 << 20
    inbox = {"max_bytes": limit, "reserve_bytes": limit // 4, "rotate_bytes": limit // 8}
    config = config_file(tmp_path, archive=ARCHIVE, inbox=inbox)
    with clickhouse(folder, port) as away:
        url = away.url
    taken: list[Chain] = []
    options = ("--clickhouse", url, "--config", str(config))
    with running_server(tmp_path / "data", *options) as server:
        rail = Rail(server)
        rail.must_be_ready()
        refusal = None
        while refusal is None:
            assert len(taken) * 50_000 < 3 * limit, "the inbox takes more than its limit"
            chain = Chain()
            answer = rail.post("traces", body(chain, 50_000))
            if answer.status == 200:
                taken.append(chain)
            else:
                refusal = answer
        assert len(taken) > 20
        tells_to_come_back(refusal)
        with pytest.raises(grpc.RpcError) as caught:
            rail.call(body(Chain(), 50_000))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        rail.must_be_ready()
        for known in taken:
            assert rail.ended(known)["mission"]["state"] == "succeeded"
        with clickhouse(folder, port):
            # As its sender would, until there is room again.
            again = body(chain, 50_000)
            until("it is taken", lambda: rail.post("traces", again).status == 200)
            taken.append(chain)
            rail.all_is_stored()
            everything_is_there_once(url, taken)


def tells_to_come_back(answer: Answer) -> None:
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert b"inbox" in answer.body
    assert answer.headers["content-type"] == "application/x-protobuf"
