"""Checkpoints, what they notice, and bundles that a stranger verifies."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.collector.audit.trails import MISSION, SAID, Trail, columns_of, said
from tests.support.events import NODE

from neurorail.collector.archive.formats import EVENTS_FORMAT, EVENTS_TABLE, event_settings
from neurorail.collector.audit.bundle import NothingArchived, write_bundle
from neurorail.collector.audit.checkpoint import (
    KEY_FILE,
    NEXT_KEY_FILE,
    Checkpoint,
    Rotation,
    Signer,
    faults_of,
    is_signed,
)
from neurorail.collector.audit.checkpointer import ChainBroken, Checkpointer
from neurorail.collector.audit_chain import GENESIS, canonical, link
from neurorail.collector.store.audit import verify

VERIFIER = Path(__file__).resolve().parents[3] / "docs" / "verify_bundle.py"
# ── checkpoints ──────────────────────────────────────────────────────────────────────────────


def test_checkpoints_continue_each_other_also_over_a_restart(signed: Trail) -> None:
    first, second = signed.anchors.read()
    assert isinstance(first, Checkpoint)
    assert isinstance(second, Checkpoint)
    assert (first.count, first.total, second.count, second.total) == (6, 6, 4, 10)
    assert (first.prev_head, second.prev_head) == (GENESIS.hex(), first.head)
    assert all(is_signed(statement) for statement in (first, second))
    signed.checkpointer = signed.signer()
    assert signed.sign().total == 12
    assert signed.checkpointer.take(signed.head) is None, "nothing is new"
    assert faults_of(signed.anchors.read()) == []
    assert signed.faults() == []
    report = verify(signed.store, anchors=signed.anchors.read())
    assert report.nodes[0].anchors == 3


def test_rows_that_may_still_be_on_their_way_are_not_signed(trail: Trail) -> None:
    trail.log("one", "two")
    settled = trail.head
    trail.log("three")
    taken = trail.checkpointer.take(settled)
    assert taken is not None
    assert taken.count == 2


def test_a_chain_that_does_not_continue_what_was_signed_is_not_signed(signed: Trail) -> None:
    signed.change("DELETE WHERE {said} = 'eleven'")
    with pytest.raises(ChainBroken, match="does not follow what was signed"):
        signed.sign()
    signed.change("DELETE WHERE {said} = 'twelve'")
    with pytest.raises(ChainBroken, match="is not among its rows"):
        signed.sign()


def test_the_key_is_made_once_and_is_nobody_elses(trail: Trail) -> None:
    path = trail.folder / KEY_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert Signer.of(trail.folder).public_key == Signer.of(trail.folder).public_key


def test_a_new_key_is_announced_by_the_old_one(signed: Trail) -> None:
    rotation = signed.checkpointer.rotate()
    assert signed.sign().public_key == rotation.new_public_key
    assert signed.signer().take(signed.head) is None
    statements = signed.anchors.read()
    assert faults_of(statements) == []
    assert faults_of(statements, statements[0].public_key) == []
    assert signed.faults() == []
    without = [each for each in statements if not isinstance(each, Rotation)]
    assert faults_of(without) == ["statement 3 is signed with another key than the one before it"]
    assert "statement 1 is signed with another key" in faults_of(statements, "00" * 32)[0]


@pytest.mark.parametrize("announced", [True, False])
def test_a_rotation_that_a_crash_cut_short(signed: Trail, announced: bool) -> None:
    old = Signer.of(signed.folder).public_key
    key = (signed.folder / KEY_FILE).read_bytes()
    rotation = signed.checkpointer.rotate()
    following = (signed.folder / KEY_FILE).read_bytes()
    (signed.folder / KEY_FILE).write_bytes(key)
    (signed.folder / NEXT_KEY_FILE).write_bytes(following)
    statements = signed.anchors.read() if announced else signed.anchors.read()[:-1]
    found = Signer.of(signed.folder, statements)
    assert found.public_key == (rotation.new_public_key if announced else old)
    assert not (signed.folder / NEXT_KEY_FILE).exists()


def test_a_line_that_a_crash_cut_off_is_written_anew(signed: Trail) -> None:
    with signed.anchors.path.open("ab") as file:
        file.write(b'{"kind":"checkp')
    assert len(signed.anchors.read()) == 2
    signed.sign()
    assert len(signed.anchors.read()) == 3


def test_other_content_is_refused(trail: Trail) -> None:
    trail.anchors.path.write_text('{"kind":"checkpoint"}\n')
    with pytest.raises(ValueError, match=r"anchors\.jsonl:1: no statement"):
        trail.signer()


# ── tampering ────────────────────────────────────────────────────────────────────────────────

KINDS: dict[str, tuple[str, str]] = {
    "a changed message": (
        "UPDATE message = 'other' WHERE {said} = 'three'",
        "altered",
    ),
    "a changed principal": (
        "UPDATE principal = 'somebody' WHERE {said} = 'three'",
        "altered",
    ),
    "changed details": (
        "UPDATE details = replaceAll(details, '1', '2') WHERE {said} = 'three'",
        "details_altered",
    ),
    "a changed hash": (
        "UPDATE hash = toFixedString(unhex(repeat('ab', 32)), 32) WHERE {said} = 'three'",
        "altered",
    ),
    "a removed row": ("DELETE WHERE {said} = 'three'", "missing"),
}


@pytest.mark.parametrize("what", list(KINDS))
def test_changes_are_found_by_row(signed: Trail, what: str) -> None:
    sql, kind = KINDS[what]
    row = next(line for line in signed.lines if said(line) == "three")
    signed.change(sql)
    found = signed.faults()
    assert kind in {fault.kind for fault in found}
    named = {fault.event_id for fault in found if fault.kind == kind}
    following = next(line for line in signed.lines if said(line) == "four").event_id
    assert named == {following if kind == "missing" else row.event_id}


def test_an_inserted_row_is_found(signed: Trail) -> None:
    line = signed.lines[2]
    columns = columns_of(line)
    columns[3] = 7  # Its index: a further event of the same record.
    own = link(bytes.fromhex(line.hash), canonical(columns[:21]))
    columns[21:23] = [line.hash, own.hex()]
    forged = msgspec.json.encode([*columns[:23], msgspec.Raw(bytes(line.data))]) + b"\n"
    signed.store.raw_insert(EVENTS_TABLE, [forged], EVENTS_FORMAT, event_settings("inserted"))
    found = signed.faults()
    assert [(fault.kind, fault.event_id) for fault in found] == [
        ("inserted", f"{line.event_id.rpartition('.')[0]}.7")
    ]


def test_a_doubled_row_is_found(signed: Trail) -> None:
    signed.store.command(
        f"INSERT INTO neurorail_audit SELECT * FROM neurorail_audit WHERE {SAID} = 'three'"
    )
    (fault,) = signed.faults()
    assert (fault.kind, fault.event_id) == ("duplicated", signed.lines[2].event_id)


def test_reordered_rows_are_found(signed: Trail) -> None:
    swapped = list(signed.lines)
    swapped[2], swapped[3] = swapped[3], swapped[2]
    signed.replace(swapped)
    assert signed.faults(), "the order of the table is by sequence, whatever the chain says"


def test_rows_cut_off_at_the_end_are_found(signed: Trail) -> None:
    signed.change("DELETE WHERE {said} IN ('ten', 'eleven', 'twelve')")
    assert verify(signed.store).ok, "the rest of the chain holds by itself"
    (fault,) = signed.faults()
    assert fault.kind == "anchor_missing"
    assert fault.event_id == signed.lines[9].event_id


def test_rows_after_the_last_checkpoint_are_found_by_the_servers_own_head(signed: Trail) -> None:
    signed.change("DELETE WHERE {said} IN ('eleven', 'twelve')")
    assert signed.faults() == [], "nothing signed is missing"
    (fault,) = signed.faults(expected_heads={NODE: signed.head})
    assert fault.kind == "head_missing"


def test_a_chain_that_was_replaced_as_a_whole_is_found(signed: Trail) -> None:
    forged = [
        msgspec.structs.replace(line, message="nothing" if said(line) == "three" else line.message)
        for line in signed.lines
    ]
    signed.replace(forged)
    assert verify(signed.store).ok, "it fits itself"
    found = signed.faults()
    assert [fault.kind for fault in found] == ["anchor_missing", "anchor_missing"]
    assert found[0].event_id == signed.lines[5].event_id
    assert "the chain was replaced" in found[0].detail


def test_everything_gone_is_found(signed: Trail) -> None:
    signed.store.command("TRUNCATE TABLE neurorail_audit")
    assert [fault.kind for fault in signed.faults()] == ["anchor_missing", "anchor_missing"]


def test_forged_statements_are_found(signed: Trail) -> None:
    first, second = signed.anchors.read()
    assert isinstance(first, Checkpoint)
    forged = msgspec.structs.replace(first, total=5)
    report = verify(signed.store, anchors=[forged, second])
    kinds = {fault.kind for fault in report.nodes[0].faults}
    assert kinds == {"anchor_invalid", "anchor_missing"}
    left_out = verify(signed.store, anchors=[second])
    assert left_out.ok, "what was kept is enough"


def test_a_part_is_verified_by_itself(signed: Trail) -> None:
    signed.change("UPDATE message = 'other' WHERE {said} = 'two'")
    seqs = [line.seq for line in signed.lines]
    assert signed.faults(seqs=(seqs[4], seqs[-1])) == []
    assert [fault.kind for fault in signed.faults(seqs=(seqs[0], seqs[3]))] == ["altered"]
    report = verify(signed.store, anchors=signed.anchors.read(), seqs=(seqs[4], seqs[7]))
    assert (report.events, report.nodes[0].anchors) == (4, 1)


# ── bundles ──────────────────────────────────────────────────────────────────────────────────


def bundle(trail: Trail, **about: str) -> list[dict[str, Any]]:
    lines = write_bundle(trail.store, trail.anchors.read(), "default", about)
    return [json.loads(line) for line in lines]


def verified(trail: Trail, lines: list[dict[str, Any]], *key: str) -> tuple[int, str]:
    """What the stand-alone verifier says, in an interpreter of its own."""
    path = trail.folder / "bundle.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return verifier(str(path), *key)


def verifier(*arguments: str) -> tuple[int, str]:
    """What the stand-alone verifier says to arguments."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(VERIFIER), *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def test_a_bundle_proves_itself(signed: Trail) -> None:
    signed.checkpointer.rotate()
    signed.log("thirteen")
    signed.sign()
    signed.log('fourteen: ünïcode \u2028 \x7f "quoted" \\ \t\n')
    lines = bundle(signed, mission_id=MISSION)
    assert [line["kind"] for line in lines].count("event") == 10
    key = signed.anchors.read()[0].public_key
    status, said = verified(signed, lines, key)
    assert status == 3
    assert said.startswith(
        "NOT PROVEN: 9 of 10 events proven, 1 not signed yet, 0 with erased details\n"
    )
    signed_lines = [line for line in lines if line.get("proof", line)]
    assert len(signed_lines) == len(lines) - 1
    assert verified(signed, signed_lines, key) == (
        0, "PROVEN: 9 of 9 events proven, 0 not signed yet, 0 with erased details\n",
    )  # fmt: skip
    assert len(VERIFIER.read_text().splitlines()) <= 150


