"""The response that carries a live stream: joined chunks of ready-made frames.

The frames come encoded and joined from the hub, and so do the comments that keep a quiet connection
open; sse-starlette's response sends them and watches for the client to leave.
"""

from __future__ import annotations

import asyncio

from sse_starlette.sse import AppStatus, EventSourceResponse
from starlette.types import Receive, Scope, Send

from neurorail.collector.stream import Subscription

# The hub ends every stream when the server stops; nobody has to guess it from uvicorn's signals.
AppStatus.enable_automatic_graceful_drain = False


class EventStreamResponse(EventSourceResponse):
    """Streams a subscription until either side ends it, or the client takes nothing any more."""

    def __init__(self, subscription: Subscription) -> None:
        super().__init__(subscription.chunks(), ping=0, sep="\n")
        self.subscription = subscription

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream. Returns when it is over, with the subscription closed."""
        stream = asyncio.create_task(super().__call__(scope, receive, send))
        self.subscription.on_stuck = stream.cancel
        try:
            await asyncio.wait({stream})
        finally:
            self.subscription.close()
            stream.cancel()
            await asyncio.gather(stream, return_exceptions=True)
