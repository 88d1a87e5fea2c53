"""The response that carries a live stream: joined chunks of ready-made frames.

The frames come encoded and joined from the hub, so this only sends and watches for the end: the
client leaves, the server stops, or the client takes nothing any more.
"""

from __future__ import annotations

import asyncio

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from neurorail.collector.stream import Subscription

HEADERS = {
    "Cache-Control": "no-store",
    # Proxies of the nginx family hold back what they stream otherwise.
    "X-Accel-Buffering": "no",
}


class EventStreamResponse(Response):
    """Streams a subscription until either side ends it."""

    media_type = "text/event-stream"

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.status_code = 200
        self.background = None
        self.body = b""
        self.init_headers(HEADERS)
        # There is no length to tell.
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream. Returns when it is over, with the subscription closed."""
        sender = asyncio.create_task(self._send(send))
        self.subscription.on_stuck = sender.cancel
        watcher = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait({sender, watcher}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.subscription.close()
            for task in (sender, watcher):
                task.cancel()
            await asyncio.gather(sender, watcher, return_exceptions=True)

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async for chunk in self.subscription.chunks():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
