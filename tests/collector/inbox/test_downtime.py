"""Downtime and sleep become records, before anything else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.collector.inbox.support import (
    SECOND_NS,
    SettableClock,
    put,
    read_all,
    running,
    telemetry,
)

from neurorail.collector.envelope import Envelope, Kind


def downtimes_s(envelopes: list[Envelope]) -> list[tuple[int, float]]:
    found = []
    for envelope in envelopes:
        if envelope.kind is Kind.SYSTEM:
            said = json.loads(envelope.body)
            assert said.pop("type") == "resumed"
            found.append((envelope.seq, said.pop("down_ns") / SECOND_NS))
            assert not said
    return found


@pytest.mark.parametrize(("gap_s", "expected"), [(4, []), (6, [(2, 6.0)])])
def test_downtime_before_a_start_is_the_first_record(
    tmp_path: Path, gap_s: int, expected: list[tuple[int, float]]
) -> None:
    clock = SettableClock()
    with running(tmp_path, clock=clock) as inbox:
        put(inbox, telemetry(b"before"))
    clock.advance(gap_s)
    with running(tmp_path, clock=clock) as inbox:
        put(inbox, telemetry(b"after"))
        found = read_all(inbox)
    assert downtimes_s(found) == expected
    assert found[-1].body == b"after"


def test_the_first_start_ever_reports_no_downtime(tmp_path: Path) -> None:
    with running(tmp_path) as inbox:
        assert inbox.last_seq == 0


def test_time_spent_idle_is_not_downtime(tmp_path: Path) -> None:
    clock = SettableClock()
    with running(tmp_path, clock=clock) as inbox:
        put(inbox, telemetry())
        clock.advance(50)
        put(inbox, telemetry())
        clock.advance(50)
    clock.advance(7)
    with running(tmp_path, clock=clock) as inbox:
        # 50 s of the 57 had passed when the inbox stopped: it left a sign of life.
        assert downtimes_s(read_all(inbox)) == [(3, 7.0)]


def test_without_a_sign_of_life_downtime_counts_from_the_last_record(tmp_path: Path) -> None:
    clock = SettableClock()
    with running(tmp_path, clock=clock) as inbox:
        put(inbox, telemetry())
    (tmp_path / "alive").write_text("not a number")
    clock.advance(90)
    with running(tmp_path, clock=clock) as inbox:
        assert downtimes_s(read_all(inbox)) == [(2, 90.0)]


@pytest.mark.parametrize(("leap_s", "expected"), [(59, []), (61, [(2, 61.0)])])
def test_a_leap_of_the_clock_while_running_is_reported_before_what_follows(
    tmp_path: Path, leap_s: int, expected: list[tuple[int, float]]
) -> None:
    clock = SettableClock()
    with running(tmp_path, clock=clock) as inbox:
        put(inbox, telemetry())
        clock.advance(leap_s)
        put(inbox, telemetry(b"after"))
        found = read_all(inbox)
    assert downtimes_s(found) == expected
    assert found[-1].body == b"after"


def test_a_leap_is_noticed_without_any_append(tmp_path: Path) -> None:
    clock = SettableClock()
    with running(tmp_path, clock=clock) as inbox:
        put(inbox, telemetry())
        clock.advance(3600)
        assert inbox.wait_for(1, 60)
        assert downtimes_s(read_all(inbox)) == [(2, 3600.0)]


def test_a_clock_set_back_is_no_downtime(tmp_path: Path) -> None:
    clock = SettableClock()
    with running(tmp_path, clock=clock) as inbox:
        put(inbox, telemetry())
    clock.advance(-3600)
    with running(tmp_path, clock=clock) as inbox:
        assert downtimes_s(read_all(inbox)) == []