def test_a_bundle_is_not_proven_by_the_key_that_it_brings(signed: Trail) -> None:
    status, said = verified(signed, bundle(signed, mission_id=MISSION))
    assert status == 3
    assert said.startswith("NOT PROVEN: no key was given")


def test_a_bundle_of_which_nothing_is_signed_is_not_proven(trail: Trail) -> None:
    trail.log("one", "two")
    lines = bundle(trail, mission_id=MISSION)
    for key in ((), ("11" * 32,)):
        status, said = verified(trail, lines, *key)
        assert status == 3
        assert said.startswith("NOT PROVEN")
        assert "0 of 2 events proven, 2 not signed yet" in said


def test_another_key_proves_nothing_and_says_so_once(signed: Trail) -> None:
    status, said = verified(signed, bundle(signed, mission_id=MISSION), "11" * 32)
    assert status == 1
    assert said.splitlines() == [
        "BROKEN: 0 of 8 events proven, 2 not signed yet, 0 with erased details",
        "a statement is not signed by the key that holds: line 2 and 1 more",
        "no checkpoint that the key signed holds the event: line 4 and 5 more",
    ]


@pytest.mark.parametrize("key", ["deadbeef", "", "44" * 32, "zz" * 32, "1 " * 32, "11" * 33])
def test_a_key_that_is_none_verifies_nothing(signed: Trail, key: str) -> None:
    status, said = verified(signed, bundle(signed, mission_id=MISSION), key)
    assert status == 2
    assert said.startswith("UNUSABLE: ")
    assert "is no public key" in said


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], "no event"),
        ([{"kind": "bundle"}], "no event"),
        ([{"kind": "event"}], "line 1 "),
        (["text"], "line 1 "),
        ([{"kind": "bundle"}, {"kind": "checkpoint", "version": 1}], "line 2 "),
    ],
)  # fmt: skip
def test_what_is_no_bundle_verifies_nothing(trail: Trail, lines: list[Any], says: str) -> None:
    status, said = verified(trail, lines, "11" * 32)
    assert status == 2
    assert said.startswith("UNUSABLE: ")
    assert says in said


