"""The hub: each event once, in order, to everyone who wants it, whatever the others do."""

from __future__ import annotations

import asyncio
import random
import re
import threading
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest
from tests.support.events import NODE, ListReplay, make_event

from neurorail.collector.stream import (
    HubClosed,
    HubFull,
    Position,
    ReplaySource,
    StreamConfig,
    StreamEvent,
    StreamFilter,
    StreamHub,
    Subscription,
)

EVERYTHING = StreamFilter.of("default")


class Reader:
    """Reads a subscription as a client would."""

    def __init__(self, subscription: Subscription) -> None:
        self.chunks: list[bytes] = []
        self._changed = asyncio.Event()
        self._stream = subscription.chunks()
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for chunk in self._stream:
            self.chunks.append(chunk)
            self._changed.set()

    @property
    def text(self) -> str:
        return b"".join(self.chunks).decode()

    @property
    def ids(self) -> list[str]:
        return re.findall(r"^id: (.*)$", self.text, re.MULTILINE)

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not done():
                self._changed.clear()
                if not done():
                    await self._changed.wait()


def ids(*seqs: int) -> list[str]:
    return [f"{NODE}.1.{seq}.0" for seq in seqs]


def make_hub(replay: ReplaySource | None = None, **limits: float) -> StreamHub:
    config = msgspec.convert(limits, dict[str, float | int])
    return StreamHub(
        StreamConfig(**config),  # type: ignore[arg-type]
        node=NODE,
        clock=lambda: 1_764_000_000_000_000_000,
        replay=replay,
    )


@pytest.fixture
async def hub() -> AsyncIterator[StreamHub]:
    made = make_hub()
    made.start()
    yield made
    made.stop()


async def test_hub_publishes_each_event_once_in_order(hub: StreamHub) -> None:
    wanted = StreamFilter.of("default", ["lifecycle", "audit", "all"])
    reader = Reader(hub.subscribe(wanted))
    for seq in range(1, 1_001):
        hub.publish_threadsafe([make_event(seq)])
    await reader.until(lambda: len(reader.ids) >= 1_000)
    assert reader.ids == ids(*range(1, 1_001))


async def test_hub_retry_comes_first(hub: StreamHub) -> None:
    reader = Reader(hub.subscribe(EVERYTHING))
    await reader.until(lambda: bool(reader.chunks))
    assert reader.chunks[0] == b"retry: 2000\n\n"


async def test_hub_takes_events_from_other_threads(hub: StreamHub) -> None:
    reader = Reader(hub.subscribe(EVERYTHING))

    def publish() -> None:
        for seq in range(1, 501):
            hub.publish_threadsafe([make_event(seq)])

    thread = threading.Thread(target=publish)
    thread.start()
    await reader.until(lambda: len(reader.ids) >= 500)
    thread.join()
    assert reader.ids == ids(*range(1, 501))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (StreamFilter.of("default"), [1, 2, 3]),
        (StreamFilter.of("default", ["audit"]), [2]),
        (StreamFilter.of("default", ["audit", "enforcement"]), [2, 3]),
        (StreamFilter.of("default", [], ["cost_tracked"]), [3]),
        (StreamFilter.of("default", [], [], ["m_b"]), [2, 3]),
        (StreamFilter.of("default", ["lifecycle"], [], ["m_b"]), []),
        (StreamFilter.of("other"), [4]),
        (StreamFilter.of(None), [1, 2, 3, 4]),
    ],
    ids=["all", "channel", "channels", "type", "entity", "nothing", "tenant", "all tenants"],
)
async def test_hub_filters_by_tenant_channel_type_and_entity(
    hub: StreamHub, wanted: StreamFilter, expected: list[int]
) -> None:
    reader = Reader(hub.subscribe(wanted))
    last = Reader(hub.subscribe(StreamFilter.of("last")))
    hub.publish_threadsafe(
        [
            make_event(1, ids=("m_a",)),
            make_event(2, "execution_start", ids=("m_b", "p_b", "j_b", "a_b")),
            make_event(3, "cost_tracked", ids=("m_b", "p_b", "j_b", "a_b", "r_b")),
            make_event(4, tenant="other"),
            make_event(5, tenant="last"),
        ]
    )
    await last.until(lambda: last.ids == ids(5))
    await reader.until(lambda: len(reader.ids) >= len(expected))
    assert [seq for seq in reader.ids if not seq.endswith(".5.0")] == ids(*expected)


