"""The hub: one buffer of recent events, read by every subscriber at its own pace.

Events come from the applier's thread and are handed to the event loop in batches. All else happens
on the loop. Each event is encoded once, and each filter is evaluated once for it; subscribers with
the same filter at the same place share even the joined bytes, and whom new events do not concern is
not woken.
"""

from __future__ import annotations

import asyncio
import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Protocol

import msgspec

from neurorail.collector.stream.config import StreamConfig
from neurorail.collector.stream.event import (
    Position,
    StreamEvent,
    parse_event_id,
    seconds_text,
)
from neurorail.collector.stream.filters import StreamFilter
from neurorail.collector.stream.subscription import Missed, Subscription
from neurorail.rules.events import ALL, CHANNELS

_position = attrgetter("position")
_EVENT_OVERHEAD_BYTES = 512
_INTERVAL_MS = 0.04
"""Least time between wake-ups for each subscriber: more than sending to one takes, so that sending
leaves time to the others on the loop."""


class ReplaySource(Protocol):
    """Where events are read that are no longer in memory: the outbox, then the archive."""

    async def events_after(self, position: Position, limit: int) -> list[StreamEvent]:
        """At most `limit` events after `position`, oldest first; empty when there are none."""
        ...


class HubFull(RuntimeError):
    """No further subscriber is taken until one leaves."""


class HubClosed(RuntimeError):
    """The server is stopping."""


@dataclass(frozen=True, slots=True)
class HubStats:
    """The hub at one moment. Counters are since start."""

    published: int
    subscribers: int
    subscribers_by_channel: dict[str, int]
    buffer_sizes: dict[str, int]
    buffer_bytes: int
    evicted: int
    """Events that left the buffer to make room."""
    missed: int
    """Events that subscribers were told they missed."""
    refused: int
    """Subscribers refused because there were too many."""
    pending_dropped: int
    """Events dropped before the loop took them, because it was stuck."""


