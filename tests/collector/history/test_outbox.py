"""Reading the outbox: by halving, backwards and forwards, with gaps and pruned fronts."""

from __future__ import annotations

import random

import pytest
from tests.support.events import ListOutbox, make_line

from neurorail.collector.history import Boundary, EventFilter, EventKey, OutboxEvents
from neurorail.collector.stream import EventLine

ANY = EventFilter("default")


def filled(batches: int, per_batch: int, seed: int = 0) -> tuple[ListOutbox, list[EventLine]]:
    """An outbox whose ordinals have gaps and whose front may be pruned."""
    dice = random.Random(seed)
    outbox, lines, seq = ListOutbox(), [], 0
    for _ in range(batches):
        batch = []
        for _ in range(per_batch):
            seq += dice.choice((1, 1, 3))
            batch.append(make_line(seq))
        outbox.add(*batch)
        outbox.next_ordinal += dice.choice((0, 0, 1, 5))
        lines.extend(batch)
    return outbox, lines


async def test_outbox_empty_has_no_boundary_and_no_events() -> None:
    events = OutboxEvents(ListOutbox())
    assert await events.boundary() is None
    assert await events.newest(ANY, before=None, limit=5) == []
    assert await events.oldest(ANY, after=None, limit=5) == []
    assert events.after_position((0, 0, 0), 5) == []


async def test_outbox_boundary_is_its_first_event() -> None:
    outbox, lines = filled(5, 3)
    events = OutboxEvents(outbox)
    assert await events.boundary() == Boundary("n1", lines[0].position)
    outbox.prune(outbox.batches[1].ordinal)
    assert await events.boundary() == Boundary("n1", lines[6].position)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("batches", [1, 2, 9, 40])
async def test_outbox_newest_and_oldest_find_every_event(seed: int, batches: int) -> None:
    outbox, lines = filled(batches, 3, seed)
    outbox.prune(outbox.batches[batches // 3].ordinal if batches > 2 else 0)
    kept = lines[(batches // 3 + 1) * 3 :] if batches > 2 else lines
    events = OutboxEvents(outbox)
    assert await events.newest(ANY, before=None, limit=10_000) == kept[::-1]
    assert await events.oldest(ANY, after=None, limit=10_000) == kept
    middle = EventKey.of(kept[len(kept) // 2])
    assert await events.newest(ANY, before=middle, limit=2) == kept[: len(kept) // 2][::-1][:2]
    assert await events.oldest(ANY, after=middle, limit=2) == kept[len(kept) // 2 + 1 :][:2]


@pytest.mark.parametrize("seed", range(5))
async def test_outbox_after_position_goes_on_exactly_there(seed: int) -> None:
    outbox, lines = filled(17, 2, seed)
    events = OutboxEvents(outbox)
    for at in range(len(lines)):
        assert events.after_position(lines[at].position, 3) == lines[at + 1 : at + 4]
    assert events.after_position((0, 0, 0), 1_000) == lines


async def test_outbox_finds_an_entity_among_many() -> None:
    outbox, _ = filled(30, 5)
    needle = make_line(1_000, "cost_tracked", ids=("m_2", "p_2", "j_2"))
    outbox.add(needle)
    outbox.add(make_line(1_001, data={"reason": "m_2"}))
    events = OutboxEvents(outbox)
    wanted = EventFilter("default", {"mission_id": "m_2"})
    assert await events.oldest(wanted, after=None, limit=10) == [needle]
    counts = await events.counts(wanted, since=Boundary("n1", (1, 0, 0)))
    assert (counts.total, counts.by_type) == (1, {"cost_tracked": 1})
    counts = await events.counts(wanted, since=Boundary("n1", (1, 1_001, 0)))
    assert counts.total == 0
