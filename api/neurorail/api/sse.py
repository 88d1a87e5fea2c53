"""The response that carries a live stream: joined chunks of ready-made frames.

The frames come encoded and joined from the hub, and so do the comments that keep a quiet connection
open; sse-starlette's response sends them and watches for the client to leave.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sse_starlette.sse import AppStatus, EventSourceResponse
from starlette.types import Message, Receive, Scope, Send

from neurorail.collector.stream import Subscription

# The hub ends every stream when the server stops; nobody has to guess it from uvicorn's signals.
AppStatus.enable_automatic_graceful_drain = False


LOOK_S = 5.0
"""How often a stream looks whether its caller may go on."""


class EventStreamResponse(EventSourceResponse):
    """Streams a subscription until either side ends it, or the client takes nothing any more."""

    def __init__(
        self, subscription: Subscription, is_good: Callable[[], bool] = lambda: True
    ) -> None:
        """`is_good` is asked now and then whether the caller may go on."""
        super().__init__(subscription.chunks(), ping=0, sep="\n")
        self.subscription = subscription
        self._is_good = is_good

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream. Returns when it is over, with the subscription closed."""
        stream = asyncio.create_task(super().__call__(scope, receive, send))
        self.subscription.on_stuck = stream.cancel
        warden = asyncio.create_task(self._until_not_good())
        try:
            await asyncio.wait({stream, warden}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.subscription.close()
            for task in (stream, warden):
                task.cancel()
            await asyncio.gather(stream, warden, return_exceptions=True)

    async def _send_with_timeout(self, send: Send, message: Message) -> None:
        """Send without a timer for each: the hub watches all sends with one of its own."""
        await send(message)

    async def _until_not_good(self) -> None:
        """Return when the caller's credential was revoked or has expired."""
        while self._is_good():
            await asyncio.sleep(LOOK_S)
