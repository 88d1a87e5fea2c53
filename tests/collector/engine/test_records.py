"""What records said, on its way to the archive."""

from __future__ import annotations

from tests.collector.engine.support import envelope_of
from tests.rules.scenario import BASE, observation

from neurorail.collector.decode import decode_observations, encode_observations
from neurorail.collector.decode.system import (
    DeadLetterRecord,
    RejectedRecord,
    SystemRecord,
    encode_system,
)
from neurorail.collector.engine.records import RecordBuffer
from neurorail.collector.envelope import Envelope, Kind, Signal, Submission
from neurorail.rules.observations import DeadLettered, Observation, Rejected, Tick

SAID: list[Observation] = [observation({"log": "create", "ids": ["m_1"], "time": 0})]


def system(seq: int, record: SystemRecord) -> Envelope:
    body = Submission(Kind.SYSTEM, Signal.NONE, encode_system(record), encoding="json")
    return envelope_of(seq, body, BASE)


REJECTED = system(1, RejectedRecord("traces", {"bad id": 2}))
NOTHING = envelope_of(2, Submission(Kind.COMMAND, Signal.NONE, b"{}", encoding="json"), BASE)


def test_what_the_applier_saw_is_taken_once_and_read_again_after_that() -> None:
    buffer = RecordBuffer()
    buffer.put(1, SAID)
    buffer.put(1, [Tick()])
    assert buffer.take(REJECTED) == encode_observations(SAID)
    again = buffer.take(REJECTED)
    assert again is not None
    assert decode_observations(again) == [Rejected("traces", (("bad id", 2),))]


def test_a_record_that_said_nothing_has_no_bytes() -> None:
    buffer = RecordBuffer()
    buffer.put(2, [])
    assert buffer.take(NOTHING) is None
    assert buffer.take(NOTHING) is None


def test_beyond_its_limit_the_oldest_is_dropped_and_decoded_when_asked_for() -> None:
    size = len(encode_observations(SAID))
    buffer = RecordBuffer(limit_bytes=2 * size)
    for seq in (1, 2, 3):
        buffer.put(seq, SAID)
    assert buffer.dropped == 1
    assert buffer.take(REJECTED) != encode_observations(SAID)
    assert buffer.take(NOTHING) == encode_observations(SAID)


def test_dead_letters_reach_the_engine() -> None:
    letter = system(1, DeadLetterRecord("otel_traces", 3, 9, "no such column"))
    encoded = RecordBuffer().take(letter)
    assert encoded is not None
    assert decode_observations(encoded) == [DeadLettered("otel_traces", 3, 9, "no such column")]
    assert letter.body == (
        b'{"type":"dead_letter","table":"otel_traces","first_seq":3,"last_seq":9,'
        b'"error":"no such column"}'
    )
