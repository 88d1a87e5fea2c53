"""The store itself: opening, parameters, errors, and reading spans."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.otlp_requests import TIME_UNIX_NANO, span, traces
from tests.support.sources import telemetry

from neurorail.collector.archive.formats import PROTOBUF_FORMAT, telemetry_sources
from neurorail.collector.archive.frames import frame_requests
from neurorail.collector.envelope import Signal
from neurorail.collector.store.client import check_identifier
from neurorail.collector.store.config import StoreConfig
from neurorail.collector.store.errors import StoreBusy, StoreRefused, StoreUnavailable
from neurorail.collector.store.spans import spans_of_mission, spans_of_trace
from neurorail.collector.store.store import Store


async def test_parameters_are_bound_not_formatted(store: Store) -> None:
    evil = "x' OR 1 = 1 --"
    rows = await store.query_async(
        "SELECT {text:String} AS text, {numbers:Array(UInt64)} AS numbers",
        {"text": evil, "numbers": [1, 2]},
    )
    assert rows == [{"text": evil, "numbers": [1, 2]}]


def test_bad_sql_is_refused_for_good(store: Store) -> None:
    with pytest.raises(StoreRefused) as caught:
        store.query("SELECT no_such_column")
    assert caught.value.code == 47


async def test_reads_beyond_the_limit_are_refused(store: Store) -> None:
    small = Store(StoreConfig(store.config.url, store.database, readers=1, read_queue_max=2))
    small.start(migrate=False)
    try:
        slow = [
            asyncio.create_task(small.query_async("SELECT sleep(1) AS slept")) for _ in range(2)
        ]
        await asyncio.sleep(0)
        with pytest.raises(StoreBusy, match="2 reads wait already"):
            await small.query_async("SELECT 1")
        assert [await task for task in slow] == [[{"slept": 0}], [{"slept": 0}]]
        assert small.reads_waiting == 0
    finally:
        small.stop()


def test_a_query_that_failed_leaves_nothing_to_the_next(store: Store) -> None:
    one = Store(StoreConfig(store.config.url, store.database, readers=1))
    one.start(migrate=False)
    failing = "SELECT number, throwIf(number = 3000000) AS thrown FROM numbers(4000000)"
    try:
        for _ in range(3):
            with pytest.raises(StoreRefused):
                one.query(failing)
            rows = one.query("SELECT number, throwIf(number = 1) AS thrown FROM numbers(1)")
            assert rows == [{"number": 0, "thrown": 0}]
    finally:
        one.stop()


async def test_a_stopped_store_is_unavailable(store: Store) -> None:
    other = Store(StoreConfig(store.config.url, store.database))
    other.stop()
    with pytest.raises(StoreUnavailable):
        other.query("SELECT 1")
    with pytest.raises(StoreUnavailable):
        await other.query_async("SELECT 1")
    assert not other.ping()
    assert store.ping()


def test_a_server_that_is_away_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        Store(StoreConfig("http://127.0.0.1:9", connect_timeout_s=1)).start()


@pytest.mark.parametrize("url", ["ftp://host", "chdb:relative", "http://", "nothing"])
def test_an_address_of_no_kind_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="use chdb:///absolute/directory"):
        Store(StoreConfig(url)).start()


@pytest.mark.parametrize("name", ["", "a b", "a;b", "1a", "a`b", "a" * 64])
def test_names_that_need_quotes_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a plain identifier"):
        check_identifier(name)


async def test_spans_are_read_by_trace_and_by_mission(store: Store, node: str) -> None:
    far = (1 << 64) - 1
    trace_id = b"\x0a" * 15 + int(node[4:]).to_bytes(1, "big")
    mission = {"neurorail.mission.id": f"m_{node}"}
    made = traces(
        span(mission, number=2, trace_id=trace_id, start_time_unix_nano=TIME_UNIX_NANO + 5),
        span(mission, number=1, trace_id=trace_id),
        span({"other": f"m_{node}"}, number=3, trace_id=trace_id, start_time_unix_nano=far),
        span(mission, number=4, trace_id=b"\x0b" * 16),
    )
    source = telemetry_sources()[Signal.TRACES]
    store.raw_insert(
        source.table,
        frame_requests([telemetry(1, made)], node),
        PROTOBUF_FORMAT,
        source.settings(node),
    )
    found = await spans_of_trace(store, "default", trace_id.hex())
    assert [row["SpanId"][-1] for row in found] == ["1", "2", "3"]
    assert found[0]["start_unix_nano"] == TIME_UNIX_NANO
    assert len(await spans_of_trace(store, "default", trace_id.hex(), limit=1)) == 1
    assert await spans_of_trace(store, "other", trace_id.hex()) == []
    assert await spans_of_trace(store, "default", "ff" * 16) == []
    by_mission = await spans_of_mission(store, "default", f"m_{node}")
    assert sorted(row["SpanId"][-1] for row in by_mission) == ["1", "2", "4"]
    first = await spans_of_mission(store, "default", f"m_{node}", limit=2)
    assert [row["start_unix_nano"] for row in first] == [TIME_UNIX_NANO, TIME_UNIX_NANO]
    assert await spans_of_mission(store, "other", f"m_{node}") == []
