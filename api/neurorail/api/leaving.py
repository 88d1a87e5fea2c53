"""Ends the work for a request whose client went away before it was answered."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_DISCONNECT: Final[Message] = {"type": "http.disconnect"}


async def while_there(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request; cancel what is under way for it when its client goes away.

    Once an answer has begun, it is on its own: streams notice by themselves.
    """
    exchange = _Exchange(receive, send)
    answering = asyncio.ensure_future(_answer(app, scope, exchange))
    listening = asyncio.create_task(exchange.listen(answering))
    try:
        await answering
    except asyncio.CancelledError:
        if exchange.begun or not exchange.gone:
            raise
    finally:
        listening.cancel()


async def _answer(app: ASGIApp, scope: Scope, exchange: _Exchange) -> None:
    await app(scope, exchange.receive, exchange.send)


class _Exchange:
    """Stands between a server and an application, and hears when the client goes away."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self.begun = False
        """Whether the answer has begun."""
        self.gone = False
        self._receive = receive
        self._send = send
        # A message at a time: what the application does not read is not taken in either.
        self._messages: asyncio.Queue[Message | Exception] = asyncio.Queue(1)

    async def listen(self, answering: asyncio.Future[None]) -> None:
        """Read what comes: there is no other way to hear of a client that went away."""
        try:
            while (message := await self._receive())["type"] != "http.disconnect":
                await self._messages.put(message)
        except Exception as failure:
            await self._messages.put(failure)
            return
        self.gone = True
        if not self._messages.full():
            self._messages.put_nowait(_DISCONNECT)
        if not self.begun:
            answering.cancel()

    async def receive(self) -> Message:
        """The next message for the application."""
        if self.gone and self._messages.empty():
            return _DISCONNECT
        message = await self._messages.get()
        if isinstance(message, Exception):
            raise message
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        self.begun = True
        await self._send(message)
