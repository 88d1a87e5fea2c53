"""One subscriber: a cursor into the hub's buffer, and what it has to be told besides."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from neurorail.collector.stream.event import Position, StreamEvent
from neurorail.collector.stream.filters import StreamFilter

if TYPE_CHECKING:
    from neurorail.collector.stream.hub import StreamHub

_LOG = logging.getLogger(__name__)

KEEPALIVE = b": keep-alive\n\n"


@dataclass(slots=True)
class Missed:
    """Events that left the buffer before the subscriber took them."""

    first_id: str
    last_id: str
    count: int
    resume_after: str
    """The id to resume after in order to get them; empty when it is not known."""
    reason: str = "behind"


class Subscription:
    """Reads the stream at its own pace; created by `StreamHub.subscribe`, used on its loop.

    It holds no queue: it is a cursor into the one buffer, so a slow subscriber costs nothing but
    its own delay. `chunks` may be iterated once.
    """

    def __init__(
        self,
        hub: StreamHub,
        wanted: StreamFilter,
        *,
        named: bool,
        resume: Position | None = None,
        last_id: str = "",
    ) -> None:
        self.wanted = wanted
        self.named = named
        self.cursor: int | None = None
        """Ordinal of the next event to look at; None until attached."""
        self.skip_through: Position | None = None
        """Events up to here were already replayed and are left out."""
        self.missed: Missed | None = None
        self.last_id = last_id
        self.quiet = True
        self.keepalive_due = False
        self.sending_since: float | None = None
        self.on_stuck: Callable[[], object] | None = None
        """Called by the hub when a send has not finished for the send timeout."""
        self._hub = hub
        self._resume = resume
        self._closed = False
        self._waiter: asyncio.Future[None] | None = None

    @property
    def closed(self) -> bool:
        """Whether the stream is over."""
        return self._closed

    @property
    def idle(self) -> bool:
        """Whether it waits for new events, with nothing else to say or to leave out."""
        waiter = self._waiter
        waits = waiter is not None and not waiter.done()
        return waits and self.missed is None and self.skip_through is None

    def close(self) -> None:
        """End the stream: `chunks` returns after what it is sending. Idempotent."""
        self._closed = True
        self._hub.forget(self)
        self.wake()

    def wake(self) -> None:
        """Let `chunks` look again."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def miss(self, events: Sequence[StreamEvent]) -> None:
        """Take note that `events` left the buffer unseen."""
        for event in events:
            if self.skip_through is not None and event.position <= self.skip_through:
                continue
            if not self.wanted.matches(event):
                continue
            if self.missed is None:
                self.missed = Missed(event.event_id, event.event_id, 0, self.last_id)
            self.missed.last_id = event.event_id
            self.missed.count += 1

    def lose(self, lost: Missed) -> None:
        """Take note that events were lost, wanted or not."""
        if self.missed is None:
            self.missed = replace(lost, resume_after=self.last_id)
        else:
            self.missed.last_id = lost.last_id
            self.missed.count += lost.count

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes to send, whole frames at a time, until the stream is closed."""
        try:
            async for chunk in self._frames():
                self.quiet = False
                self.sending_since = self._hub.now()
                yield chunk
                self.sending_since = None
                if self._hub.behind(self):
                    # Sending does not always suspend; the others must have their turn.
                    await asyncio.sleep(0)
        finally:
            self.close()

    async def events(self) -> AsyncIterator[list[StreamEvent] | Missed]:
        """The same as events, for parts of the server itself; iterate this or `chunks`."""
        try:
            if self._resume is not None:
                async for events in self._replay(self._resume):
                    if events:
                        yield events
            while not self._closed:
                missed, self.missed = self.missed, None
                if missed is not None:
                    yield missed
                    continue
                events = self._hub.pull_events(self)
                if events:
                    yield events
                else:
                    await self._wait()
        finally:
            self.close()

    async def _frames(self) -> AsyncIterator[bytes]:
        yield b"retry: %d\n\n" % self._hub.config.retry_ms
        if self._resume is not None:
            async for events in self._replay(self._resume):
                if events:
                    yield b"".join([event.frame(named=self.named) for event in events])
        while not self._closed:
            chunk = self._next()
            if chunk:
                yield chunk
            else:
                await self._wait()

    async def _replay(self, position: Position) -> AsyncIterator[list[StreamEvent]]:
        """What happened after `position` and is no longer in memory, then attach without a gap."""
        while not self._closed and not self._hub.covers(position):
            floor = self._hub.floor
            try:
                events = await self._hub.replay_page(position)
            except Exception:
                _LOG.exception("replay after %s failed", self.last_id)
                self.missed = Missed("", "", 0, self.last_id, "replay_failed")
                break
            if events:
                position = events[-1].position
                self.last_id = events[-1].event_id
                yield [event for event in events if self.wanted.matches(event)]
            elif self._hub.floor == floor:
                break
            # Else the buffer turned over while the source was asked: by now it has what left.
        self._hub.attach(self, position)

    def _next(self) -> bytes:
        if self.missed is not None:
            missed, self.missed = self.missed, None
            return self._hub.lag_notice(missed)
        chunk = self._hub.pull(self)
        if not chunk and self.keepalive_due:
            chunk = KEEPALIVE
        self.keepalive_due = False
        return chunk

    async def _wait(self) -> None:
        if self._hub.behind(self) or self.missed is not None or self._closed:
            await asyncio.sleep(0)
            return
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
