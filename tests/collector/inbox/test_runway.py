"""Room ahead in the log: commits reuse it, and it never looks like records."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.collector.inbox.support import SettableClock, command, telemetry

from neurorail.collector.inbox import runway
from neurorail.collector.inbox.config import GIB, MIB
from neurorail.collector.inbox.segment import PAGE_BYTES, Segment
from neurorail.collector.inbox.segments import Segments
from neurorail.collector.inbox.stamping import Stamper


def log_of(segment: Segment) -> Path:
    return segment.path.with_name(segment.path.name + "-wal")


def test_commits_do_not_grow_a_log_with_room_ahead(tmp_path: Path) -> None:
    segment = Segment(tmp_path / "inbox-1.db", 1, 4 * MIB)
    segment.create(0)
    stamper = Stamper(SettableClock(), 1 << 60)
    used = [segment.used_bytes()]
    for _ in range(20):
        envelopes = stamper.stamp([telemetry(b"x" * 5_000)])
        segment.append(envelopes)
        stamper.committed(envelopes[-1])
        used.append(segment.used_bytes())
    assert log_of(segment).stat().st_size == 4 * MIB
    assert used == sorted(set(used))
    assert used[-1] < 2 * MIB
    segment.close()


def test_a_process_that_died_leaves_its_records_before_the_zeros(tmp_path: Path) -> None:
    segment = Segment(tmp_path / "inbox-1.db", 1, 1 * MIB)
    segment.create(0)
    envelopes = Stamper(SettableClock(), 1 << 60).stamp([telemetry(b"a"), telemetry(b"b")])
    segment.append(envelopes)
    (tmp_path / "died").mkdir()
    for path in (segment.path, log_of(segment)):
        shutil.copy(path, tmp_path / "died" / path.name)
    segment.close()
    found = Segment(tmp_path / "died" / "inbox-1.db", 1, 1 * MIB)
    assert found.recover() == envelopes[-1].received_unix_nano
    assert found.read(0, 10, GIB) == envelopes
    found.close()


def test_a_merged_log_starts_anew_in_its_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neurorail.collector.inbox.segment.MERGE_LOG_BYTES", 1 * MIB)
    segments = Segments(tmp_path, GIB, 1, 2 * MIB)
    segments.open()
    stamper = Stamper(SettableClock(), 1 << 60)
    sizes = set()
    for _ in range(200):
        envelopes = stamper.stamp([command()])
        segments.append(envelopes)
        stamper.committed(envelopes[-1])
        sizes.add(log_of(segments._segments[-1]).stat().st_size)
    assert sizes == {2 * MIB}
    assert len(segments.read(0, 10_000, GIB)) == 200
    segments.close()


def test_room_ahead_is_laid_anew_in_the_log_of_a_reopened_file(tmp_path: Path) -> None:
    segment = Segment(tmp_path / "inbox-1.db", 1, 1 * MIB)
    segment.create(0)
    segment.close()
    assert not log_of(segment).exists()
    segment.append(Stamper(SettableClock(), 1 << 60).stamp([command()]))
    assert log_of(segment).stat().st_size == 1 * MIB
    segment.close()


def test_without_a_log_nothing_is_used_and_nothing_laid(tmp_path: Path) -> None:
    assert runway.used_bytes(tmp_path / "none-shm", PAGE_BYTES) == 0
    runway.lay(tmp_path / "none-wal", 1 * MIB)
    assert list(tmp_path.iterdir()) == []


def test_without_room_ahead_what_is_used_is_the_log(tmp_path: Path) -> None:
    segment = Segment(tmp_path / "inbox-1.db", 1)
    segment.create(0)
    index = tmp_path / "inbox-1.db-shm"
    assert runway.used_bytes(index, PAGE_BYTES) == log_of(segment).stat().st_size
    segment.close()
