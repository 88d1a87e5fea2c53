"""No event is missed while events move from the outbox to the archive."""

from __future__ import annotations

import random

import pytest
from tests.support.events import NODE, ListOutbox, make_line
from tests.support.history import ListHistory

from neurorail.collector.history import Boundary, EventsAfter, OutboxEvents
from neurorail.collector.stream.event import EventLine, Position

LINES = [make_line(seq, index=at) for seq in range(1, 41) for at in range(seq % 3)]


class Archive(ListHistory):
    """An audit table in memory that also reads by position, and counts how often it is asked."""

    asked = 0

    async def after_position(
        self, node: str, position: Position, limit: int, outside: Boundary | None
    ) -> list[EventLine]:
        self.asked += 1
        found = [
            line
            for line in self.lines
            if line.node == node
            and line.position > position
            and (outside is None or line.position < outside.position)
        ]
        return found[:limit]


class Moving(OutboxEvents):
    """An outbox whose front is archived and pruned around any read of it."""

    def __init__(self, outbox: ListOutbox, archive: Archive, seed: int) -> None:
        super().__init__(outbox)
        self.queue, self.archive, self.dice = outbox, archive, random.Random(seed)

    def move(self) -> None:
        for _ in range(self.dice.randint(0, 4)):
            if self.queue.batches:
                first = self.queue.batches[0]
                self.archive.lines = [x for x in LINES if x.seq <= first.last_seq]
                self.queue.prune(first.ordinal)

    async def boundary(self) -> Boundary | None:
        self.move()
        found = await super().boundary()
        self.move()
        return found

    def after_position(self, position: Position, limit: int) -> list[EventLine]:
        self.move()
        found = super().after_position(position, limit)
        self.move()
        return found


@pytest.mark.parametrize("seed", range(30))
async def test_every_event_is_read_once_and_in_order(seed: int) -> None:
    outbox, archive = ListOutbox(), Archive([])
    for seq in range(1, 41):
        lines = [line for line in LINES if line.seq == seq]
        if lines:
            outbox.add(*lines)
    moving = Moving(outbox, archive, seed)
    reader = EventsAfter(NODE, archive, moving)  # type: ignore[arg-type]
    found: list[EventLine] = []
    position: Position = (0, 1, 0)
    while page := await reader.read(position, 5):
        found += page
        position = page[-1].position
    assert found == LINES


async def test_the_archive_is_not_asked_for_what_is_still_in_the_outbox() -> None:
    outbox, archive = ListOutbox(), Archive([])
    outbox.add(make_line(5), make_line(6))
    reader = EventsAfter(NODE, archive, OutboxEvents(outbox))  # type: ignore[arg-type]
    assert [line.seq for line in await reader.read((1, 5, 0), 10)] == [6]
    assert await reader.read((1, 6, 0), 10) == []
    assert archive.asked == 0
    assert [line.seq for line in await reader.read((1, 3, 0), 10)] == [5, 6]
    assert archive.asked == 1