async def test_hub_replays_memory_unless_told_not_to(hub: StreamHub) -> None:
    early = Reader(hub.subscribe(EVERYTHING))
    hub.publish_threadsafe([make_event(1), make_event(2)])
    await early.until(lambda: len(early.ids) == 2)
    with_buffer = Reader(hub.subscribe(EVERYTHING))
    live_only = Reader(hub.subscribe(EVERYTHING, replay_buffer=False))
    hub.publish_threadsafe([make_event(3)])
    await with_buffer.until(lambda: len(with_buffer.ids) == 3)
    await live_only.until(lambda: bool(live_only.ids))
    assert with_buffer.ids == ids(1, 2, 3)
    assert live_only.ids == ids(3)


async def test_hub_resumes_from_memory_after_an_id(hub: StreamHub) -> None:
    early = Reader(hub.subscribe(EVERYTHING))
    hub.publish_threadsafe([make_event(seq) for seq in range(1, 6)])
    await early.until(lambda: len(early.ids) == 5)
    resumed = Reader(hub.subscribe(EVERYTHING, last_event_id=f"{NODE}.1.3.0"))
    await resumed.until(lambda: len(resumed.ids) == 2)
    assert resumed.ids == ids(4, 5)


async def test_hub_resumes_across_a_restart_from_the_replay_source() -> None:
    replay = ListReplay([make_event(seq) for seq in range(1, 3_001)])
    hub = make_hub(replay, replay_page_events=700)
    hub.start()
    resumed = Reader(hub.subscribe(EVERYTHING, last_event_id=f"{NODE}.1.10.0"))
    await resumed.until(lambda: len(resumed.ids) == 2_990)
    hub.publish_threadsafe([make_event(3_001)])
    await resumed.until(lambda: len(resumed.ids) == 2_991)
    assert resumed.ids == ids(*range(11, 3_002))
    hub.stop()
    await resumed.task


@pytest.mark.parametrize("seed", range(8))
async def test_hub_replay_goes_live_without_gap_or_repetition(seed: int) -> None:
    """Events are stored before they are published, and both go on while the past is read."""
    dice = random.Random(seed)
    replay = ListReplay([make_event(seq) for seq in range(1, 501)])
    hub = make_hub(replay, replay_page_events=dice.randint(5, 200), buffer_events=200)
    hub.start()
    start = dice.randint(0, 400)
    resumed = Reader(hub.subscribe(EVERYTHING, last_event_id=f"{NODE}.1.{start}.0"))
    unpublished: list[StreamEvent] = []
    for first in range(501, 2_501, 20):
        batch = [make_event(seq) for seq in range(first, first + 20)]
        replay.events.extend(batch)
        unpublished.extend(batch)
        for _ in range(dice.randint(0, 3)):
            await asyncio.sleep(0)
        if dice.random() < 0.5 or len(unpublished) >= 100:
            hub.publish_threadsafe(unpublished)
            unpublished = []
            published = first - 500 + 19
            async with asyncio.timeout(60):
                while hub.stats().published < published:
                    await asyncio.sleep(0)
    hub.publish_threadsafe([*unpublished, make_event(2_501)])
    await resumed.until(lambda: bool(resumed.ids) and resumed.ids[-1] == ids(2_501)[0])
    assert resumed.ids == ids(*range(start + 1, 2_502))
    assert "stream_lagged" not in resumed.text
    hub.stop()
    await resumed.task


