"""The API on a socket: uvicorn on the running loop, with streams that end before it stops."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from neurorail.api.config import ApiConfig
from neurorail.collector.stream import StreamHub


class _Server(uvicorn.Server):
    """Signals belong to the process, not to one of its servers."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class ApiServer:
    """Serves an application. `start` returns when it listens; `stop` when every request ended."""

    def __init__(self, app: ASGIApp, hub: StreamHub, config: ApiConfig) -> None:
        self._hub = hub
        self._config = config
        self._socket: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None
        self._server = _Server(
            uvicorn.Config(
                app,
                http="httptools",
                loop="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                limit_concurrency=config.max_connections,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=config.graceful_shutdown_s,
            )
        )

    @property
    def address(self) -> tuple[str, int]:
        """Host and port it listens on."""
        if self._socket is None:
            return self._config.host, self._config.port
        host, port = self._socket.getsockname()[:2]
        return str(host), int(port)

    async def start(self) -> None:
        """Bind and listen. Raises OSError when the address is taken."""
        self._socket = _bind(self._config.host, self._config.port)
        self._task = asyncio.create_task(self._server.serve([self._socket]))
        while not self._server.started:
            if self._task.done():
                await self._task
                raise OSError(f"the api server on {self.address} ended before it started")
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """End the streams, finish open requests, close. Safe without `start`, and twice."""
        self._hub.stop()
        if self._task is not None:
            self._server.should_exit = True
            task, self._task = self._task, None
            await task


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener
