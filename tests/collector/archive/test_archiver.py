"""The archiver: everything once, whatever fails and whenever it stops."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.otlp_requests import span, traces
from tests.support.sources import Batch, EventLines, Events, Records, batch, telemetry

from neurorail.collector.archive.archiver import Archiver
from neurorail.collector.archive.config import ArchiveConfig
from neurorail.collector.archive.formats import (
    EVENTS_FORMAT,
    EVENTS_TABLE,
    PROTOBUF_FORMAT,
    event_settings,
    telemetry_sources,
)
from neurorail.collector.archive.frames import frame_requests
from neurorail.collector.archive.ports import DeadLetter
from neurorail.collector.archive.progress import Plan, ProgressLog
from neurorail.collector.envelope import Envelope, Kind, Signal
from neurorail.collector.store.audit import verify
from neurorail.collector.store.client import is_embedded
from neurorail.collector.store.store import Store

CONFIG = ArchiveConfig(linger_ms=1, linger_busy_ms=1, retry_delay_ms_min=10, retry_delay_ms_max=20)
TIMEOUT_S = 60.0


@pytest.fixture
def archiver_of(store: Store, node: str, tmp_path: Path) -> Callable[..., Archiver]:
    def make(
        records: Records,
        events: Events | None = None,
        config: ArchiveConfig = CONFIG,
        **more: object,
    ) -> Archiver:
        return Archiver(
            directory=tmp_path,
            store=store,
            node=node,
            records=records,
            events=events or Events(),
            config=config,
            **more,  # type: ignore[arg-type]
        )

    return make


@contextmanager
def running(archiver: Archiver) -> Iterator[Archiver]:
    archiver.start()
    try:
        yield archiver
    finally:
        archiver.stop()


def requests(first: int, last: int, spans: int = 2) -> list[Envelope]:
    return [
        telemetry(seq, traces(*(span(number=seq * 100 + n) for n in range(spans))), items=spans)
        for seq in range(first, last + 1)
    ]


def seqs(store: Store, node: str, table: str = "otel_traces") -> dict[int, int]:
    rows = store.query_rows(
        f"SELECT Seq, count() FROM {table} WHERE Node = {{node:String}} GROUP BY Seq ORDER BY Seq",
        {"node": node},
    )
    return {seq: count for seq, count in rows}


def insert_traces(store: Store, node: str, envelopes: list[Envelope], token: str) -> None:
    source = telemetry_sources()[Signal.TRACES]
    parts = frame_requests(envelopes, node)
    store.raw_insert(source.table, parts, PROTOBUF_FORMAT, source.settings(token))


def count(store: Store, node: str, table: str) -> int:
    rows = store.query_rows(
        f"SELECT count() FROM {table} WHERE node = {{node:String}}", {"node": node}
    )
    found: int = rows[0][0]
    return found


def test_records_are_archived_in_batches_and_progress_is_told(
    store: Store, node: str, archiver_of: Callable[..., Archiver]
) -> None:
    records = Records(requests(1, 150))
    told: list[int] = []
    archiver: Archiver = archiver_of(
        records,
        config=replace(CONFIG, batch_records_max=64),
        on_progress=lambda: told.append(archiver.archived_seq),
    )
    with running(archiver):
        assert archiver.wait_until(seq=150, timeout_s=TIMEOUT_S)
        assert archiver.backlog_records == 0
        assert archiver.healthy
    assert seqs(store, node) == dict.fromkeys(range(1, 151), 2)
    assert told[-1] == 150
    assert archiver.counts[0].inserts == 3
    assert archiver.counts[0].by_source == {"traces": 300}


def test_what_comes_later_is_archived_too(
    store: Store, node: str, archiver_of: Callable[..., Archiver]
) -> None:
    records = Records()
    with running(archiver_of(records)) as archiver:
        for seq in range(1, 4):
            records.append(*requests(seq, seq))
            assert archiver.wait_until(seq=seq, timeout_s=TIMEOUT_S)
    assert seqs(store, node) == {1: 2, 2: 2, 3: 2}


def test_what_the_last_run_archived_is_compared_also_when_it_is_read_again_only_later(
    store: Store, node: str, archiver_of: Callable[..., Archiver], tmp_path: Path
) -> None:
    """After a crash the engine may have to catch up with what is in the tables already."""
    everything = requests(1, 6)
    with running(archiver_of(Records(everything))) as archiver:
        assert archiver.wait_until(seq=6, timeout_s=TIMEOUT_S)
    for file in tmp_path.glob("archive.db*"):
        file.unlink()
    behind = Records(everything[:2])
    with running(archiver_of(behind)) as archiver:
        assert archiver.wait_until(seq=2, timeout_s=TIMEOUT_S)
        behind.append(*everything[2:4])
        assert archiver.wait_until(seq=4, timeout_s=TIMEOUT_S)
        behind.append(*everything[4:], *requests(7, 7))
        assert archiver.wait_until(seq=7, timeout_s=TIMEOUT_S)
    assert seqs(store, node) == dict.fromkeys(range(1, 8), 2)


def test_a_batch_holds_no_more_items_than_configured(
    store: Store, node: str, archiver_of: Callable[..., Archiver]
) -> None:
    config = ArchiveConfig(linger_ms=1, linger_busy_ms=1, batch_items_max=5)
    with running(archiver_of(Records(requests(1, 4, spans=3)), config=config)) as archiver:
        assert archiver.wait_until(seq=4, timeout_s=TIMEOUT_S)
    assert archiver.counts[0].inserts == 4
    assert seqs(store, node) == dict.fromkeys(range(1, 5), 3)


def test_an_embedded_engine_is_given_one_insert_at_a_time(
    store: Store, node: str, archiver_of: Callable[..., Archiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    insert, both = store.raw_insert, threading.Barrier(2)
    under_way, most = 0, 0

    def counted(*arguments: Any) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        with suppress(threading.BrokenBarrierError):
            both.wait(0.05)  # Whoever might come meanwhile has the time to.
        insert(*arguments)
        under_way -= 1

    monkeypatch.setattr(store, "raw_insert", counted)
    lines = EventLines(node)
    events = Events(batch(n, [lines.line(n, index) for index in range(3)]) for n in range(1, 9))
    config = replace(CONFIG, batch_records_max=1, events_bytes_max=1)
    with running(archiver_of(Records(requests(1, 8)), events, config)) as archiver:
        assert archiver.wait_until(seq=8, ordinal=8, timeout_s=TIMEOUT_S)
    # A server does its work on processors of its own: it may have two.
    assert most == 1 or not is_embedded(store.config.url)
    assert seqs(store, node) == dict.fromkeys(range(1, 9), 2)
    assert count(store, node, "neurorail_audit") == 24


def test_envelopes_are_kept_with_what_the_encoder_gives(
    store: Store, node: str, archiver_of: Callable[..., Archiver]
) -> None:
    tick = Envelope(2, Kind.TICK, Signal.NONE, "json", 4 * 10**18, "default", "server", 1, b"")
    records = Records([*requests(1, 1), tick, *requests(3, 3)])

    def encode(envelope: Envelope) -> bytes | None:
        return None if envelope.seq == 3 else b"\x00\xff" + str(envelope.seq).encode()

    with running(archiver_of(records, encode_record=encode)) as archiver:
        assert archiver.wait_until(seq=3, timeout_s=TIMEOUT_S)
    rows = store.query_rows(
        "SELECT seq, kind, signal, encoding, principal, toUnixTimestamp64Nano(received), items, "
        "hex(observations) FROM neurorail_records WHERE node = {node:String} ORDER BY seq",
        {"node": node},
    )
    assert [tuple(row) for row in rows] == [
        (1, 1, 1, "otlp_proto", "agent", 4 * 10**18 + 1, 2, "00FF31"),
        (2, 3, 0, "json", "server", 4 * 10**18, 0, "00FF32"),
    ]


def test_a_restart_goes_on_where_the_last_run_ended(
    store: Store, node: str, archiver_of: Callable[..., Archiver]
) -> None:
    records = Records(requests(1, 5))
    with running(archiver_of(records)) as first:
        assert first.wait_until(seq=5, timeout_s=TIMEOUT_S)
    records.append(*requests(6, 8))
    with running(archiver_of(records)) as second:
        assert second.wait_until(seq=8, timeout_s=TIMEOUT_S)
    assert second.counts[0].by_source == {"traces": 6}
    assert seqs(store, node) == dict.fromkeys(range(1, 9), 2)


@pytest.mark.parametrize("inserted", [0, 3, 5])
def test_a_crash_between_plan_and_end_loses_and_repeats_nothing(
    store: Store, node: str, tmp_path: Path, archiver_of: Callable[..., Archiver], inserted: int
) -> None:
    envelopes = requests(1, 5)
    log = ProgressLog(tmp_path / "archive.db")
    log.begin("telemetry", 0, Plan(1, 5, "token"))
    log.close()
    if inserted:
        insert_traces(store, node, envelopes[:inserted], "token")
    with running(archiver_of(Records(envelopes))) as archiver:
        assert archiver.wait_until(seq=5, timeout_s=TIMEOUT_S)
    assert seqs(store, node) == dict.fromkeys(range(1, 6), 2)


def test_a_record_that_is_there_in_part_is_made_whole(
    store: Store, node: str, tmp_path: Path, archiver_of: Callable[..., Archiver]
) -> None:
    envelopes = requests(1, 3)
    log = ProgressLog(tmp_path / "archive.db")
    log.begin("telemetry", 0, Plan(1, 3, "token"))
    log.close()
    half = telemetry(2, traces(span(number=200)))
    insert_traces(store, node, [envelopes[0], half], "other")
    with running(archiver_of(Records(envelopes))) as archiver:
        assert archiver.wait_until(seq=3, timeout_s=TIMEOUT_S)
    assert seqs(store, node) == {1: 2, 2: 2, 3: 2}


def test_a_remembered_token_of_rows_that_are_gone_does_not_swallow_the_insert(
    store: Store, node: str, tmp_path: Path, archiver_of: Callable[..., Archiver]
) -> None:
    envelopes = requests(1, 3)
    token = f"{node}.1-3"
    insert_traces(store, node, envelopes, token)
    store.command(
        "DELETE FROM otel_traces WHERE Node = {node:String}",
        {"node": node},
        {"lightweight_deletes_sync": 2},
    )
    log = ProgressLog(tmp_path / "archive.db")
    log.begin("telemetry", 0, Plan(1, 3, token))
    log.close()
    with running(archiver_of(Records(envelopes))) as archiver:
        assert archiver.wait_until(seq=3, timeout_s=TIMEOUT_S)
    assert seqs(store, node) == {1: 2, 2: 2, 3: 2}


def test_losing_the_progress_file_repeats_nothing(
    store: Store, node: str, tmp_path: Path, archiver_of: Callable[..., Archiver]
) -> None:
    records = Records(requests(1, 4))
    lines = EventLines(node)
    events = Events([batch(1, [lines.line(1), lines.line(2)]), batch(2, [lines.line(3)])])
    with running(archiver_of(records, events)) as first:
        assert first.wait_until(seq=4, ordinal=2, timeout_s=TIMEOUT_S)
    for file in tmp_path.glob("archive.db*"):
        file.unlink()
    records.append(*requests(5, 5))
    events.append(batch(3, [lines.line(4)]))
    with running(archiver_of(records, events)) as second:
        assert second.wait_until(seq=5, ordinal=3, timeout_s=TIMEOUT_S)
    assert seqs(store, node) == dict.fromkeys(range(1, 6), 2)
    assert count(store, node, "neurorail_audit") == 4
    assert verify(store, node).ok


def test_a_body_that_does_not_parse_is_put_aside_and_blocks_nothing(
    store: Store, node: str, archiver_of: Callable[..., Archiver]
) -> None:
    envelopes = requests(1, 9)
    envelopes[4] = telemetry(5, b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", tenant="acme")
    letters: list[DeadLetter] = []
    archiver = archiver_of(Records(envelopes), on_dead_letter=letters.append)
    with running(archiver):
        assert archiver.wait_until(seq=9, timeout_s=TIMEOUT_S)
    assert seqs(store, node) == {seq: 2 for seq in range(1, 10) if seq != 5}
    assert [(x.source, x.tenant, x.first_seq, x.last_seq) for x in letters] == [
        ("traces", "acme", 5, 5)
    ]
    rows = store.query_rows(
        "SELECT tenant, source, first_seq, hex(body), error != '' FROM neurorail_dead_letter "
        "WHERE node = {node:String}",
        {"node": node},
    )
    body = envelopes[4].body.hex().upper()
    assert [tuple(row) for row in rows] == [("acme", "traces", 5, body, 1)]
    assert archiver.counts[0].dead_letters == 1


def test_events_go_to_the_tables_they_belong_to(
    store: Store, node: str, archiver_of: Callable[..., Archiver]
) -> None:
    lines = EventLines(node)
    made = [
        lines.line(
            1,
            event_type="state_changed",
            channel="lifecycle",
            data='{"transition_id":"t1","from_state":"queued","to_state":"running",'
            '"transition":"start","inferred":true,"gap":false,"reason":null,"metadata":{"a":1}}',
        ),
        lines.line(
            2,
            event_type="metrics_recorded",
            channel="metrics",
            data='{"duration_ms":12.5,"input_tokens":7,"cost_usd_pico":123456789,"success":null}',
        ),
        lines.line(
            3,
            event_type="mode_decided",
            channel="governor",
            data='{"decision_id":"d1","allowed":true,"mode":"rail","matched_rules":[]}',
        ),
        lines.line(
            4,
            event_type="audit_logged",
            data='{"caused_by_agent":"bob","caused_by_event":"e1","details":{}}',
        ),
    ]
    with running(archiver_of(Records(), Events([batch(1, made)]))) as archiver:
        assert archiver.wait_until(ordinal=1, timeout_s=TIMEOUT_S)
    by_node = {"node": node}
    (row,) = store.query(
        "SELECT transition_id, entity_id, from_state, to_state, transition, inferred, gap, reason, "
        "metadata, seq FROM neurorail_state_transitions WHERE node = {node:String}",
        by_node,
    )
    assert row == {
        "transition_id": "t1",
        "entity_id": "m_1",
        "from_state": "queued",
        "to_state": "running",
        "transition": "start",
        "inferred": True,
        "gap": False,
        "reason": "",
        "metadata": '{"a":1}',
        "seq": 1,
    }
    (row,) = store.query(
        "SELECT duration_ms, input_tokens, toString(cost_usd) AS cost, success "
        "FROM neurorail_metrics_snapshots WHERE node = {node:String}",
        by_node,
    )
    assert row == {
        "duration_ms": 12.5,
        "input_tokens": 7,
        "cost": "0.000123456789",
        "success": None,
    }
    (row,) = store.query(
        "SELECT decision_id, mode, allowed FROM governor_decisions WHERE node = {node:String}",
        by_node,
    )
    assert row == {"decision_id": "d1", "mode": "rail", "allowed": True}
    (row,) = store.query(
        "SELECT audit_id, caused_by_agent, caused_by_event FROM neurorail_audit "
        "WHERE node = {node:String} AND event_type = 'audit_logged'",
        by_node,
    )
    assert row == {"audit_id": f"{node}.1.4.0", "caused_by_agent": "bob", "caused_by_event": "e1"}
    assert verify(store, node).events == 4


@pytest.mark.parametrize("audited", [0, 2, 4])
def test_events_after_a_crash_are_in_every_table_once(
    store: Store, node: str, tmp_path: Path, archiver_of: Callable[..., Archiver], audited: int
) -> None:
    lines = EventLines(node)
    made = [lines.line(n, event_type="state_changed", data='{"x":1}') for n in range(1, 5)]
    log = ProgressLog(tmp_path / "archive.db")
    log.begin("events", 0, Plan(1, 1, "token"))
    log.close()
    if audited:
        store.raw_insert(EVENTS_TABLE, made[:audited], EVENTS_FORMAT, event_settings("token"))
    with running(archiver_of(Records(), Events([batch(1, made)]))) as archiver:
        assert archiver.wait_until(ordinal=1, timeout_s=TIMEOUT_S)
    assert count(store, node, "neurorail_audit") == 4
    assert count(store, node, "neurorail_state_transitions") == 4
    assert verify(store, node).ok


def test_a_line_that_is_no_event_is_put_aside_and_blocks_nothing(
    store: Store, node: str, archiver_of: Callable[..., Archiver]
) -> None:
    lines = EventLines(node)
    made = [lines.line(n) for n in range(1, 6)]
    letters: list[DeadLetter] = []
    events = Events([batch(1, [*made[:2], b'{"seq": broken\n', *made[2:]])])
    with running(archiver_of(Records(), events, on_dead_letter=letters.append)) as archiver:
        assert archiver.wait_until(ordinal=1, timeout_s=TIMEOUT_S)
    assert [letter.source for letter in letters] == ["events"]
    assert count(store, node, "neurorail_audit") == 5
    assert verify(store, node).ok


def test_batches_linger_until_there_is_no_time_to(
    store: Store, node: str, archiver_of: Callable[..., Archiver]
) -> None:
    lines = EventLines(node)
    config = replace(CONFIG, linger_ms=3_600_000, linger_busy_ms=3_600_000)
    records, events = Records(requests(1, 3)), Events([batch(1, [lines.line(1)])])
    with running(archiver_of(records, events, config=config)) as archiver:
        archiver.hasten()
        assert archiver.wait_until(seq=3, ordinal=1, timeout_s=TIMEOUT_S)
        records.append(*requests(4, 4))
        assert archiver.wait_until(seq=4, timeout_s=TIMEOUT_S)
    assert seqs(store, node) == dict.fromkeys(range(1, 5), 2)


def test_stop_is_idempotent_and_safe_without_start(archiver_of: Callable[..., Archiver]) -> None:
    archiver = archiver_of(Records())
    archiver.stop()
    archiver.start()
    archiver.start()
    archiver.stop()
    archiver.stop()
    assert archiver.archived_seq == 0


def test_events_of_a_large_backlog_are_archived_in_order(
    store: Store, node: str, archiver_of: Callable[..., Archiver]
) -> None:
    lines = EventLines(node)
    batches: list[Batch] = [
        batch(n, [lines.line(n, index) for index in range(50)]) for n in range(1, 61)
    ]
    config = ArchiveConfig(linger_ms=1, linger_busy_ms=1, events_bytes_max=200_000)
    with running(archiver_of(Records(), Events(batches), config)) as archiver:
        assert archiver.wait_until(ordinal=60, timeout_s=TIMEOUT_S)
    assert verify(store, node).events == 3_000
    assert verify(store, node).ok


def test_a_record_that_cannot_be_encoded_is_put_aside_and_blocks_nothing(
    store: Store, node: str, archiver_of: Callable[..., Archiver]
) -> None:
    def encode(envelope: Envelope) -> bytes:
        if envelope.seq == 2:
            raise ValueError("no such observation")
        return b"x"

    letters: list[DeadLetter] = []
    records = Records(requests(1, 3))
    with running(archiver_of(records, encode_record=encode, on_dead_letter=letters.append)) as one:
        assert one.wait_until(seq=3, timeout_s=TIMEOUT_S)
    assert [(x.source, x.first_seq) for x in letters] == [("records", 2)]
    assert count(store, node, "neurorail_records") == 2
    assert seqs(store, node) == {1: 2, 2: 2, 3: 2}