async def test_hub_tells_a_slow_subscriber_what_it_missed_and_serves_the_others() -> None:
    hub = make_hub(buffer_events=100, chunk_events=10)
    hub.start()
    slow = hub.subscribe(EVERYTHING).chunks()
    assert await anext(slow) == b"retry: 2000\n\n"
    fast = Reader(hub.subscribe(EVERYTHING))
    hub.publish_threadsafe([make_event(1)])
    await fast.until(lambda: len(fast.ids) == 1)
    assert b"id: n1.1.1.0\n" in await anext(slow)
    for start in range(2, 1_002, 50):
        hub.publish_threadsafe([make_event(seq) for seq in range(start, start + 50)])
        await fast.until(lambda start=start: len(fast.ids) >= start + 49)  # type: ignore[misc]
    assert fast.ids == ids(*range(1, 1_002))
    notice = await anext(slow)
    message = msgspec.json.decode(notice.removeprefix(b"data: "))
    assert message["event_type"] == "stream_lagged"
    assert b"id:" not in notice.split(b"\n")
    assert message["data"] == {
        "first_id": "n1.1.2.0",
        "last_id": "n1.1.901.0",
        "missed": 900,
        "resume_after": "n1.1.1.0",
        "reason": "behind",
    }
    assert b"id: n1.1.902.0\n" in await anext(slow)
    assert hub.stats().missed == 900
    assert "stream_lagged" not in fast.text
    hub.stop()
    await fast.task
    await slow.aclose()  # type: ignore[attr-defined]


async def test_hub_lag_notice_names_only_what_the_subscriber_wanted() -> None:
    hub = make_hub(buffer_events=10)
    hub.start()
    wanted = StreamFilter.of("default", ["enforcement"])
    slow = hub.subscribe(wanted).chunks()
    await anext(slow)
    fast = Reader(hub.subscribe(EVERYTHING))
    types = ["state_changed", "cost_tracked", "state_changed", "cost_tracked"]
    hub.publish_threadsafe([make_event(seq, kind) for seq, kind in enumerate(types, 1)])
    await fast.until(lambda: len(fast.ids) == 4)
    for seq in range(5, 25):
        hub.publish_threadsafe([make_event(seq)])
        await fast.until(lambda seq=seq: len(fast.ids) == seq)  # type: ignore[misc]
    data = msgspec.json.decode((await anext(slow)).removeprefix(b"data: "))["data"]
    assert (data["first_id"], data["last_id"], data["missed"]) == ("n1.1.2.0", "n1.1.4.0", 2)
    hub.stop()
    await fast.task
    await slow.aclose()  # type: ignore[attr-defined]


