"""uvicorn as a part of a process: no signals of its own, and a stop that does not wait in vain."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn


class EmbeddedServer(uvicorn.Server):
    """Signals belong to the process, not to one of its servers; it ends as soon as it can."""

    _ticks: asyncio.Task[None] | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take none."""
        yield

    def end(self) -> None:
        """Stop listening, and end when every request has ended."""
        self.should_exit = True
        if self._ticks is not None:
            self._ticks.cancel()

    async def main_loop(self) -> None:
        """Tick until the end: `end` does not wait for the next one."""
        self._ticks = asyncio.create_task(super().main_loop())
        await asyncio.wait((self._ticks,))
        if not self._ticks.cancelled():
            self._ticks.result()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Where nobody is connected there is nothing to wait for."""
        for server in self.servers:
            server.close()
        await asyncio.sleep(0)
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
        for each in sockets or ():
            each.close()


def bound(host: str, port: int) -> socket.socket:
    """A socket bound to an address, for a server to listen on.

    Raises:
        OSError: the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol by its name: only so asyncio lets small answers go at once (TCP_NODELAY).
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"{host}:{port}: {error.strerror}") from None
    return listener
