"""Event lines: canonical bytes, the chain, the digest, exact money."""

from __future__ import annotations

import json
from fractions import Fraction
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.collector.engine.support import envelope_of
from tests.rules.scenario import BASE, SECOND
from tests.simulation.driver import Driver
from tests.simulation.workload import make

from neurorail.collector.audit_chain import GENESIS, HEAD_FIELDS, canonical, link
from neurorail.collector.engine import encoding
from neurorail.collector.engine.encoding import Heads, encode_events
from neurorail.collector.envelope import Kind, Signal, Submission
from neurorail.collector.stream.event import EventLine, decode_line
from neurorail.rules.amount_text import usd_text
from neurorail.rules.events import EVENT_TYPES, SEVERITIES, Event
from neurorail.rules.observations import NO_IDS, Ids

RECEIVED = BASE + 7
ID = st.text("abcXYZ019._-", min_size=1, max_size=12)


def encoded(
    events: list[Event], heads: Heads | None = None, seq: int = 3, principal: str = "ann"
) -> list[bytes]:
    into: list[bytes] = []
    body = Submission(Kind.COMMAND, Signal.NONE, b"", tenant="acme", principal=principal)
    envelope = envelope_of(seq, body, RECEIVED)
    encode_events("n1", 2, envelope, events, heads or Heads(), into)
    return into


def event(**changes: Any) -> Event:
    given_: dict[str, Any] = {
        "type": "state_changed",
        "ids": ("m_1", "p_1", None, None, None),
        "event_time_unix_nano": BASE,
        "data": {"entity_type": "plan", "entity_id": "p_1", "to_state": "running"},
        "message": "plan pending → queued",
    }
    return Event(**{**given_, **changes})


def head_of(line: EventLine) -> list[Any]:
    return [getattr(line, name) for name in HEAD_FIELDS]


def verify(lines: list[bytes]) -> bytes:
    """The chain computed again from the lines alone, with other libraries; its end."""
    before = bytes(32)
    for raw in lines:
        values = json.loads(raw)
        head, (prev_hash, own_hash) = values[:21], values[21:23]
        details = bytes(decode_line(raw).data)
        assert json.loads(details) == values[23]
        assert values[20] == sha256(details).hexdigest()
        assert prev_hash == before.hex()
        text = json.dumps(head, ensure_ascii=False, separators=(",", ":"))
        before = sha256(before + text.encode()).digest()
        assert own_hash == before.hex()
    return before


def test_a_line_is_the_head_the_hashes_and_the_details() -> None:
    (line,) = map(decode_line, encoded([event()]))
    assert line.event_id == "n1.2.3.0"
    assert (line.tenant, line.principal) == ("acme", "ann")
    assert (line.timestamp_unix_nano, line.event_time_unix_nano) == (RECEIVED, BASE)
    assert (line.channel, line.event_category) == ("lifecycle", "execution")
    assert (line.mission_id, line.plan_id, line.job_id) == ("m_1", "p_1", "")
    assert (line.entity_type, line.entity_id) == ("plan", "p_1")
    details = msgspec.json.decode(line.data)
    assert details["mission_id"] == "m_1"
    assert details["plan_id"] == "p_1"
    assert "job_id" not in details
    assert details["event_time"] == BASE / SECOND
    assert details["to_state"] == "running"


def test_event_of_nobody_has_details_all_the_same() -> None:
    alone = event(type="resumed", ids=NO_IDS, data={"down_ms": 5})
    (line,) = map(decode_line, encoded([alone]))
    assert line.chain == ()
    assert msgspec.json.decode(line.data) == {"event_time": BASE / SECOND, "down_ms": 5}
    (empty,) = map(decode_line, encoded([event(ids=NO_IDS, data={"a": None})]))
    assert msgspec.json.decode(empty.data)["a"] is None


def test_subscribers_get_the_same_details_and_whom_they_concern() -> None:
    said = [event(), event(data={"entity_id": "r_9"}), event(data={"entity_id": "m_1"})]
    lines = list(map(decode_line, encoded(said)))
    streamed = [line.to_stream_event() for line in lines]
    assert [one.data for one in streamed] == [bytes(line.data) for line in lines]
    assert [one.event_id for one in streamed] == ["n1.2.3.0", "n1.2.3.1", "n1.2.3.2"]
    assert [one.entity_ids for one in streamed] == [
        ("m_1", "p_1"), ("m_1", "p_1", "r_9"), ("m_1", "p_1"),
    ]  # fmt: skip


@given(
    ids=st.tuples(*[st.none() | ID] * 5),
    kind=st.sampled_from(sorted(EVENT_TYPES)),
    severity=st.sampled_from(SEVERITIES),
    message=st.text(max_size=40),
    principal=st.text(max_size=20),
    at=st.integers(0, 2**63 - 1),
)
def test_what_is_hashed_is_the_canonical_form_whatever_it_says(
    ids: Ids, kind: str, severity: str, message: str, principal: str, at: int
) -> None:
    data = {"violation_type": "tokens", "limit": 1, "entity_type": "plan", "text": message}
    said = event(type=kind, ids=ids, severity=severity, message=message, data=data,
                 event_time_unix_nano=at)  # fmt: skip
    heads = Heads()
    (raw,) = encoded([said], heads, principal=principal)
    line = decode_line(raw)
    head = head_of(line)
    assert canonical(head) == msgspec.json.encode(head)
    assert raw.startswith(canonical(head)[:-1] + b',"')
    assert heads.audit == link(GENESIS, canonical(head))
    assert line.hash == heads.audit.hex()
    assert b"\n" not in raw


