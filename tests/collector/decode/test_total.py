"""Nothing that a receiver lets in, and nothing that it does not, makes the decoder raise."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.collector.decode.build import (
    CHAIN,
    START,
    any_value,
    decode_logs,
    decode_traces,
    envelope,
    logs,
    span,
    traces,
)

from neurorail.collector.decode import Decoder, decode_observations, encode_observations
from neurorail.collector.decode.keys import OWN
from neurorail.collector.decode.resources import RESOURCES_MAX
from neurorail.collector.decode.values import read
from neurorail.collector.envelope import Kind, Signal
from neurorail.rules.observations import Observation, SpanLinks, SpanObserved
from neurorail.semconv.genai import CURRENT

KEYS = sorted(
    {
        *OWN,
        "neurorail.tag.a",
        "neurorail.tag.b",
        *(alias for aliases in CURRENT.aliases.values() for alias in aliases),
        *(rule.attribute for rule in CURRENT.roles),
    }
)
TELLING = ["m_1", "j_1", "attempt", "start", "chat", "pending_span", "1e9999", "-1", "NaN", "0.1"]
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.binary(max_size=8)
    | st.text(max_size=8)
    | st.sampled_from(TELLING),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
ATTRIBUTES = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=12)


def _bounded(found: list[Observation]) -> None:
    """What came out can be written down, and is the same when it is read again."""
    again = decode_observations(encode_observations(found))
    assert encode_observations(again) == encode_observations(found)
    for one in found:
        if isinstance(one, SpanObserved) and one.usage is not None:
            assert 0 <= one.usage.cache_read_tokens <= one.usage.input_tokens
            assert 0 <= one.usage.reasoning_tokens <= one.usage.output_tokens


@settings(max_examples=300, deadline=None)
@given(ATTRIBUTES, ATTRIBUTES, ATTRIBUTES)
def test_any_values_under_the_names_it_knows(
    values: dict[str, Any], event: dict[str, Any], resource: dict[str, Any]
) -> None:
    events = [("neurorail.lifecycle.transition", START, event), ("neurorail.heartbeat", 0, event)]
    _bounded(decode_traces(span(values, events=events), resource=resource))
    _bounded(
        decode_logs(("neurorail.lifecycle.transition", START, values), resource=resource or None)
    )


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(list(Kind)), st.sampled_from(list(Signal)))
def test_any_bytes(body: bytes, kind: Kind, signal: Signal) -> None:
    for marked in (body, body + b"neurorail.", body + b"neurorail.heartbeat"):
        _bounded(Decoder().decode(envelope(kind, marked, signal)))


@pytest.mark.parametrize("seed", range(4))
def test_damaged_requests(seed: int) -> None:
    draw = random.Random(seed)
    events = [("neurorail.heartbeat", START, CHAIN)]
    bodies = (
        (Signal.TRACES, traces(span({**CHAIN, "gen_ai.operation.name": "chat"}, events=events))),
        (Signal.TRACES, traces(span({"http.route": "/"}), span({}))),
        (Signal.LOGS, logs(("neurorail.heartbeat", START, CHAIN))),
    )
    for _ in range(300):
        for signal, body in bodies:
            damaged = bytearray(body)
            for _ in range(draw.randrange(1, 4)):
                damaged[draw.randrange(len(damaged))] = draw.randrange(256)
            cut = bytes(damaged[: draw.randrange(len(damaged) + 1)])
            for each in (bytes(damaged), cut):
                found = Decoder().decode(envelope(Kind.TELEMETRY, each, signal))
                assert isinstance(found, list)


def test_one_unreadable_span_does_not_cost_the_others() -> None:
    # A span that is no message, beside one that is: as bytes inside their scope.
    good = span(CHAIN).SerializeToString()
    bad = b"neurorail.\xff"
    plain_bad = b"\x0a\xff"
    items = b"".join(b"\x12" + bytes([len(one)]) + one for one in (bad, plain_bad))
    items += b"\x12" + bytes([len(good) & 127 | 128, len(good) >> 7]) + good
    scope = b"\x12" + bytes([len(items) & 127 | 128, len(items) >> 7]) + items
    body = b"\x0a" + bytes([len(scope) & 127 | 128, len(scope) >> 7]) + scope
    decoder = Decoder()
    found = decoder.decode(envelope(Kind.TELEMETRY, body, Signal.TRACES))
    assert [type(one) for one in found] == [SpanLinks, SpanObserved]
    assert decoder.stats == {"unreadable_span": 2}


@given(VALUES)
def test_values_are_read_as_they_were_written(value: Any) -> None:
    found = read(any_value(value).SerializeToString())

    def expected(given: Any) -> Any:
        if isinstance(given, list):
            return [expected(item) for item in given]
        return None if isinstance(given, bytes) else given

    if isinstance(value, float) and math.isnan(value):
        assert isinstance(found, float)
        assert math.isnan(found)
    elif "nan" not in repr(value):
        assert found == expected(value)
        assert type(found) is type(expected(value))


def test_invalid_text_is_repaired_and_broken_values_are_none() -> None:
    assert read(b"\x0a\x02\xffx") == "\ufffdx"
    assert read(b"\x0a\xff") is None
    assert read(b"") is None


def test_the_memories_are_bounded_and_change_nothing() -> None:
    decoder = Decoder()
    for number in range(3):
        many = [
            span({"neurorail.mission.id": f"m_{number}-{place}"}, span_id=b"\x01" * 8)
            for place in range(30_000)
        ]
        found = decode_traces(*many, decoder=decoder)
        assert len(found) == 30_000
        last = found[-1]
        assert isinstance(last, SpanObserved)
        assert last.ids[0] == f"m_{number}-29999"
    ids = decoder._spans._ids
    assert len(ids._chains) <= 65_536
    assert all(len(known) <= 65_536 for known in ids._known)


def test_many_resources_and_many_operations_change_nothing() -> None:
    decoder = Decoder()
    for number in range(5000):
        (found,) = decode_traces(
            span({"gen_ai.operation.name": f"chat {number}"}),
            resource={"service.name": f"service-{number}"},
            decoder=decoder,
        )
        assert isinstance(found, SpanObserved)
        assert found.role == "inference"
        assert found.fields is not None
        assert found.fields.service == f"service-{number}"
    assert len(decoder._spans._resources._known) <= RESOURCES_MAX
    assert len(decoder._spans._genai._role_of) <= 4096
