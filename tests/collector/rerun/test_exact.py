"""Stored history gives the very events that the audit holds, and says where it does not."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from tests.collector.engine.support import envelope_of, record
from tests.collector.rerun.history import encoded, epoch_of, keep_events, keep_records, live
from tests.rules.scenario import BASE, SECOND

from neurorail.collector.engine import applier as applier_module
from neurorail.collector.rerun import engine as rerun_module
from neurorail.collector.rerun import stored as stored_module
from neurorail.collector.rerun.engine import Rerun
from neurorail.collector.rerun.exact import Difference, replay
from neurorail.collector.rerun.stored import StoredRecords, nodes
from neurorail.collector.store.store import Store
from neurorail.rules.config import EngineConfig
from neurorail.rules.observations import PricesLoaded

CONFIG = EngineConfig(entities_in_memory=5, idle_ms=300_000)
CONFIG_JSON = json.dumps(asdict(CONFIG))


@pytest.mark.parametrize("seed", [3, 11])
def test_stored_history_gives_the_events_of_the_audit(
    tmp_path: Path, store: Store, node: str, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(applier_module, "FLUSH_DIRTY_MAX", 10)
    monkeypatch.setattr(rerun_module, "FLUSH_DIRTY", 17)
    monkeypatch.setattr(stored_module, "STRETCH_RECORDS", 20)
    monkeypatch.setattr(stored_module, "QUERY_BYTES", 1_000)
    monkeypatch.setattr("neurorail.collector.rerun.exact.STRETCH_RECORDS", 20)
    envelopes, lines = live(tmp_path / "live", node, CONFIG, CONFIG_JSON, seed)
    keep_records(store, node, envelopes)
    keep_events(store, node, lines)
    moved: list[tuple[int, int]] = []
    report = replay(store, node, tmp_path, progress=lambda done, total: moved.append((done, total)))
    assert report is not None
    assert report.equal
    assert report.first_difference is None
    assert report.events == len(lines)
    assert report.digest == report.archived_digest != "00" * 32
    last = json.loads(lines[-1])[2]
    assert moved[-1] == (last, last)
    assert report.records == last
    assert node in nodes(store)


def test_event_that_is_missing_or_other_is_found(tmp_path: Path, store: Store, node: str) -> None:
    envelopes, lines = live(tmp_path / "live", node, CONFIG, CONFIG_JSON, 5)
    keep_records(store, node, envelopes)
    keep_events(store, node, lines[:-1])
    report = replay(store, node, tmp_path, through_seq=envelopes[-1].seq)
    assert report is not None
    assert not report.equal
    last = json.loads(lines[-1])
    assert report.first_difference == Difference(f"{node}/{last[2]}.{last[3]}", None, last[8])


def test_history_replayed_with_another_configuration_differs(
    tmp_path: Path, store: Store, node: str
) -> None:
    other = EngineConfig(idle_ms=1, orphan_grace_ms=1)
    envelopes, lines = live(tmp_path / "live", node, other, "{}", 3)
    keep_records(store, node, envelopes)
    keep_events(store, node, lines)
    report = replay(store, node, tmp_path)
    assert report is not None
    assert not report.equal


def test_part_of_a_history(tmp_path: Path, store: Store, node: str) -> None:
    envelopes, lines = live(tmp_path / "live", node, CONFIG, CONFIG_JSON, 3)
    keep_records(store, node, envelopes)
    keep_events(store, node, lines)
    report = replay(store, node, tmp_path, through_seq=10)
    assert report is not None
    assert report.equal
    assert report.through_seq == 10
    assert report.records == 10


def test_node_without_history(tmp_path: Path, store: Store) -> None:
    assert replay(store, "nobody", tmp_path) is None


def test_range_of_what_was_received_since(tmp_path: Path, store: Store, node: str) -> None:
    envelopes = [envelope_of(seq, epoch_of(node, seq), BASE + seq * SECOND) for seq in (1, 2, 3)]
    keep_records(store, node, envelopes)
    records = StoredRecords(store, node)
    whole, late = records.range(), records.range(BASE + 2 * SECOND)
    assert whole is not None
    assert late is not None
    assert (whole.first_seq, whole.last_seq, whole.records) == (1, 3, 3)
    assert (late.first_seq, late.first_received_unix_nano) == (2, BASE + 2 * SECOND)
    assert records.range(BASE + 4 * SECOND) is None
    assert [one for stretch in records.read(1, 3) for one in stretch] == [
        encoded(one) for one in envelopes[1:]
    ]


def test_observation_that_raised_raises_again(
    tmp_path: Path, node: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rerun_module, "SINCE_FLUSH_MAX", 3)
    poison = PricesLoaded("v", "ab", b"no json")
    create = [{"log": "create", "ids": [f"m_{number}"], "time": 0} for number in range(4)]
    told = [epoch_of(node), *(record(one) for one in create[:3]), record(poison, create[3], poison)]
    rerun = Rerun(tmp_path, EngineConfig())
    events = []
    for place, one in enumerate(told):
        events += rerun.apply(encoded(envelope_of(place + 1, one, BASE + place * SECOND)))
    rerun.engine.state.tenant = "default"
    assert [event.type for event in events[-3:]] == [
        "record_failed", "state_changed", "record_failed",
    ]  # fmt: skip
    assert sum(event.type == "state_changed" for event in events) == 4
    assert rerun.engine.state.existing("m_0").state == "pending"
    assert rerun.observations == 7
    rerun.close()


def test_server_that_began_anew_with_another_configuration(tmp_path: Path, node: str) -> None:
    rerun = Rerun(tmp_path, EngineConfig())
    told = [
        epoch_of(node),
        record({"log": "create", "ids": ["m_1"], "time": 0}),
        epoch_of(node, 2, '{"idle_ms": 5, "of_a_later_version": 1}'),
    ]
    for place, one in enumerate(told):
        rerun.apply(encoded(envelope_of(place + 1, one, BASE + place * SECOND)))
    state = rerun.engine.state
    assert state.config == EngineConfig(idle_ms=5)
    assert state.epoch == 2
    state.tenant = "default"
    assert state.existing("m_1").state == "pending"
    rerun.close()
