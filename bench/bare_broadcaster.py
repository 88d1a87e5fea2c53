"""The least that broadcasts: Starlette, one queue a subscriber, each event encoded once."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from bench.publisher import Publisher
from bench.stream_server import DATA

_queues: set[asyncio.Queue[bytes]] = set()


async def _events(_: Request) -> Response:
    queue: asyncio.Queue[bytes] = asyncio.Queue()

    async def frames() -> AsyncIterator[bytes]:
        _queues.add(queue)
        try:
            yield b": connected\n\n"
            while True:
                yield await queue.get()
        finally:
            _queues.discard(queue)

    return StreamingResponse(frames(), media_type="text/event-stream")


async def _ready(_: Request) -> Response:
    return PlainTextResponse("ready")


def _put(frames: list[bytes]) -> None:
    for queue in _queues:
        for frame in frames:
            queue.put_nowait(frame)


async def _serve() -> None:
    loop = asyncio.get_running_loop()

    def make(number: int) -> tuple[str, bytes]:
        return f"bare.{number}", b"id: bare.%d\ndata: %b\n\n" % (number, DATA)

    def publish(frames: list[bytes]) -> None:
        loop.call_soon_threadsafe(_put, frames)

    app = Starlette(
        routes=[Route("/api/neurorail/v1/stream/events", _events), Route("/ready", _ready)]
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        api = f"http://127.0.0.1:{listener.getsockname()[1]}"
        print(json.dumps({"otlp_grpc": "", "otlp_http": "", "api": api}), flush=True)
        Publisher(make, publish).start()
        config = uvicorn.Config(
            app, http="httptools", loop="none", log_config=None, access_log=False,
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        await uvicorn.Server(config).serve([listener])


if __name__ == "__main__":
    uvloop.run(_serve())