def test_chain_runs_over_records_and_verifies_from_the_lines_alone() -> None:
    work = Driver().run(make(11))
    heads = Heads()
    lines: list[bytes] = []
    for seq in range(0, len(work), 7):
        lines += encoded(work[seq : seq + 7], heads, seq + 1)
    assert len(lines) == len(work) == heads.events
    assert verify(lines) == heads.audit


def test_chain_breaks_where_a_head_or_details_are_changed() -> None:
    lines = encoded([event(), event(message="other"), event()])
    verify(lines)
    for forged in (
        [lines[0], lines[1].replace(b"other", b"0ther"), lines[2]],
        [lines[0], lines[1].replace(b'"to_state":"running"', b'"to_state":"failed"'), lines[2]],
        [lines[0], lines[2]],
    ):
        with pytest.raises(AssertionError):
            verify(forged)


def test_digest_does_not_see_sequence_numbers_and_receive_times() -> None:
    events = Driver().run(make(12))
    one, other = Heads(), Heads()
    encoded(events, one, seq=5)
    for place, said in enumerate(events):
        encoded([said], other, seq=100 + place)
    assert one.digest == other.digest
    assert one.audit != other.audit
    third = Heads()
    encoded(events[:-1], third)
    assert third.digest != one.digest


@pytest.mark.parametrize(
    ("pico", "text"),
    [(0, "0"), (1, "0.000000000001"), (10**12, "1"), (1_500_000_000_000, "1.5"),
     (-200_000, "-0.0000002"), (12 * 10**12 + 10, "12.00000000001")],
)  # fmt: skip
def test_money_is_exact_decimal_text(pico: int, text: str) -> None:
    assert usd_text(pico) == text


@given(st.integers(-(10**30), 10**30))
def test_money_of_any_size_comes_back_exactly(pico: int) -> None:
    assert Fraction(usd_text(pico)) * 10**12 == pico


def money(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    (line,) = map(decode_line, encoded([event(type=kind, data=data)]))
    raw: dict[str, msgspec.Raw] = msgspec.json.decode(line.data, type=dict[str, msgspec.Raw])
    return {name: bytes(value).decode() for name, value in raw.items()}


def test_money_stands_beside_pico_usd_and_limits_are_usd() -> None:
    assert money("cost_tracked", {"cost_usd_pico": 3})["cost"] == "0.000000000003"
    assert money("cost_tracked", {"cost_usd_pico": None})["cost"] == "null"
    assert money("usage_moved", {"cost_usd_pico": 10**12})["cost_usd"] == "1"
    limits = {"limit": 10**12, "consumed": 2 * 10**12, "reserved": 0}
    cost = money("budget_violation", {**limits, "violation_type": "cost", "overshoot": 10**12})
    assert (cost["limit"], cost["consumed"], cost["overshoot"]) == ("1", "2", "1")
    warned = money("budget_warning", {**limits, "violation_type": "cost"})
    assert (warned["limit"], "overshoot" in warned) == ("1", False)
    tokens = money("budget_violation", {**limits, "violation_type": "tokens"})
    assert tokens["limit"] == str(10**12)


def test_a_limit_that_was_not_there_before_is_null() -> None:
    changed = event(
        type="budget_changed",
        data={
            "before": {"max_cost_usd_pico": None, "max_tokens": None},
            "limits": {"max_cost_usd_pico": 5 * 10**12, "max_tokens": 9},
        },
    )
    (line,) = map(decode_line, encoded([changed]))
    details = msgspec.json.decode(line.data)
    assert details["before"] == {"max_cost_usd": None, "max_tokens": None}
    assert details["limits"] == {"max_cost_usd": 5, "max_tokens": 9}


def test_an_event_that_cannot_be_written_is_told_of_and_the_rest_goes_on() -> None:
    unfit = event(data={"entity_type": "plan", "entity_id": "p_1", "what": object()})
    lines = encoded([event(), unfit, event()])
    verify(lines)
    before, told, after = map(decode_line, lines)
    assert (before.event_type, after.event_type) == ("state_changed", "state_changed")
    assert (told.event_type, told.severity, told.index) == ("record_failed", "critical", 1)
    assert (told.mission_id, told.plan_id) == ("m_1", "p_1")
    details = msgspec.json.decode(told.data)
    assert (details["observation"], details["observation_index"]) == ("state_changed", 1)
    assert details["error"].startswith("TypeError")


@pytest.mark.interpreted  # What is compiled cannot be replaced.
def test_memory_that_runs_out_is_no_fault_of_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(data: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(encoding, "_with_rate", exhausted)
    with pytest.raises(MemoryError):
        encoded([event(type="trigger_activated")])


def test_encoding_leaves_the_event_as_it_was() -> None:
    said = event(type="cost_tracked", data={"cost_usd_pico": 5})
    encoded([said])
    assert said.data == {"cost_usd_pico": 5}


@pytest.mark.parametrize(("permille", "rate"), [(None, "null"), (500, "0.500"), (1_000, "1.000")])
def test_trigger_says_the_share_of_failures(permille: int | None, rate: str) -> None:
    evidence = {} if permille is None else {"error_permille": permille}
    assert money("trigger_activated", {"evidence": evidence})["error_rate"] == rate
