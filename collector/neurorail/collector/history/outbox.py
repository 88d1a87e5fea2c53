"""Events that are not archived yet, read from the outbox.

The outbox may hold much when the archive is away. Nothing of it is kept here: batches are found by
halving, read in pages on a worker thread, and a line is decoded only if the text looked for is in
it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from neurorail.collector.history.protocols import Boundary, EventCounts, EventFilter, EventKey
from neurorail.collector.stream.event import EventLine, Position, decode_line

_PAGE_BYTES: Final = 4 * 1024 * 1024
_WINDOW: Final = 8


class Batch(Protocol):
    """One batch of the outbox: JSON lines, in order."""

    @property
    def ordinal(self) -> int:
        """Its place in the outbox; it only grows."""
        ...

    @property
    def last_seq(self) -> int:
        """The newest record that has events in it."""
        ...

    @property
    def lines(self) -> bytes:
        """One event a line."""
        ...


class OutboxReader(Protocol):
    """The reading side of the outbox; from any thread."""

    def read(self, after_ordinal: int, max_bytes: int) -> Sequence[Batch]:
        """Batches after an ordinal, in order: at least one if there is one."""
        ...


class OutboxEvents:
    """Recent events over an outbox. Blocking reads run on worker threads."""

    def __init__(self, outbox: OutboxReader) -> None:
        self._outbox = outbox

    async def boundary(self) -> Boundary | None:
        """Where the outbox begins; None when it is empty."""
        return await asyncio.to_thread(self._boundary)

    async def newest(
        self, wanted: EventFilter, *, before: EventKey | None, limit: int
    ) -> list[EventLine]:
        """At most `limit` events, newest first, all older than `before`."""
        return await asyncio.to_thread(self._newest, wanted, before, limit)

    async def oldest(
        self, wanted: EventFilter, *, after: EventKey | None, limit: int
    ) -> list[EventLine]:
        """At most `limit` events, oldest first, all newer than `after`."""
        return await asyncio.to_thread(self._oldest, wanted, after, limit)

    async def counts(self, wanted: EventFilter, *, since: Boundary) -> EventCounts:
        """Counts of events at or after a boundary."""
        return await asyncio.to_thread(self._counts, wanted, since)

    def after_position(self, position: Position, limit: int) -> list[EventLine]:
        """At most `limit` events after a position, oldest first, of all tenants. Blocks."""
        found: list[EventLine] = []
        start = self._last_ordinal_before(position[1])
        for batch in self._forward(start):
            for line in batch.lines.splitlines():
                event = decode_line(line)
                if event.position > position:
                    found.append(event)
                    if len(found) == limit:
                        return found
        return found

    def _boundary(self) -> Boundary | None:
        for batch in self._forward(0, max_bytes=1):
            if batch.lines:
                first = decode_line(batch.lines.split(b"\n", 1)[0])
                return Boundary(first.node, first.position)
        return None

    def _newest(self, wanted: EventFilter, before: EventKey | None, limit: int) -> list[EventLine]:
        found: list[EventLine] = []
        needles = _needles(wanted)
        for batch in self._backward():
            for event in reversed(_matching(batch, wanted, needles)):
                if before is None or EventKey.of(event) < before:
                    found.append(event)
            if len(found) >= limit:
                break
        return found[:limit]

    def _oldest(self, wanted: EventFilter, after: EventKey | None, limit: int) -> list[EventLine]:
        found: list[EventLine] = []
        needles = _needles(wanted)
        for batch in self._forward(0):
            for event in _matching(batch, wanted, needles):
                if after is None or EventKey.of(event) > after:
                    found.append(event)
            if len(found) >= limit:
                break
        return found[:limit]

    def _counts(self, wanted: EventFilter, since: Boundary) -> EventCounts:
        counts = EventCounts()
        needles = _needles(wanted)
        for batch in self._forward(0):
            for event in _matching(batch, wanted, needles):
                if event.node == since.node and event.position >= since.position:
                    counts.add(event.event_type, event.severity, event.event_category, 1)
        return counts

    def _forward(self, after_ordinal: int, max_bytes: int = _PAGE_BYTES) -> Iterator[Batch]:
        while batches := self._outbox.read(after_ordinal, max_bytes):
            yield from batches
            after_ordinal = batches[-1].ordinal

    def _backward(self) -> Iterator[Batch]:
        newest = self._last_ordinal()
        window = _WINDOW
        while newest > 0:
            start = max(0, newest - window)
            batches: list[Batch] = []
            for batch in self._forward(start):
                if batch.ordinal > newest:
                    break
                batches.append(batch)
            yield from reversed(batches)
            if not batches:
                return
            newest = start

    def _last_ordinal(self) -> int:
        """The newest ordinal, 0 for an empty outbox; by doubling, then halving."""
        first = self._outbox.read(0, 1)
        if not first:
            return 0
        low, step = first[-1].ordinal, 1
        while further := self._outbox.read(low + step - 1, 1):
            low, step = further[-1].ordinal, step * 2
        high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            further = self._outbox.read(middle - 1, 1)
            if further:
                low = max(middle, further[-1].ordinal)
            else:
                high = middle
        return low

    def _last_ordinal_before(self, seq: int) -> int:
        """An ordinal after which everything of records from `seq` on follows."""
        first = self._outbox.read(0, 1)
        if not first or first[0].last_seq >= seq:
            return 0
        low, high = first[0].ordinal, self._last_ordinal() + 1
        while high - low > 1:
            middle = (low + high) // 2
            found = self._outbox.read(middle - 1, 1)
            if found and found[0].last_seq < seq:
                low = max(middle, found[0].ordinal)
            else:
                high = middle
        return low


def _needles(wanted: EventFilter) -> tuple[bytes, ...]:
    texts = [*wanted.chain.values(), wanted.event_type]
    return tuple(b'"%b"' % text.encode() for text in texts if text)


def _matching(batch: Batch, wanted: EventFilter, needles: tuple[bytes, ...]) -> list[EventLine]:
    lines = batch.lines
    if not all(needle in lines for needle in needles):
        return []
    decoded = (
        decode_line(line)
        for line in lines.splitlines()
        if all(needle in line for needle in needles)
    )
    return [event for event in decoded if wanted.matches(event)]
