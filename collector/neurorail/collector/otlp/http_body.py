"""Reading a request's body: bounded in size and time, and counted while it is held."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from neurorail.collector.otlp.config import ReceiverConfig
from neurorail.collector.otlp.intake import Intake
from neurorail.collector.otlp.refusal import Code, Refusal, too_large

_DISCARD_FACTOR: Final = 4
"""How many times the size limit is read and thrown away, so that a client gets its answer."""


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


class Body:
    """The body of one request."""

    def __init__(
        self,
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        config: ReceiverConfig,
        intake: Intake,
    ) -> None:
        self._receive = receive
        self._config = config
        self._intake = intake
        self._held_bytes = 0
        self.complete = False
        """Whether all of it arrived."""

    async def read(self) -> bytes | Refusal:
        """Return the whole body, or why it is not taken.

        Raises:
            ClientGone: the client went away.
        """
        chunk = await self._next()
        if self.complete:
            return self._hold(chunk) or chunk
        try:
            async with asyncio.timeout(self._config.http.body_timeout_s):
                return await self._rest(chunk)
        except TimeoutError:
            # 503 and not 408: OTLP clients send again after 503 only.
            return Refusal(
                Code.DEADLINE_EXCEEDED,
                f"the request did not arrive in {self._config.http.body_timeout_s} s",
                retry_delay_s=self._config.retry_delay_s,
            )

    async def _rest(self, chunk: bytes) -> bytes | Refusal:
        chunks: list[bytes] = []
        while True:
            refusal = self._hold(chunk)
            if refusal is not None:
                return refusal
            chunks.append(chunk)
            if self.complete:
                return b"".join(chunks)
            chunk = await self._next()

    async def discard(self) -> None:
        """Read the rest and forget it: a client that is still sending would not see its answer.

        Gives up after some time and size; then the connection is closed on the client.

        Raises:
            ClientGone: the client went away.
        """
        left = self._config.max_request_bytes * _DISCARD_FACTOR
        try:
            async with asyncio.timeout(self._config.http.body_timeout_s):
                while not self.complete and left > 0:
                    left -= len(await self._next())
        except TimeoutError:
            return

    def release(self) -> None:
        """Give back what was counted for this body. Idempotent."""
        self._intake.release(self._held_bytes)
        self._held_bytes = 0

    def _hold(self, chunk: bytes) -> Refusal | None:
        size = len(chunk)
        if self._held_bytes + size > self._config.max_request_bytes:
            return too_large("the request", self._config.max_request_bytes)
        refusal = self._intake.hold(size)
        if refusal is None:
            self._held_bytes += size
        return refusal

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        self.complete = not message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        return chunk
