"""The API on a socket: uvicorn on the running loop, with streams that end before it stops."""

from __future__ import annotations

import asyncio
import socket

import uvicorn
from starlette.types import ASGIApp

from neurorail.api.config import ApiConfig
from neurorail.collector.embedded_server import EmbeddedServer, bound
from neurorail.collector.stream import StreamHub


class AppServer:
    """Serves an application. `start` returns when it listens; `stop` when every request ended."""

    def __init__(
        self, app: ASGIApp, host: str, port: int, *, max_connections: int, graceful_shutdown_s: int
    ) -> None:
        self._host, self._port = host, port
        self._socket: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None
        self._server = EmbeddedServer(
            uvicorn.Config(
                app,
                http="httptools",
                loop="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                limit_concurrency=max_connections,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=graceful_shutdown_s,
            )
        )

    @property
    def address(self) -> tuple[str, int]:
        """Host and port it listens on."""
        if self._socket is None:
            return self._host, self._port
        host, port = self._socket.getsockname()[:2]
        return str(host), int(port)

    async def start(self) -> None:
        """Bind and listen. Raises OSError when the address is taken."""
        self._socket = bound(self._host, self._port)
        self._task = asyncio.create_task(self._server.serve([self._socket]))
        while not self._server.started:
            if self._task.done():
                await self._task
                raise OSError(f"the server on {self.address} ended before it started")
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Finish open requests, close. Safe without `start`, and twice."""
        if self._task is not None:
            self._server.end()
            task, self._task = self._task, None
            await task


class ApiServer(AppServer):
    """Serves the API; its streams end before it stops."""

    def __init__(self, app: ASGIApp, hub: StreamHub, config: ApiConfig) -> None:
        super().__init__(
            app,
            config.host,
            config.port,
            max_connections=config.max_connections,
            graceful_shutdown_s=config.graceful_shutdown_s,
        )
        self._hub = hub

    async def stop(self) -> None:
        """End the streams, then stop."""
        self._hub.stop()
        await super().stop()