async def test_hub_leaves_alone_whom_events_do_not_concern(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub = make_hub(buffer_events=10)
    hub.start()
    subscription = hub.subscribe(StreamFilter.of("default", ["enforcement"]))
    idle, fast = Reader(subscription), Reader(hub.subscribe(EVERYTHING))
    await idle.until(lambda: len(idle.chunks) == 1 and subscription.idle)
    woken: list[int] = []
    wake = subscription.wake

    def counted() -> None:
        woken.append(1)
        wake()

    monkeypatch.setattr(subscription, "wake", counted)
    for seq in range(1, 31):
        hub.publish_threadsafe([make_event(seq)])
        await fast.until(lambda seq=seq: len(fast.ids) == seq)  # type: ignore[misc]
    assert woken == []
    hub.publish_threadsafe([make_event(31), make_event(32, "cost_tracked"), make_event(33)])
    await idle.until(lambda: bool(idle.ids))
    assert (idle.ids, woken) == (ids(32), [1])
    assert "stream_lagged" not in idle.text
    assert subscription.last_id == ids(33)[0]
    hub.stop()
    await asyncio.gather(idle.task, fast.task)


async def test_hub_buffer_holds_no_more_bytes_than_allowed() -> None:
    hub = make_hub(buffer_bytes=20_000)
    hub.start()
    reader = Reader(hub.subscribe(EVERYTHING))
    for seq in range(1, 101):
        hub.publish_threadsafe([make_event(seq, data={"reason": "x" * 1_000})])
    await reader.until(lambda: bool(reader.ids) and reader.ids[-1] == ids(100)[0])
    stats = hub.stats()
    assert stats.buffer_bytes <= 20_000
    assert 0 < stats.buffer_sizes["all"] < 20
    assert stats.evicted == 100 - stats.buffer_sizes["all"]
    hub.stop()
    await reader.task


class Turning(ListReplay):
    """A source that is asked while the hub's buffer turns over."""

    hub: StreamHub

    async def events_after(self, position: Position, limit: int) -> list[StreamEvent]:
        found = await super().events_after(position, limit)
        if not found and len(self.events) == 2:
            for event in (make_event(seq) for seq in range(3, 8)):
                self.events.append(event)
                self.hub.publish_threadsafe([event])
                while self.hub.head_id != event.event_id:
                    await asyncio.sleep(0)
        return found


async def test_hub_a_buffer_that_turns_over_while_the_source_is_asked_is_no_gap() -> None:
    source = Turning([make_event(1), make_event(2)])
    hub = source.hub = make_hub(source, buffer_events=2, flush_interval_ms=0)
    hub.start()
    reader = Reader(hub.subscribe(EVERYTHING, last_event_id=ids(1)[0]))
    await reader.until(lambda: bool(reader.ids) and reader.ids[-1] == ids(7)[0])
    assert reader.ids == ids(2, 3, 4, 5, 6, 7)
    assert "stream_lagged" not in reader.text
    hub.stop()
    await reader.task


async def test_hub_an_id_of_another_server_is_answered_with_a_notice_and_the_buffer() -> None:
    hub = make_hub(ListReplay())
    hub.start()
    hub.publish_threadsafe([make_event(1)])
    stranger = Reader(hub.subscribe(EVERYTHING, last_event_id="elsewhere.1.7.0"))
    await stranger.until(lambda: len(stranger.ids) == 1)
    assert '"first_id":"elsewhere.1.7.0"' in stranger.text
    assert '"reason":"unknown_id"' in stranger.text
    hub.stop()
    await stranger.task


async def test_hub_an_id_from_the_future_does_not_hide_what_comes() -> None:
    hub = make_hub(ListReplay())
    hub.publish_threadsafe([make_event(1), make_event(2)])
    hub.start()
    reader = Reader(hub.subscribe(EVERYTHING, last_event_id=f"{NODE}.1.500.0"))
    hub.publish_threadsafe([make_event(3)])
    await reader.until(lambda: len(reader.ids) == 3)
    assert reader.ids == ids(1, 2, 3)
    assert '"reason":"unknown_id"' in reader.text
    hub.stop()
    await reader.task


async def test_hub_says_when_the_replay_source_fails() -> None:
    class Broken:
        async def events_after(self, position: Position, limit: int) -> list[StreamEvent]:
            raise OSError("the archive does not answer")

    hub = make_hub(Broken())
    hub.start()
    reader = Reader(hub.subscribe(EVERYTHING, last_event_id=f"{NODE}.1.5.0"))
    await reader.until(lambda: "stream_lagged" in reader.text)
    assert '"reason":"replay_failed"' in reader.text
    assert f'"resume_after":"{NODE}.1.5.0"' in reader.text
    hub.publish_threadsafe([make_event(9)])
    await reader.until(lambda: reader.ids == ids(9))
    hub.stop()
    await reader.task


@pytest.mark.parametrize("bad", ["", "x", "n.1.2", "n.1.2.x", ".1.2.3", f"n.1.{'9' * 30}.0"])
async def test_hub_refuses_what_is_no_event_id(hub: StreamHub, bad: str) -> None:
    with pytest.raises(ValueError, match="is not an event id"):
        hub.subscribe(EVERYTHING, last_event_id=bad)
    assert hub.stats().subscribers == 0


async def test_hub_full_refuses_until_one_leaves() -> None:
    hub = make_hub(max_subscribers=2)
    hub.start()
    readers = [Reader(hub.subscribe(EVERYTHING)) for _ in range(2)]
    with pytest.raises(HubFull, match="2 subscribers are connected"):
        hub.subscribe(EVERYTHING)
    assert hub.stats().refused == 1
    await readers[0].until(lambda: bool(readers[0].chunks))
    readers[0].task.cancel()
    await asyncio.gather(readers[0].task, return_exceptions=True)
    hub.subscribe(EVERYTHING).close()
    hub.stop()
    await readers[1].task


async def test_hub_stop_ends_streams_and_refuses_new_ones(hub: StreamHub) -> None:
    reader = Reader(hub.subscribe(EVERYTHING))
    await reader.until(lambda: bool(reader.chunks))
    hub.stop()
    hub.stop()
    async with asyncio.timeout(60):
        await reader.task
    with pytest.raises(HubClosed):
        hub.subscribe(EVERYTHING)
    hub.publish_threadsafe([make_event(1)])
    assert hub.stats().published == 0
    assert hub.stats().subscribers == 0


async def test_hub_keeps_quiet_connections_open() -> None:
    hub = make_hub(keepalive_s=0.01)
    hub.start()
    reader = Reader(hub.subscribe(EVERYTHING))
    await reader.until(lambda: reader.chunks.count(b": keep-alive\n\n") >= 3)
    hub.stop()
    await reader.task


async def test_hub_disconnects_who_takes_nothing() -> None:
    hub = make_hub(keepalive_s=0.01, send_timeout_s=0.02)
    hub.start()
    stuck = asyncio.Event()
    subscription = hub.subscribe(EVERYTHING)
    subscription.on_stuck = stuck.set
    stream = subscription.chunks()
    await anext(stream)
    async with asyncio.timeout(60):
        await stuck.wait()
    await stream.aclose()  # type: ignore[attr-defined]
    assert hub.stats().subscribers == 0
    hub.stop()


async def test_hub_names_events_only_when_asked(hub: StreamHub) -> None:
    plain = Reader(hub.subscribe(EVERYTHING))
    named = Reader(hub.subscribe(EVERYTHING, named=True))
    hub.publish_threadsafe([make_event(1)])
    await plain.until(lambda: len(plain.ids) == 1)
    await named.until(lambda: len(named.ids) == 1)
    assert "event: " not in plain.text
    assert "event: state_changed\nid: n1.1.1.0\ndata: {" in named.text


async def test_hub_stats_count_current_subscribers_by_channel(hub: StreamHub) -> None:
    audit = hub.subscribe(StreamFilter.of("default", ["audit"]))
    everything = hub.subscribe(EVERYTHING)
    stats = hub.stats()
    assert stats.subscribers == 2
    assert stats.subscribers_by_channel["audit"] == 2
    assert stats.subscribers_by_channel["metrics"] == 1
    assert stats.subscribers_by_channel["all"] == 1
    audit.close()
    everything.close()
    assert hub.stats().subscribers == 0


async def test_hub_before_start_keeps_what_is_published() -> None:
    hub = make_hub()
    hub.publish_threadsafe([make_event(1)])
    hub.start()
    reader = Reader(hub.subscribe(EVERYTHING))
    await reader.until(lambda: reader.ids == ids(1))
    hub.stop()
    await reader.task


async def test_hub_a_stuck_loop_costs_events_but_says_which() -> None:
    hub = make_hub(buffer_events=10)
    hub.start()
    reader = Reader(hub.subscribe(EVERYTHING))
    hub.publish_threadsafe([make_event(1)])
    await reader.until(lambda: reader.ids == ids(1))
    # Nothing else runs on the loop until the next await.
    for seq in range(2, 102):
        hub.publish_threadsafe([make_event(seq)])
    await reader.until(lambda: bool(reader.ids) and reader.ids[-1] == ids(101)[0])
    assert reader.ids == ids(1, *range(92, 102))
    assert '"first_id":"n1.1.2.0","last_id":"n1.1.91.0","missed":90' in reader.text
    assert '"resume_after":"n1.1.1.0"' in reader.text
    assert hub.stats().pending_dropped == 90
    hub.stop()
    await reader.task
