from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from neurorail.rules.manifest.windows import UNITS, UTC_ZONE, Window, Zone

BERLIN = Zone(
    data_version="test",
    from_unix_s=(1_743_296_400, 1_761_440_400, 1_774_746_000, 1_792_890_000),
    offset_s=(3_600, 7_200, 3_600, 7_200, 3_600),
)
SECOND = 1_000_000_000


def _nano(text: str, zone: ZoneInfo | None = None, fold: int = 0) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=zone or UTC, fold=fold)
    return int(moment.timestamp()) * SECOND


def test_rolling_window_ends_just_after_the_moment() -> None:
    begin, end = Window(rolling_ms=60_000).bounds(100 * SECOND)
    assert (begin, end) == (40 * SECOND + 1, 100 * SECOND + 1)


@pytest.mark.parametrize(
    ("unit", "begin", "end"),
    [
        ("minute", "2026-02-28T23:59:00", "2026-03-01T00:00:00"),
        ("hour", "2026-02-28T23:00:00", "2026-03-01T00:00:00"),
        ("day", "2026-02-28T00:00:00", "2026-03-01T00:00:00"),
        ("week", "2026-02-23T00:00:00", "2026-03-02T00:00:00"),
        ("month", "2026-02-01T00:00:00", "2026-03-01T00:00:00"),
    ],
)
def test_calendar_window_in_utc(unit: str, begin: str, end: str) -> None:
    window = Window(calendar=unit)
    bounds = (_nano(begin), _nano(end))
    assert window.bounds(_nano("2026-02-28T23:59:59")) == bounds
    assert window.bounds(bounds[0]) == bounds
    assert window.bounds(bounds[1])[0] == bounds[1]


def test_month_window_over_the_turn_of_the_year_and_leap_days() -> None:
    window = Window(calendar="month")
    december = window.bounds(_nano("2027-12-31T12:00:00"))
    assert december == (_nano("2027-12-01T00:00:00"), _nano("2028-01-01T00:00:00"))
    february = window.bounds(_nano("2028-02-29T12:00:00"))
    assert february == (_nano("2028-02-01T00:00:00"), _nano("2028-03-01T00:00:00"))


@pytest.mark.parametrize(
    ("at", "hours"),
    [("2026-03-28T12:00:00", 24), ("2026-03-29T12:00:00", 23), ("2026-10-25T12:00:00", 25)],
)
def test_days_of_a_zone_are_as_long_as_its_clocks_say(at: str, hours: int) -> None:
    zone = ZoneInfo("Europe/Berlin")
    begin, end = Window(calendar="day", zone="Europe/Berlin").bounds(_nano(at, zone), BERLIN)
    assert (end - begin) // SECOND == hours * 3_600
    assert begin == _nano(at[:10] + "T00:00:00", zone)


def test_windows_of_a_zone_follow_each_other_without_gap_or_overlap() -> None:
    moment = datetime(2026, 3, 27, tzinfo=UTC)
    for unit in UNITS:
        window = Window(calendar=unit, zone="Europe/Berlin")
        at = int(moment.timestamp()) * SECOND
        for _ in range(80):
            begin, end = window.bounds(at, BERLIN)
            assert begin <= at < end
            assert window.bounds(begin, BERLIN) == window.bounds(end - 1, BERLIN) == (begin, end)
            at = end


def test_local_times_that_are_shown_twice_or_never() -> None:
    zone = ZoneInfo("Europe/Berlin")
    local = int(datetime(2026, 10, 25, 2, 30, tzinfo=UTC).timestamp())
    assert BERLIN.to_unix_s(local) * SECOND == _nano("2026-10-25T02:30:00", zone)
    skipped = int(datetime(2026, 3, 29, 2, 30, tzinfo=UTC).timestamp())
    assert BERLIN.to_unix_s(skipped) == 1_774_746_000
    for day in range(400):
        midnight = datetime(2025, 12, 1, tzinfo=UTC) + timedelta(days=day)
        local = int(midnight.timestamp())
        expected = midnight.replace(tzinfo=zone).timestamp()
        assert BERLIN.to_unix_s(local) == expected
    assert UTC_ZONE.to_unix_s(12) == 12
