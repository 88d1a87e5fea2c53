"""The audit chain, as it is stored, and what verification finds in a damaged one."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from tests.support.sources import EventLines

from neurorail.collector import audit_chain
from neurorail.collector.archive.formats import EVENTS_FORMAT, EVENTS_TABLE, event_settings
from neurorail.collector.store import audit
from neurorail.collector.store.audit import VerificationReport, verify
from neurorail.collector.store.store import Store


def insert(store: Store, lines: list[bytes], token: str) -> None:
    store.raw_insert(EVENTS_TABLE, lines, EVENTS_FORMAT, event_settings(token))


def faults(report: VerificationReport) -> list[tuple[str, str]]:
    return [(fault.kind, fault.event_id) for node in report.nodes for fault in node.faults]


def test_verify_of_an_intact_chain_checks_every_event(store: Store, node: str) -> None:
    lines = EventLines(node)
    made = [lines.line(seq, index) for seq in range(1, 301) for index in range(3)]
    insert(store, made[:500], f"{node}.1")
    insert(store, made[500:], f"{node}.2")
    seen: list[tuple[int, int]] = []
    report = verify(store, node, lambda done, total: seen.append((done, total)))
    assert report.ok
    assert report.events == 900
    assert seen[-1] == (900, 900)
    assert report.nodes[0].last_hash == lines.last_hash
    assert report.nodes[0].first_event_id == f"{node}.1.1.0"
    assert report.nodes[0].last_event_id == f"{node}.1.300.2"


def test_verify_follows_the_chain_across_epochs_and_tenants(store: Store, node: str) -> None:
    lines = EventLines(node)
    made = [lines.line(1, tenant="a"), lines.line(2, tenant="b"), lines.line(3, epoch=2)]
    insert(store, made, node)
    assert verify(store, node).ok


def test_verify_finds_rows_cut_out_of_the_middle(store: Store, node: str) -> None:
    lines = EventLines(node)
    made = [lines.line(seq) for seq in range(1, 11)]
    insert(store, made[:4] + made[6:], node)
    assert faults(verify(store, node)) == [(audit.MISSING, f"{node}.1.7.0")]


def test_verify_finds_a_missing_beginning(store: Store, node: str) -> None:
    lines = EventLines(node)
    made = [lines.line(seq) for seq in range(1, 4)]
    insert(store, made[1:], node)
    assert faults(verify(store, node)) == [(audit.MISSING, f"{node}.1.2.0")]


def test_verify_finds_a_missing_end_when_told_the_newest_hash(store: Store, node: str) -> None:
    lines = EventLines(node)
    made = [lines.line(seq) for seq in range(1, 4)]
    insert(store, made[:2], node)
    assert verify(store, node).ok
    report = verify(store, node, expected_heads={node: lines.last_hash})
    assert faults(report) == [(audit.HEAD_MISSING, f"{node}.1.2.0")]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("message", "nothing happened"),
        ("severity", "debug"),
        ("tenant", "other"),
        ("principal", "x"),
    ],
)
def test_verify_finds_an_altered_row(store: Store, node: str, field: str, value: str) -> None:
    lines = EventLines(node)
    made = [lines.line(seq) for seq in range(1, 4)]
    altered = json.loads(made[1])
    altered[audit_chain.HEAD_FIELDS.index(field)] = value
    made[1] = json.dumps(altered).encode() + b"\n"
    insert(store, made, node)
    found = faults(verify(store, node))
    # `data` is written with other spaces by the alteration, so its own hash fails too.
    assert (audit.ALTERED, f"{node}.1.2.0") in found
    assert {event_id for _, event_id in found} == {f"{node}.1.2.0"}


def test_verify_finds_altered_details(store: Store, node: str) -> None:
    lines = EventLines(node)
    made = [lines.line(1, data='{"cost":1}'), lines.line(2)]
    made[0] = made[0].replace(b'{"cost":1}', b'{"cost":2}')
    insert(store, made, node)
    assert faults(verify(store, node)) == [(audit.DETAILS_ALTERED, f"{node}.1.1.0")]


def test_verify_finds_a_row_that_is_there_twice(store: Store, node: str) -> None:
    lines = EventLines(node)
    made = [lines.line(seq) for seq in range(1, 4)]
    insert(store, made, f"{node}.1")
    insert(store, made[1:2], f"{node}.2")
    assert faults(verify(store, node)) == [(audit.DUPLICATED, f"{node}.1.2.0")]


def test_verify_finds_rows_in_another_order(store: Store, node: str) -> None:
    lines = EventLines(node)
    first, second, third = lines.line(1), lines.line(2), lines.line(3)
    swapped = second.replace(b",1,2,0,", b",1,4,0,", 1)
    insert(store, [first, third, swapped], node)
    found = faults(verify(store, node))
    assert (audit.ALTERED, f"{node}.1.4.0") in found
    assert (audit.REORDERED, f"{node}.1.4.0") in found


def test_details_are_stored_byte_for_byte(store: Store, node: str) -> None:
    lines = EventLines(node)
    texts = [
        '{"a/b":"\\/ \\u00e9 é \\ud83d\\ude00 😀 <&>"}',
        '{"n":1.50,"e":1E5,"big":12345678901234567890123}',
        '{ "spaces" : [ 1 , 2 ] , "deep" : {"x":[{"y":[null,true,{}]}]} }',
        '{"control":"\\u0001\\t\\n","quote":"\\"","backslash":"\\\\"}',
        '{"same":1,"same":2}',
        "{}",
    ]
    insert(store, [lines.line(seq, data=text) for seq, text in enumerate(texts, 1)], node)
    rows = store.query_rows(
        "SELECT details, lower(hex(details_hash)) FROM neurorail_audit "
        "WHERE node = {node:String} ORDER BY seq",
        {"node": node},
    )
    assert [row[0] for row in rows] == texts
    assert [row[1] for row in rows] == [sha256(text.encode()).hexdigest() for text in texts]
    assert verify(store, node).ok


def test_an_event_beyond_the_year_2262_keeps_its_time_in_the_chain(store: Store, node: str) -> None:
    lines = EventLines(node)
    insert(store, [lines.line(1, event_time_unix_nano=(1 << 64) - 1)], node)
    assert verify(store, node).ok
    rows = store.query_rows(
        "SELECT event_time_unix_nano, toYear(event_time) FROM neurorail_audit "
        "WHERE node = {node:String}",
        {"node": node},
    )
    assert list(rows) == [((1 << 64) - 1, 2262)]