def test_a_bundle_that_is_not_there_is_told(trail: Trail) -> None:
    status, said = verifier(str(trail.folder / "absent.jsonl"), "11" * 32)
    assert status == 2
    assert said.startswith("UNUSABLE: ")
    assert "absent.jsonl" in said
    assert verifier()[0] == 2


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("event", lambda line: line["head"].__setitem__(11, "forged")),
        ("event", lambda line: line.__setitem__("details", "{}")),
        ("event", lambda line: line.__setitem__("prev_hash", "11" * 32)),
        ("event", lambda line: line["proof"].__setitem__("place", line["proof"]["place"] + 1)),
        ("event", lambda line: line["proof"]["path"].__setitem__(-1, "00" * 32)),
        ("event", lambda line: line["proof"]["path"].append("00" * 32)),
        ("event", lambda line: line["proof"]["path"].pop()),
        ("checkpoint", lambda line: line.__setitem__("root", "00" * 32)),
        ("checkpoint", lambda line: line.__setitem__("time_unix_nano", 1)),
        ("checkpoint", lambda line: line.__setitem__("signature", "00" * 64)),
    ],
)  # fmt: skip
def test_a_bundle_that_was_changed_does_not_hold(signed: Trail, kind: str, change: Any) -> None:
    lines = bundle(signed, mission_id=MISSION)
    change(next(line for line in lines if line["kind"] == kind))
    status, said = verified(signed, lines, signed.anchors.read()[0].public_key)
    assert status == 1
    assert said.startswith("BROKEN: ")


