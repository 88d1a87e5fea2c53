"""An event's bytes on the wire, and the ids clients send back."""

from __future__ import annotations

import msgspec
import pytest
from tests.support.events import START_UNIX_NANO, event_line_bytes, make_event, make_line

from neurorail.collector.stream import StreamFilter, decode_lines
from neurorail.collector.stream.event import parse_event_id
from neurorail.collector.stream.filters import UnknownName


def test_frame_plain_has_id_and_one_line_of_data() -> None:
    event = make_event(7, data={"reason": "two\nlines: „ü“"})
    lines = event.frame(named=False).split(b"\n")
    assert lines[0] == b"id: n1.1.7.0"
    assert lines[2:] == [b"", b""]
    body = msgspec.json.decode(lines[1].removeprefix(b"data: "))
    assert body == {
        "channel": "lifecycle",
        "event_type": "state_changed",
        "timestamp": START_UNIX_NANO // 10**9 + 7.0,
        "data": msgspec.json.decode(event.data),
    }
    assert body["data"]["reason"] == "two\nlines: „ü“"


def test_frame_timestamp_is_exact() -> None:
    event = make_event(1, timestamp_unix_nano=1_764_000_000_000_000_001)
    assert b'"timestamp":1764000000.000000001,' in event.frame(named=False)


def test_frame_is_made_once() -> None:
    event = make_event(7)
    assert event.frame(named=False) is event.frame(named=False)
    assert event.frame(named=True) is event.frame(named=True)
    assert event.frame(named=True) == b"event: state_changed\n" + event.frame(named=False)


def test_outbox_line_read_back_is_the_same_event() -> None:
    line = make_line(3, "cost_tracked", ids=("m_1", "p_1", "j_1", "a_1", "r_1"))
    lines = event_line_bytes(line) + event_line_bytes(make_line(4, ids=()))
    first, second = decode_lines(lines)
    assert first == line
    assert first.to_stream_event().entity_ids == ("m_1", "p_1", "j_1", "a_1", "r_1")
    assert first.to_stream_event().data == bytes(line.data)
    assert second.to_stream_event().entity_ids == ()


def test_event_id_may_have_dots_in_its_node() -> None:
    assert parse_event_id("host.example.3.14.15") == ("host.example", (3, 14, 15))


@pytest.mark.parametrize("event_id", ["n.1.2.-3", "n.1.2.٣", "n 1 2 3", "n..1.2"])
def test_event_id_other_text_is_refused(event_id: str) -> None:
    with pytest.raises(ValueError, match="is not an event id"):
        parse_event_id(event_id)


@pytest.mark.parametrize(
    ("names", "field"),
    [({"channels": ["nope"]}, "channels"), ({"event_types": ["nope"]}, "event_types")],
)
def test_filter_unknown_name_is_refused(names: dict[str, list[str]], field: str) -> None:
    with pytest.raises(UnknownName, match="'nope'") as refused:
        StreamFilter.of("default", **names)
    assert refused.value.field == field
