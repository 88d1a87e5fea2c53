"""What verification names: the field that differs, the first bad row, and anchors that are gone."""

from __future__ import annotations

import pytest
from tests.collector.audit.trails import Trail, own

from neurorail.app.checkpoints import said as recorded_as
from neurorail.collector.audit.checkpoint import (
    KEY_FILE,
    Checkpoint,
    Signer,
    is_signed,
    public_key_of,
)
from neurorail.collector.decode.system import encode_system
from neurorail.collector.envelope import Kind, Signal, Submission
from neurorail.collector.store.audit import verify


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        (
            "UPDATE severity = 'error' WHERE {said} = 'three'",
            "severity is 'error' and was 'info'",
        ),
        (
            "UPDATE mission_id = 'm_9' WHERE {said} = 'three'",
            "mission_id is 'm_9' and was 'm_1'",
        ),
        (
            "UPDATE principal = 'x' WHERE {said} = 'three'",
            "principal is 'x' and was 'anonymous'",
        ),
        (
            "UPDATE prev_hash = toFixedString(repeat('x', 32), 32) WHERE {said} = 'three'",
            "prev_hash is 7878787878787878… and was",
        ),
        (
            "UPDATE message = 'other' WHERE {said} = 'three'",
            "message is 'other' and was 'an entry was written'",
        ),
        (
            "UPDATE event_time_unix_nano = 1 WHERE {said} = 'three'",
            "what the row says has the hash",
        ),
    ],
)
def test_what_differs_is_named_where_the_hash_tells_it(signed: Trail, sql: str, says: str) -> None:
    signed.change(sql)
    altered = [fault for fault in signed.faults() if fault.kind == "altered"]
    assert [fault.event_id for fault in altered] == [signed.lines[2].event_id]
    assert says in altered[0].detail


def test_the_first_row_that_does_not_hold_is_named(signed: Trail) -> None:
    signed.change("DELETE WHERE {said} = 'ten'")
    signed.change("UPDATE message = 'other' WHERE {said} = 'three'")
    report = verify(signed.store, anchors=signed.anchors.read())
    first = report.nodes[0].first_fault
    assert first is not None
    assert (first.kind, first.event_id) == ("altered", signed.lines[2].event_id)


def test_columns_that_repeat_details_are_compared_with_them(signed: Trail) -> None:
    signed.change("UPDATE caused_by_agent = 'somebody' WHERE {said} = 'three'")
    (fault,) = signed.faults()
    assert (fault.kind, fault.event_id) == ("details_altered", signed.lines[2].event_id)


def test_a_part_follows_the_row_before_it(signed: Trail) -> None:
    seqs = [line.seq for line in signed.lines]
    signed.change("DELETE WHERE {said} = 'four'")
    faults = signed.faults(seqs=(seqs[3], seqs[5]))
    assert [(fault.kind, fault.event_id) for fault in faults] == [
        ("missing", signed.lines[4].event_id)
    ]


def record(trail: Trail, taken: Checkpoint) -> None:
    """Put a checkpoint on record as the server does."""
    trail.live.apply(
        Submission(Kind.SYSTEM, Signal.NONE, encode_system(recorded_as(taken)), encoding="json")
    )
    trail.log()


def test_anchors_that_lack_a_checkpoint_of_the_chain_are_noticed(trail: Trail) -> None:
    trail.log("one")
    record(trail, trail.sign())
    trail.log("two")
    record(trail, trail.sign())
    assert trail.faults(own=own(trail)) == []
    recorded = [line for line in trail.lines if line.event_type == "audit_checkpoint"]
    content = trail.anchors.path.read_bytes().splitlines(keepends=True)
    trail.anchors.path.write_bytes(content[0])
    (fault,) = trail.faults(own=own(trail))
    assert (fault.kind, fault.event_id) == ("unanchored", recorded[1].event_id)
    trail.anchors.path.unlink()
    assert [fault.event_id for fault in trail.faults(own=own(trail))] == [
        line.event_id for line in recorded
    ]
    assert trail.faults() == [], "who keeps other anchors need not have all"


def test_anchors_of_another_key_than_the_servers_are_noticed(signed: Trail) -> None:
    assert signed.faults(own=own(signed)) == []
    (signed.folder / KEY_FILE).unlink()
    Signer.of(signed.folder)
    (fault,) = signed.faults(own=own(signed))
    assert fault.kind == "anchor_invalid"
    assert "not signed by the key" in fault.detail
    assert public_key_of(signed.folder / "nowhere") is None


def test_a_recorded_checkpoint_can_be_verified_by_itself(signed: Trail) -> None:
    taken = signed.sign()
    data = recorded_as(taken).data
    place = {name: tuple(map(int, data[name].split(".")[1:])) for name in ("first", "last")}
    rest = {name: data[name] for name in data if name not in ("first", "last", "covered")}
    again = Checkpoint(**{**rest, **place, "count": data["covered"]})
    assert is_signed(again)
