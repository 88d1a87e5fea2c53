"""The archive's questions, asked of a real engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.events import START_UNIX_NANO, ListOutbox, event_line_bytes, make_line

from neurorail.collector.archive.formats import EVENTS_FORMAT, EVENTS_TABLE
from neurorail.collector.archive.formats import event_settings as settings
from neurorail.collector.history import (
    Boundary,
    EventFilter,
    EventKey,
    EventsAfter,
    HistoryUnavailable,
    OutboxEvents,
    StoreHistory,
)
from neurorail.collector.store.config import StoreConfig
from neurorail.collector.store.store import Store

ANY = EventFilter("default")
LINES = [
    make_line(1),
    make_line(2, "cost_tracked", data={"cost": "0.000000000001", "n": 10**25}),
    make_line(2, index=1, ids=("m_2", "p_2")),
    make_line(3, "budget_violation", severity="error", ids=("m_2", "p_2", "j_2", "a_2", "r_2")),
    make_line(4, tenant="other"),
    make_line(5, message="quotes ' \" \\ and \n lines; ü"),
    make_line(6, epoch=2),
    make_line(7, node="n2"),
]
OWN = [line for line in LINES if line.tenant == "default"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The embedded engine with all lines archived."""
    directory: Path = tmp_path_factory.mktemp("store")
    opened = Store(StoreConfig(url=f"chdb://{directory}"))
    opened.start()
    block = [event_line_bytes(line) for line in LINES]
    opened.raw_insert(EVENTS_TABLE, block, EVENTS_FORMAT, settings("lines"))
    yield opened
    opened.stop()


async def test_archived_events_come_back_as_they_were(store: Store) -> None:
    found = await StoreHistory(store).events(ANY, before=None, limit=100, outside=None)
    assert found == OWN[::-1]


@pytest.mark.parametrize(
    ("wanted", "seqs"),
    [
        (EventFilter("default", {"mission_id": "m_2"}), [3, 2]),
        (EventFilter("default", {"entity_id": "p_2"}), [2]),
        (EventFilter("default", event_type="cost_tracked"), [2]),
        (EventFilter("default", channel="enforcement"), [3, 2]),
        (EventFilter("default", event_category="safety"), [3]),
        (EventFilter("default", severities=("error", "critical")), [3]),
        (EventFilter("default", since_unix_nano=START_UNIX_NANO + 6 * 10**9), [7, 6]),
        (EventFilter("default", until_unix_nano=START_UNIX_NANO + 2 * 10**9), [1]),
        (EventFilter("default", {"mission_id": "' OR 1=1 --"}), []),
        (EventFilter("other"), [4]),
    ],
)
async def test_archived_events_filter(store: Store, wanted: EventFilter, seqs: list[int]) -> None:
    history = StoreHistory(store)
    found = await history.events(wanted, before=None, limit=100, outside=None)
    assert [line.seq for line in found] == seqs
    assert (await history.counts(wanted, outside=None)).total == len(seqs)


async def test_archived_pages_and_boundary(store: Store) -> None:
    history = StoreHistory(store)
    first = await history.events(ANY, before=None, limit=3, outside=None)
    rest = await history.events(ANY, before=EventKey.of(first[-1]), limit=100, outside=None)
    assert [*first, *rest] == OWN[::-1]
    # Another server's events are its own affair: its outbox is not ours.
    outside = Boundary("n1", (1, 3, 0))
    found = await history.events(ANY, before=None, limit=100, outside=outside)
    assert [line.seq for line in found] == [7, 2, 2, 1]
    counts = await history.counts(ANY, outside=outside)
    assert counts.by_type == {"state_changed": 3, "cost_tracked": 1}


async def test_archived_transitions_oldest_first(store: Store) -> None:
    history = StoreHistory(store)
    moves = EventFilter("default", {"entity_id": "j_1"}, event_type="state_changed")
    found = await history.newer(moves, after=None, limit=2, outside=None)
    assert [line.seq for line in found] == [1, 5]
    after = EventKey.of(found[-1])
    found = await history.newer(moves, after=after, limit=9, outside=None)
    assert [line.seq for line in found] == [6, 7]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_replay_reads_the_archive_and_then_the_outbox(store: Store, limit: int) -> None:
    outbox = ListOutbox()
    # Partly archived already; the rest only here.
    outbox.add(LINES[5], LINES[6])
    outbox.add(make_line(8, epoch=2), make_line(9, epoch=2))
    replay = EventsAfter("n1", StoreHistory(store), OutboxEvents(outbox))
    seen: list[str] = []
    position = (1, 1, 0)
    while events := await replay.events_after(position, limit):
        assert len(events) <= limit
        seen.extend(event.event_id for event in events)
        position = events[-1].position
    own_node = [line.event_id for line in LINES[1:7]]
    assert seen == [*own_node, "n1.2.8.0", "n1.2.9.0"]


async def test_replay_goes_on_after_many_records_without_events(store: Store) -> None:
    far = [make_line(seq, node="n3") for seq in (5, 700, 701, 1_000_000)]
    block = [event_line_bytes(line) for line in far]
    store.raw_insert(EVENTS_TABLE, block, EVENTS_FORMAT, settings("far"))
    history = StoreHistory(store)
    seen: list[int] = []
    position = (0, 0, 0)
    while lines := await history.after_position("n3", position, 2, None):
        seen += [line.seq for line in lines]
        position = lines[-1].position
    assert seen == [5, 700, 701, 1_000_000]


async def test_replay_data_is_byte_for_byte_what_was_published(store: Store) -> None:
    replay = EventsAfter("n1", StoreHistory(store), OutboxEvents(ListOutbox()))
    events = await replay.events_after((1, 1, 0), 1)
    assert events[0].frame(named=True) == LINES[1].to_stream_event().frame(named=True)
    assert events[0].entity_ids == LINES[1].to_stream_event().entity_ids


async def test_archive_that_is_away_is_unavailable(tmp_path: Path) -> None:
    history = StoreHistory(Store(StoreConfig(url=f"chdb://{tmp_path}")))
    with pytest.raises(HistoryUnavailable, match="does not answer"):
        await history.events(ANY, before=None, limit=1, outside=None)
