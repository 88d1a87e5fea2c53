"""A read whose reader goes away ends in the engine, and so does one that takes too much."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from tests.support.rail import Rail, running_rail
from tests.support.stores import Backends, started_store
from tests.support.waiting import PATIENCE_S

from neurorail.api.access import Router, needs
from neurorail.api.server import AppServer
from neurorail.api.sql import Reader, SqlApp
from neurorail.collector.sql import QueryEngine, SqlConfig
from neurorail.collector.store.errors import StoreRefused, StoreUnavailable
from neurorail.collector.store.store import Store

SLOW = "SELECT sum(sipHash64(number)) AS found FROM numbers(1000000000000)"
"""An hour's work."""
LARGE = "SELECT groupArray(number) FROM numbers(50000000)"
RUNNING = "SELECT count() AS found FROM system.processes WHERE query LIKE '%numbers(10000000%'"


@pytest.fixture
async def patient(store: Store) -> AsyncIterator[Store]:
    """A store that lets reads run for longer than any test."""
    async with limited_to(store, {"read_seconds_max": 3_600.0}) as found:
        yield found


@asynccontextmanager
async def limited_to(store: Store, limits: dict[str, Any]) -> AsyncIterator[Store]:
    """The store with one reader, and other limits of what one read may take."""
    found = Store(replace(store.config, readers=1, **limits))
    found.start(migrate=False)
    try:
        yield found
    finally:
        await asyncio.to_thread(found.stop)


async def runs(store: Store, count: int) -> None:
    """Wait until so many slow reads run in the engine. This one finds itself, too."""
    async with asyncio.timeout(PATIENCE_S):
        while (await store.query_async(RUNNING))[0]["found"] != count + 1:
            await asyncio.sleep(0.01)


async def idle(store: Store) -> None:
    """Wait until no read of the store runs or waits."""
    async with asyncio.timeout(PATIENCE_S):
        while store.reads_waiting:
            await asyncio.sleep(0.01)


def slow_route(rail: Rail, store: Store) -> None:
    """Add a route that reads for an hour."""
    router = Router()

    @router.get("/slow")
    @needs()
    async def slow() -> object:
        return await store.query_async(SLOW)

    rail.app.include_router(router)


async def test_a_client_that_disconnects_ends_its_read(store: Store, patient: Store) -> None:
    async with running_rail() as rail:
        slow_route(rail, patient)
        async with httpx2.AsyncClient(base_url=rail.client.base_url) as client:
            asking = asyncio.create_task(client.get("/slow", timeout=None))
            await runs(store, 1)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        await idle(patient)
        await runs(store, 0)
        assert patient.reads_cancelled == 1
        # The only reader is free again.
        assert await patient.query_async("SELECT 1 AS found") == [{"found": 1}]


async def test_a_client_of_the_sql_endpoint_that_disconnects(backends: Backends) -> None:
    url = backends.url("chdb")
    with started_store(url) as store:
        await disconnect_from_sql(store, url.removeprefix("chdb://"))


async def disconnect_from_sql(store: Store, embedded: str) -> None:
    engine = QueryEngine(embedded, SqlConfig(database=store.database, max_execution_time_s=3_600))
    app = SqlApp(engine, Reader("reader", "password"), store.database, 1_000)
    server = AppServer(app, "127.0.0.1", 0, max_connections=10, graceful_shutdown_s=5)
    await server.start()
    try:
        host, port = server.address
        headers = {"X-ClickHouse-User": "reader", "X-ClickHouse-Key": "password"}
        async with httpx2.AsyncClient(base_url=f"http://{host}:{port}", headers=headers) as client:
            asking = asyncio.create_task(client.post("/", content=SLOW, timeout=None))
            await runs(store, 1)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        await runs(store, 0)
        answer = await engine.run("SELECT 1", "TSV", {})
        assert answer.body == b"1\n"
    finally:
        await server.stop()
        await asyncio.to_thread(engine.stop)


async def test_one_that_still_waits_for_a_reader_is_not_begun(store: Store, patient: Store) -> None:
    first = asyncio.create_task(patient.query_async(SLOW))
    await runs(store, 1)
    second = asyncio.create_task(patient.query_async(SLOW))
    await asyncio.sleep(0)
    for read in (second, first):
        read.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    await idle(patient)
    await runs(store, 0)
    assert patient.reads_cancelled == 2


@pytest.mark.parametrize("own", [False, True], ids=["of the API", "of the server itself"])
async def test_every_read_is_limited(store: Store, own: bool) -> None:
    strict = {"read_bytes_max": 20_000_000, "own_read_bytes_max": 20_000_000}
    hasty = {"read_seconds_max": 0.2, "own_read_seconds_max": 0.2}

    async def read(limited: Store, sql: str) -> object:
        asked = asyncio.to_thread(limited.query, sql) if own else limited.query_async(sql)
        return await asked

    async with limited_to(store, hasty) as limited:
        with pytest.raises(StoreUnavailable, match="TIMEOUT_EXCEEDED"):
            await read(limited, SLOW)
    async with limited_to(store, strict) as limited:
        with pytest.raises(StoreRefused, match="MEMORY_LIMIT_EXCEEDED"):
            await read(limited, LARGE)
        with pytest.raises(StoreRefused, match="MEMORY_LIMIT_EXCEEDED"):
            await asyncio.to_thread(limited.query_rows, LARGE)