def test_one_event_is_proven_alone(signed: Trail) -> None:
    line = signed.lines[8]
    about = {"node": NODE, "epoch": "1", "seq": str(line.seq), "index": str(line.index)}
    lines = bundle(signed, **about)
    (event,) = [each for each in lines if each["kind"] == "event"]
    assert event["hash"] == line.hash
    assert len(event["proof"]["path"]) <= 2, "four events are under its checkpoint"
    assert verified(signed, lines, signed.anchors.read()[0].public_key)[0] == 0
    with pytest.raises(NothingArchived):
        bundle(signed, **(about | {"seq": "999"}))


def test_another_tenants_events_are_in_no_bundle(signed: Trail) -> None:
    lines = write_bundle(signed.store, signed.anchors.read(), "acme", {"mission_id": MISSION})
    with pytest.raises(NothingArchived):
        next(lines)


# ── retention ────────────────────────────────────────────────────────────────────────────────


def received(trail: Trail, place: int) -> int:
    return trail.lines[place].timestamp_unix_nano


def rows(trail: Trail) -> list[str]:
    found = trail.store.query_rows("SELECT message FROM neurorail_audit ORDER BY seq, `index`")
    return [trail_message for (trail_message,) in found]


def test_old_events_are_removed_up_to_a_checkpoint_and_the_rest_holds(signed: Trail) -> None:
    before = len(rows(signed))
    tombstone = signed.checkpointer.retain(received(signed, 8))
    assert tombstone is not None
    assert (tombstone.total, is_signed(tombstone)) == (6, True)
    assert len(rows(signed)) == before - 6
    assert signed.faults() == []
    report = verify(signed.store, anchors=signed.anchors.read())
    assert (report.events, report.nodes[0].anchors) == (6, 1)
    assert signed.sign().total == 12, "signing goes on"
    assert signed.checkpointer.retain(received(signed, 8)) is None, "there is nothing more"
    assert signed.faults() == []


def test_the_newest_event_that_was_known_may_be_the_last_removed(signed: Trail) -> None:
    tombstone = signed.checkpointer.retain(received(signed, 8))
    assert tombstone is not None
    assert signed.faults(expected_heads={NODE: tombstone.head}) == []
    (fault,) = signed.faults(expected_heads={NODE: "ab" * 32})
    assert fault.kind == "head_missing"


def test_nothing_young_is_removed(signed: Trail) -> None:
    assert signed.checkpointer.retain(received(signed, 0)) is None
    assert len(signed.anchors.read()) == 2


def test_what_does_not_hold_is_not_removed(signed: Trail) -> None:
    signed.change("UPDATE message = 'other' WHERE {said} = 'three'")
    count = len(rows(signed))
    with pytest.raises(ChainBroken, match="nothing is removed"):
        signed.checkpointer.retain(received(signed, 11))
    assert len(rows(signed)) == count


def test_rows_removed_beyond_what_was_signed_are_found(signed: Trail) -> None:
    signed.checkpointer.retain(received(signed, 8))
    signed.change("DELETE WHERE {said} = 'seven'")
    assert "missing" in {fault.kind for fault in signed.faults()}


def test_a_removal_that_was_cut_short_is_no_fault(signed: Trail, monkeypatch: Any) -> None:
    monkeypatch.setattr(Checkpointer, "remove", lambda *_: None)
    tombstone = signed.checkpointer.retain(received(signed, 8))
    monkeypatch.undo()
    assert tombstone is not None
    report = verify(signed.store, anchors=signed.anchors.read())
    assert (report.ok, report.nodes[0].removable) == (True, 6)
    signed.checkpointer.remove(tombstone)
    assert verify(signed.store, anchors=signed.anchors.read()).nodes[0].removable == 0


def test_a_forged_tombstone_is_found(signed: Trail) -> None:
    tombstone = signed.checkpointer.retain(received(signed, 8))
    statements = signed.anchors.read()
    assert tombstone is not None
    moved = msgspec.structs.replace(tombstone, total=7)
    faults = faults_of([*statements[:2], moved])
    assert faults == [
        "statement 3 has a wrong signature",
        "statement 3 removes up to an event that no checkpoint before it signed",
    ]
