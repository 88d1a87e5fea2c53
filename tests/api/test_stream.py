"""Live events over HTTP, as browsers and command lines read them."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from tests.support.events import NODE, START_UNIX_NANO, make_event
from tests.support.rail import Rail, open_stream, running_rail

from neurorail.collector.stream import StreamConfig


async def test_stream_sends_retry_first_then_events_with_ids(rail: Rail) -> None:
    async with open_stream(rail) as stream:
        assert stream.response.headers["content-type"].startswith("text/event-stream")
        assert stream.response.headers["cache-control"] == "no-store"
        rail.hub.publish_threadsafe([make_event(1)])
        await stream.until(lambda: bool(stream.messages))
    assert stream.lines[0] == "retry: 2000"
    assert stream.ids == [f"{NODE}.1.1.0"]
    message = stream.messages[0]
    assert set(message) == {"channel", "event_type", "timestamp", "data"}
    assert message["timestamp"] == START_UNIX_NANO / 1e9 + 1
    assert message["data"]["mission_id"] == "m_1"
    assert not any(line.startswith("event:") for line in stream.lines)


async def test_stream_event_on_two_channels_asked_comes_once(rail: Rail) -> None:
    async with open_stream(rail, channels=["lifecycle", "all", "audit"]) as stream:
        rail.hub.publish_threadsafe([make_event(1), make_event(2, "execution_start")])
        await stream.until(lambda: len(stream.ids) >= 2)
    assert stream.ids == [f"{NODE}.1.1.0", f"{NODE}.1.2.0"]


async def test_stream_filters_are_repeatable_and_joined(rail: Rail) -> None:
    query: dict[str, Any] = {
        "channels": ["audit", "enforcement"],
        "event_types": ["cost_tracked", "execution_start"],
        "entity_ids": ["m_2", "m_3"],
    }
    async with open_stream(rail, **query) as stream:
        rail.hub.publish_threadsafe(
            [
                make_event(1, "cost_tracked", ids=("m_1",)),
                make_event(2, "cost_tracked", ids=("m_2",)),
                make_event(3, "budget_warning", ids=("m_2",)),
                make_event(4, "state_changed", ids=("m_2",)),
                make_event(5, "execution_start", ids=("m_3", "p_3", "j_3", "a_3")),
            ]
        )
        await stream.until(lambda: len(stream.ids) >= 2)
    assert stream.ids == [f"{NODE}.1.2.0", f"{NODE}.1.5.0"]


async def test_stream_named_events_carry_their_type(rail: Rail) -> None:
    async with open_stream(rail, named_events="true") as stream:
        rail.hub.publish_threadsafe([make_event(1)])
        await stream.until(lambda: bool(stream.messages))
    assert "event: state_changed" in stream.lines


async def test_stream_resumes_after_last_event_id_from_the_stored_past(rail: Rail) -> None:
    rail.replay.events = [make_event(seq) for seq in range(1, 11)]
    headers = {"Last-Event-ID": f"{NODE}.1.7.0"}
    async with open_stream(rail, headers, replay_buffer="false") as stream:
        await stream.until(lambda: len(stream.ids) == 3)
        rail.hub.publish_threadsafe([make_event(11)])
        await stream.until(lambda: len(stream.ids) == 4)
    assert stream.ids == [f"{NODE}.1.{seq}.0" for seq in (8, 9, 10, 11)]


@pytest.mark.parametrize(
    ("query", "field", "value"),
    [
        ({"channels": "nope"}, "channels", "nope"),
        ({"channels": ["audit", ""]}, "channels", ""),
        ({"event_types": "stateChanged"}, "event_types", "stateChanged"),
        ({"entity_ids": "x_1"}, "entity_ids", "x_1"),
        ({"replay_buffer": "perhaps"}, "replay_buffer", None),
        ({"entity_ids": [f"m_{n}" for n in range(101)]}, "entity_ids", "101"),
    ],
)
async def test_stream_bad_parameter_is_422_and_named(
    rail: Rail, query: dict[str, object], field: str, value: str | None
) -> None:
    problem = await rail.get("/stream/events", 422, **query)
    assert problem["status"] == 422
    assert problem["details"]["field"] == field
    assert problem["details"].get("value") == value
    assert rail.hub.stats().subscribers == 0


async def test_stream_bad_last_event_id_is_422(rail: Rail) -> None:
    response = await rail.client.get(
        "/api/neurorail/v1/stream/events", headers={"Last-Event-ID": "yesterday"}
    )
    assert response.status_code == 422
    assert response.json()["details"] == {"field": "Last-Event-ID", "value": "yesterday"}


async def test_stream_full_is_503_and_says_when_to_return() -> None:
    async with running_rail(stream=StreamConfig(max_subscribers=1)) as rail, open_stream(rail):
        response = await rail.client.get("/api/neurorail/v1/stream/events")
        assert response.status_code == 503
        assert response.headers["retry-after"] == "5"
        assert response.json()["retriable"] is True
        assert rail.hub.stats().refused == 1


async def test_stream_client_that_leaves_frees_its_place(rail: Rail) -> None:
    async with open_stream(rail):
        assert rail.hub.stats().subscribers == 1
    async with asyncio.timeout(60):
        while rail.hub.stats().subscribers:
            await asyncio.sleep(0.01)


async def test_stream_server_stop_ends_streams_cleanly(rail: Rail) -> None:
    async with open_stream(rail) as stream:
        rail.hub.publish_threadsafe([make_event(1)])
        await stream.until(lambda: bool(stream.messages))
        async with asyncio.timeout(60):
            await rail.server.stop()
            # A body that ends as it should: a broken one raises here.
            await stream.task
        assert stream.ids == [f"{NODE}.1.1.0"]


async def test_stream_stats_say_who_listens(rail: Rail) -> None:
    async with open_stream(rail, channels="audit"), open_stream(rail) as second:
        rail.hub.publish_threadsafe([make_event(1), make_event(2, "execution_start")])
        await second.until(lambda: len(second.ids) == 2)
        stats = await rail.get("/stream/stats")
    assert stats["total_events_published"] == 2
    assert stats["total_subscribers"] == 2
    assert stats["subscribers_by_channel"]["audit"] == 2
    assert stats["subscribers_by_channel"]["lifecycle"] == 1
    assert stats["buffer_sizes"]["lifecycle"] == 1
    assert stats["buffer_sizes"]["all"] == 2


async def test_stream_client_that_reads_nothing_is_dropped_and_slows_nobody() -> None:
    limits = StreamConfig(keepalive_s=0.02, send_timeout_s=0.5, buffer_events=2_000)
    request = b"GET /api/neurorail/v1/stream/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with running_rail(stream=limits) as rail, open_stream(rail) as healthy:
        with socket.create_connection(rail.server.address) as silent:
            silent.sendall(request)
            async with asyncio.timeout(60):
                while rail.hub.stats().subscribers < 2:
                    await asyncio.sleep(0.01)
                seq = 0
                while rail.hub.stats().subscribers > 1:
                    seq += 1
                    rail.hub.publish_threadsafe([make_event(seq, data={"reason": "x" * 50_000})])
                    await healthy.until(lambda seq=seq: len(healthy.ids) == seq)  # type: ignore[misc]
        assert len(healthy.ids) == seq
        assert all(m["event_type"] == "state_changed" for m in healthy.messages)
