"""A server on the running loop: answers go at once, what is under way is finished at the end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import uvicorn

from neurorail.collector.embedded_server import EmbeddedServer, bound


class App:
    """Answers once it may."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.may = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.set()
        await self.may.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"whole"})


@asynccontextmanager
async def serving(app: App) -> AsyncIterator[tuple[EmbeddedServer, asyncio.Task[None], str]]:
    """The application on a port of the loopback."""
    listener = bound("127.0.0.1", 0)
    server = EmbeddedServer(uvicorn.Config(app, loop="none", lifespan="off", log_config=None))
    task = asyncio.create_task(server.serve([listener]))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    while not server.started:
        await asyncio.sleep(0)
    try:
        yield server, task, address
    finally:
        server.end()
        await task


async def test_small_answers_do_not_wait_for_acknowledgements() -> None:
    app = App()
    app.may.set()
    async with serving(app) as (server, _, address), httpx2.AsyncClient(timeout=60) as client:
        assert (await client.get(address)).text == "whole"
        (connection,) = server.server_state.connections
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


async def test_a_request_under_way_is_answered_before_the_end() -> None:
    app = App()
    async with serving(app) as (server, task, address), httpx2.AsyncClient(timeout=60) as client:
        asking = asyncio.create_task(client.get(address))
        await app.asked.wait()
        server.end()
        # It listens no more, and waits.
        async with asyncio.timeout(60):
            while server.servers[0].is_serving():
                await asyncio.sleep(0)
        assert not task.done()
        app.may.set()
        assert (await asking).text == "whole"
        await task


async def test_it_ends_where_nobody_is_connected_and_frees_its_address() -> None:
    async with serving(App()) as (server, task, address):
        server.end()
        await task
        async with httpx2.AsyncClient(timeout=60) as client:
            with pytest.raises(httpx2.ConnectError):
                await client.get(address)
