"""Observations as bytes and back, of every type and with any values."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurorail.collector.decode import decode_observations, encode_observations
from neurorail.rules import observations as seam
from neurorail.rules.observations import Heartbeat, Observation, SpanObserved, Tick

COUNTS = st.integers(0, 2**63 - 1)


def _any(kind: type[Any]) -> st.SearchStrategy[Any]:
    return st.builds(kind, **_arguments(kind))


def _pairs(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(st.tuples(st.text(), values), max_size=4).map(tuple)


def _arguments(kind: type[Any]) -> dict[str, st.SearchStrategy[Any]]:
    """Whole numbers as large as they get, and nested values; the rest is left to Hypothesis."""
    found: dict[str, st.SearchStrategy[Any]] = {}
    for column in dataclasses.fields(kind):
        match str(column.type):
            case "int":
                found[column.name] = COUNTS
            case "int | None":
                found[column.name] = st.none() | COUNTS
            case "Ids":
                found[column.name] = st.tuples(*[st.none() | st.text()] * 5)
            case "Usage" | "Budget" as part_name:
                found[column.name] = _any(getattr(seam, part_name))
            case "tuple[tuple[str, int], ...]":
                found[column.name] = _pairs(COUNTS)
            case "tuple[tuple[str, str | int | bool], ...]":
                found[column.name] = _pairs(st.text() | COUNTS | st.booleans())
            case "Fields | None" | "Budget | None" | "Usage | None" as optional:
                part = getattr(seam, optional.split(" ")[0])
                found[column.name] = st.none() | _any(part)
    return found


EVERY = st.one_of(*(_any(kind) for kind in get_args(Observation)))


@given(st.lists(EVERY, max_size=8))
def test_what_was_encoded_is_decoded_the_same(observations: list[Observation]) -> None:
    data = encode_observations(observations)
    found = decode_observations(data)
    assert found == observations
    assert [type(one) for one in found] == [type(one) for one in observations]
    assert encode_observations(found) == data


def test_the_format_is_an_array_led_by_its_tag() -> None:
    beat = Heartbeat(3, ("m_1", None, None, None, None), 7)
    data = encode_observations([beat, Tick()])
    assert msgspec.msgpack.decode(data) == [[4, 3, ["m_1", None, None, None, None], 7], [7]]


def test_fields_that_older_bytes_do_not_have_are_at_their_default() -> None:
    old = msgspec.msgpack.encode([[2, b"t" * 16, b"s" * 8, b"", 1, 2]])
    assert decode_observations(old) == [SpanObserved(b"t" * 16, b"s" * 8, b"", 1, 2)]


@pytest.mark.parametrize("data", [b"", b"\xc1", msgspec.msgpack.encode([[99]]), b"\x91\x01"])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_observations(data)
