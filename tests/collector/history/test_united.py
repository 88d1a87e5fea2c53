"""What is archived and what is not, while events move from one to the other."""

from __future__ import annotations

import random

import pytest
from tests.support.events import ListOutbox, make_line
from tests.support.history import ListHistory

from neurorail.collector.history import (
    Boundary,
    EventFilter,
    EventKey,
    OutboxEvents,
    UnitedHistory,
)
from neurorail.collector.stream import EventLine

ANY = EventFilter("default")
LINES = [make_line(seq) for seq in range(1, 61)]


class Moving(OutboxEvents):
    """An outbox whose front is archived and pruned between any two reads of it."""

    def __init__(self, outbox: ListOutbox, archive: ListHistory, seed: int) -> None:
        super().__init__(outbox)
        self._queue = outbox
        self._archive = archive
        self._dice = random.Random(seed)

    def _move(self) -> None:
        for _ in range(self._dice.randint(0, 3)):
            if len(self._queue.batches) > 1:
                first = self._queue.batches[0]
                moved = [x for x in LINES if x.seq <= first.last_seq]
                self._archive.lines = moved
                self._queue.prune(first.ordinal)

    async def boundary(self) -> Boundary | None:
        self._move()
        return await super().boundary()

    async def newest(
        self, wanted: EventFilter, *, before: EventKey | None, limit: int
    ) -> list[EventLine]:
        self._move()
        found = await super().newest(wanted, before=before, limit=limit)
        self._move()
        return found

    async def oldest(
        self, wanted: EventFilter, *, after: EventKey | None, limit: int
    ) -> list[EventLine]:
        self._move()
        found = await super().oldest(wanted, after=after, limit=limit)
        self._move()
        return found


def moving(seed: int) -> UnitedHistory:
    outbox, archive = ListOutbox(), ListHistory()
    for start in range(0, 60, 3):
        outbox.add(*LINES[start : start + 3])
    return UnitedHistory(archive, Moving(outbox, archive, seed))


@pytest.mark.parametrize("seed", range(20))
async def test_united_events_are_complete_while_they_are_archived(seed: int) -> None:
    history = moving(seed)
    found: list[EventLine] = []
    before: EventKey | None = None
    while True:
        page = await history.events(ANY, before=before, limit=7)
        found.extend(page.events)
        before = page.next_key
        if before is None:
            break
    assert found == LINES[::-1]


@pytest.mark.parametrize("seed", range(20))
async def test_united_transitions_are_complete_while_they_are_archived(seed: int) -> None:
    history = moving(seed)
    found: list[EventLine] = []
    after: EventKey | None = None
    while True:
        page = await history.transitions("default", "j_1", after=after, limit=7)
        found.extend(page.events)
        after = page.next_key
        if after is None:
            break
    assert found == LINES


@pytest.mark.parametrize("archived", [0, 20, 40, 60])
@pytest.mark.parametrize("skip", [1, 19, 20, 21, 59, 60, 99])
async def test_united_events_skip_over_both_sides(archived: int, skip: int) -> None:
    outbox, archive = ListOutbox(), ListHistory(lines=LINES[:archived])
    if archived < len(LINES):
        outbox.add(*LINES[archived:])
    history = UnitedHistory(archive, OutboxEvents(outbox))
    page = await history.events(ANY, before=None, limit=7, skip=skip)
    assert page.events == LINES[::-1][skip : skip + 7]
    key = EventKey.of(LINES[-1])
    page = await history.events(ANY, before=key, limit=7, skip=skip)
    assert page.events == LINES[::-1][skip + 1 : skip + 8]


async def test_united_counts_each_event_once_when_archived_and_not_pruned() -> None:
    outbox, archive = ListOutbox(), ListHistory(lines=LINES[:40])
    outbox.add(*LINES[30:50])
    outbox.add(*LINES[50:])
    counts = await UnitedHistory(archive, OutboxEvents(outbox)).counts(ANY)
    assert counts.total == 60


async def test_united_counts_do_not_fail_while_everything_moves() -> None:
    for seed in range(20):
        assert (await moving(seed).counts(ANY)).total <= 60