class StreamHub:
    """Fans events out. `start` on the loop that serves; `publish_threadsafe` from any thread."""

    def __init__(
        self,
        config: StreamConfig,
        *,
        node: str,
        clock: Callable[[], int],
        replay: ReplaySource | None = None,
    ) -> None:
        """Args: `node` is the id of the data directory; `clock` gives Unix nanoseconds."""
        self.config = config
        self.node = node
        self._clock = clock
        self._source = replay
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._subscriptions: dict[Subscription, None] = {}
        self._events: list[StreamEvent] = []
        self._base = 0
        """Ordinal of the first event in the buffer."""
        self._floor: Position | None = None
        self._floor_id = ""
        self._bytes = 0
        self._by_channel: Counter[str] = Counter()
        self._matching: dict[tuple[StreamFilter, int, int], list[StreamEvent]] = {}
        """What passes a filter, from one ordinal up to another; forgotten with the next events."""
        self._chunks: dict[tuple[StreamFilter, bool, int, int], bytes] = {}
        """The same as bytes."""
        self._lock = threading.Lock()
        self._pending: list[StreamEvent] = []
        self._lost: Missed | None = None
        self._lost_floor: Position | None = None
        self._scheduled = False
        self._last_flush = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._published = self._evicted = self._missed = self._refused = self._dropped = 0

    # Life.

    def start(self) -> None:
        """Bind to the running loop, and take what was published before."""
        self._loop = asyncio.get_running_loop()
        self._tick()
        self._flush()

    def stop(self) -> None:
        """End every stream cleanly and take no new one. Safe without `start`, and twice."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for subscription in list(self._subscriptions):
            subscription.close()

    @property
    def head_id(self) -> str:
        """The id of the newest event; empty while there was none."""
        return self._events[-1].event_id if self._events else self._floor_id

    @property
    def floor(self) -> Position | None:
        """Position of the newest event that left the buffer; None while none has."""
        return self._floor

    def now(self) -> float:
        """The loop's clock, in seconds."""
        return self._loop.time() if self._loop is not None else 0.0

    # Publishing.

    def publish_threadsafe(self, events: Sequence[StreamEvent]) -> None:
        """Hand events over, in order of position. Never blocks; after `stop` they are ignored."""
        if not events or self._closed:
            return
        with self._lock:
            self._pending.extend(events)
            excess = len(self._pending) - self.config.buffer_events
            if excess > 0:
                self._drop_pending(excess)
            if self._scheduled or self._loop is None:
                return
            self._scheduled = True
        try:
            self._loop.call_soon_threadsafe(self._flush_when_due)
        except RuntimeError:
            # The loop is closed: nobody is left to listen.
            self._closed = True

    def _drop_pending(self, excess: int) -> None:
        # The loop is stuck. What was dropped is known by its first and last id alone.
        dropped = self._pending[:excess]
        del self._pending[:excess]
        self._dropped += excess
        if self._lost is None:
            self._lost = Missed(dropped[0].event_id, "", 0, "", "server_busy")
        self._lost.last_id = dropped[-1].event_id
        self._lost.count += excess
        self._lost_floor = dropped[-1].position

    def _flush_when_due(self) -> None:
        loop = self._loop
        assert loop is not None, "flushes are scheduled on a loop"
        interval_ms = min(
            self.config.flush_interval_max_ms,
            max(self.config.flush_interval_ms, len(self._subscriptions) * _INTERVAL_MS),
        )
        wait_s = self._last_flush + interval_ms / 1000 - loop.time()
        if wait_s > 0:
            loop.call_later(wait_s, self._flush)
        else:
            self._flush()

    def _flush(self) -> None:
        with self._lock:
            events, self._pending = self._pending, []
            lost, self._lost = self._lost, None
            self._scheduled = False
        self._last_flush = self.now()
        if lost is not None:
            self._lose(lost)
        if events:
            head = self._base + len(self._events)
            self._append(events)
            self._published += len(events)
            self._wake_concerned(head)

    def _wake_concerned(self, head: int) -> None:
        """Wake subscribers; move on those that saw all up to `head` and want nothing since."""
        end = self._base + len(self._events)
        short = self._base <= head and end - head <= self.config.chunk_events
        last_id = self._events[-1].event_id if self._events else ""
        for subscription in self._subscriptions:
            if (
                short
                and subscription.cursor == head
                and subscription.idle
                and not self._between(subscription.wanted, head, end)
            ):
                subscription.cursor, subscription.last_id = end, last_id
            else:
                subscription.wake()

    def _between(self, wanted: StreamFilter, start: int, end: int) -> list[StreamEvent]:
        """The events that pass a filter, by their ordinals."""
        key = (wanted, start, end)
        found = self._matching.get(key)
        if found is None:
            matches = wanted.matches
            events = self._events[start - self._base : end - self._base]
            found = self._matching[key] = [event for event in events if matches(event)]
        return found

    def _lose(self, lost: Missed) -> None:
        # Nobody can tell whose events they were: everyone is told.
        if self._events:
            self._evict(len(self._events))
        self._floor, self._floor_id = self._lost_floor, lost.last_id
        for subscription in self._subscriptions:
            skip = subscription.skip_through
            replayed = skip is not None and self._floor is not None and self._floor <= skip
            if subscription.cursor is not None and not replayed:
                subscription.lose(lost)

    def _append(self, events: Sequence[StreamEvent]) -> None:
        self._chunks.clear()
        self._matching.clear()
        self._events.extend(events)
        self._count(events, 1)
        excess = max(0, len(self._events) - self.config.buffer_events)
        over_bytes = self._bytes - self.config.buffer_bytes
        if over_bytes > 0:
            freed = _size_bytes(self._events[:excess])
            while freed < over_bytes and excess < len(self._events):
                freed += _size_bytes(self._events[excess : excess + 1])
                excess += 1
        if excess:
            self._evict(excess)

    def _count(self, events: Sequence[StreamEvent], times: int) -> None:
        """Count events that come (1) or leave (-1): tens of thousands a second."""
        self._bytes += times * _size_bytes(events)
        for channel, count in Counter([event.channel for event in events]).items():
            self._by_channel[channel] += times * count

    def _evict(self, count: int) -> None:
        leaving = self._events[:count]
        new_base = self._base + len(leaving)
        for subscription in self._subscriptions:
            cursor = subscription.cursor
            if cursor is not None and cursor < new_base:
                subscription.miss(leaving[cursor - self._base :])
                subscription.cursor = new_base
        self._count(leaving, -1)
        self._floor, self._floor_id = leaving[-1].position, leaving[-1].event_id
        self._evicted += len(leaving)
        self._base = new_base
        del self._events[:count]

    # Subscribing.

    def subscribe(
        self,
        wanted: StreamFilter,
        *,
        named: bool = False,
        replay_buffer: bool = True,
        last_event_id: str | None = None,
    ) -> Subscription:
        """Take a subscriber.

        `last_event_id` resumes after that event, from memory or the replay source; without it
        `replay_buffer` sends what is in memory first.

        Raises:
            HubFull: there are `max_subscribers` already.
            HubClosed: the server is stopping.
            ValueError: `last_event_id` is no event id.
        """
        if self._closed:
            raise HubClosed("the server is stopping; connect again later")
        if len(self._subscriptions) >= self.config.max_subscribers:
            self._refused += 1
            raise HubFull(
                f"{self.config.max_subscribers} subscribers are connected, which is the limit; "
                "try again later or raise stream.max_subscribers"
            )
        resume = None
        unknown = False
        if last_event_id is not None:
            node, resume = parse_event_id(last_event_id)
            unknown = node != self.node or self._is_ahead(resume)
        subscription = Subscription(
            self,
            wanted,
            named=named,
            resume=None if unknown else resume,
            last_id="" if unknown or last_event_id is None else last_event_id,
        )
        if unknown:
            subscription.missed = Missed(last_event_id or "", "", 0, "", "unknown_id")
        if resume is None or unknown:
            replayed = replay_buffer or unknown
            subscription.cursor = self._base + (0 if replayed else len(self._events))
        self._subscriptions[subscription] = None
        return subscription

    def forget(self, subscription: Subscription) -> None:
        """The subscription is over."""
        self._subscriptions.pop(subscription, None)

    def _is_ahead(self, position: Position) -> bool:
        head = self._events[-1].position if self._events else self._floor
        return head is not None and position > head

    def covers(self, position: Position) -> bool:
        """Whether everything after `position` is in memory."""
        if self._source is None:
            return True
        if self._floor is not None:
            return position >= self._floor
        return bool(self._events) and self._events[0].position <= position

    async def replay_page(self, position: Position) -> list[StreamEvent]:
        """The next events after `position` that the replay source has."""
        if self._source is None:
            return []
        return await self._source.events_after(position, self.config.replay_page_events)

    def attach(self, subscription: Subscription, position: Position) -> None:
        """Go on live after `position`. Without an await in between, so nothing can slip past."""
        if subscription.missed is None and self._floor is not None and position < self._floor:
            # The source no longer has it either.
            subscription.missed = Missed("", self._floor_id, 0, "", "not_kept")
        index = bisect_right(self._events, position, key=_position)
        subscription.cursor = self._base + index
        if index == len(self._events):
            # The source may be ahead of the hub: what it gave must not come twice.
            subscription.skip_through = position

    # Reading, by subscriptions.

    def behind(self, subscription: Subscription) -> bool:
        """Whether the buffer holds something the subscription has not looked at."""
        cursor = subscription.cursor
        return cursor is not None and cursor < self._base + len(self._events)

    def pull(self, subscription: Subscription) -> bytes:
        """The next frames for a subscription, and its cursor moved behind them."""
        start, end = self._advance(subscription)
        if start >= end:
            return b""
        wanted, named = subscription.wanted, subscription.named
        key = (wanted, named, start, end)
        chunk = self._chunks.get(key)
        if chunk is None:
            events = self._between(wanted, start, end)
            chunk = self._chunks[key] = b"".join([event.frame(named=named) for event in events])
        return chunk

    def pull_events(self, subscription: Subscription) -> list[StreamEvent]:
        """The next events for a subscription, and its cursor moved behind them."""
        start, end = self._advance(subscription)
        return list(self._between(subscription.wanted, start, end)) if start < end else []

    def _advance(self, subscription: Subscription) -> tuple[int, int]:
        """Move a subscription's cursor; the ordinals that it moved over, the last one excluded."""
        cursor = subscription.cursor
        if cursor is None or not self.behind(subscription):
            return 0, 0
        start = cursor - self._base
        end = min(len(self._events), start + self.config.chunk_events)
        subscription.cursor = self._base + end
        subscription.last_id = self._events[end - 1].event_id
        skip = subscription.skip_through
        if skip is not None:
            start = max(start, bisect_right(self._events, skip, key=_position))
            if start < len(self._events):
                subscription.skip_through = None
        return self._base + start, self._base + end

    def lag_notice(self, missed: Missed) -> bytes:
        """The message that tells a subscriber what it missed. It has no id of its own."""
        self._missed += missed.count
        data = {
            "first_id": missed.first_id,
            "last_id": missed.last_id,
            "missed": missed.count,
            "resume_after": missed.resume_after,
            "reason": missed.reason,
        }
        body = {
            "channel": ALL,
            "event_type": "stream_lagged",
            "timestamp": msgspec.Raw(seconds_text(self._clock()).encode()),
            "data": data,
        }
        return b"data: %b\n\n" % msgspec.json.encode(body)

    # Watching.

    def _tick(self) -> None:
        if self._closed or self._loop is None:
            return
        now = self._loop.time()
        for subscription in list(self._subscriptions):
            since = subscription.sending_since
            if since is not None:
                if now - since > self.config.send_timeout_s and subscription.on_stuck is not None:
                    subscription.on_stuck()
                continue
            if subscription.quiet:
                subscription.keepalive_due = True
                subscription.wake()
            subscription.quiet = True
        self._timer = self._loop.call_later(self.config.keepalive_s, self._tick)

    def stats(self) -> HubStats:
        """A picture of the hub; call it on the loop."""
        subscribers = {
            channel: sum(1 for s in self._subscriptions if s.wanted.includes_channel(channel))
            for channel in CHANNELS
            if channel != ALL
        }
        subscribers[ALL] = sum(1 for s in self._subscriptions if s.wanted.channels is None)
        sizes = {channel: self._by_channel[channel] for channel in CHANNELS if channel != ALL}
        sizes[ALL] = len(self._events)
        return HubStats(
            published=self._published,
            subscribers=len(self._subscriptions),
            subscribers_by_channel=subscribers,
            buffer_sizes=sizes,
            buffer_bytes=self._bytes,
            evicted=self._evicted,
            missed=self._missed,
            refused=self._refused,
            pending_dropped=self._dropped,
        )


def _size_bytes(events: Sequence[StreamEvent]) -> int:
    """What events take in memory."""
    return sum([len(event.data) for event in events]) + len(events) * _EVENT_OVERHEAD_BYTES
