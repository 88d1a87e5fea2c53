"""HTTP/1.1 requests over kept-open connections, with as little work as Python allows.

A general client would need more processor time for a small request than the server does.
"""

from __future__ import annotations

import asyncio
from typing import Final, cast
from urllib.parse import urlsplit

from bench.load import Refused

REFUSED: Final = frozenset({429, 502, 503, 504})


class HttpSenders:
    """As many connections as requests at once; an async context manager."""

    def __init__(self, url: str, content_type: str, connections: int) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._head = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Content-Type: {content_type}\r\nContent-Length: "
        ).encode()
        self._count = connections
        self._free: asyncio.LifoQueue[_Connection] = asyncio.LifoQueue()

    async def __aenter__(self) -> HttpSenders:
        loop = asyncio.get_running_loop()
        for _ in range(self._count):
            _, connection = await loop.create_connection(_Connection, self._host, self._port)
            self._free.put_nowait(connection)
        return self

    async def __aexit__(self, *_: object) -> None:
        while not self._free.empty():
            self._free.get_nowait().close()

    async def send(self, body: bytes) -> None:
        """Send one request.

        Raises:
            Refused: the answer asks to try again.
            RuntimeError: the answer is another error.
        """
        connection = await self._free.get()
        try:
            status = await connection.exchange(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))
        finally:
            self._free.put_nowait(connection)
        if status in REFUSED:
            raise Refused
        if status != 200:
            raise RuntimeError(f"the server answered {status}")


class _Connection(asyncio.Protocol):
    """One request at a time; knows just enough of HTTP to find the end of an answer."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._answer: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from this class, they only behave like it.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError("the server closed"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, ended, body = self._received.partition(b"\r\n\r\n")
        if not ended or len(body) < _content_length(bytes(head)):
            return
        status = int(self._received[9:12])
        self._received.clear()
        if self._answer is not None:
            self._answer.set_result(status)

    async def exchange(self, request: bytes) -> int:
        """Send `request` and return the status of its answer."""
        assert self._transport is not None, "connection_made comes first"
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
