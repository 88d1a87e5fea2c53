"""Windows of time over which pools count: rolling, or calendar periods of a named time zone.

Zone rules are data inside the manifest, so that the same manifest counts the same everywhere,
whatever the machine knows of time zones. There is no calendar library here: `datetime` is a clock.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final

from neurorail.rules.manifest.kinds import Choice, Duration, ListOf, Text, Whole, spec

UTC: Final = "UTC"
UNITS: Final = ("minute", "hour", "day", "week", "month")
_NS: Final = 1_000_000_000
_DAY_S: Final = 86_400
_FIXED_S: Final = {"minute": 60, "hour": 3_600}


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A time zone's rules: at which moments its offset from UTC changes."""

    data_version: str = field(metadata=spec(Text(), "Version of the time-zone data."))
    from_unix_s: tuple[int, ...] = field(
        metadata=spec(ListOf(Whole(least=-(2**62))), "When each offset begins, ascending.")
    )
    offset_s: tuple[int, ...] = field(
        metadata=spec(
            ListOf(Whole(least=-_DAY_S, most=_DAY_S)),
            "Seconds ahead of UTC: the first before all moments, then one from each moment on.",
        )
    )

    def offset_at(self, unix_s: int) -> int:
        """Seconds ahead of UTC at a moment."""
        return self.offset_s[bisect_right(self.from_unix_s, unix_s)]

    def to_unix_s(self, local_s: int) -> int:
        """The first moment at which the zone's clocks show `local_s` or later."""
        index = bisect_right(self.from_unix_s, local_s - 2 * _DAY_S)
        while True:
            at = local_s - self.offset_s[index]
            if index and at < self.from_unix_s[index - 1]:
                at = self.from_unix_s[index - 1]
            if index == len(self.from_unix_s) or at < self.from_unix_s[index]:
                return at
            index += 1


UTC_ZONE: Final = Zone(data_version="", from_unix_s=(), offset_s=(0,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Over which time a pool counts: exactly one of `rolling` and `calendar`."""

    rolling_ms: int | None = field(
        default=None, metadata=spec(Duration(), "The last so much time, always.", "rolling")
    )
    calendar: str | None = field(
        default=None,
        metadata=spec(Choice(UNITS), "A period of the calendar; weeks begin on Monday."),
    )
    zone: str = field(
        default=UTC,
        metadata=spec(
            Text(pattern=r"[A-Za-z0-9_+\-/]{1,64}"),
            "The time zone of a calendar period, by its IANA name.",
        ),
    )

    @property
    def text(self) -> str:
        """In one word: `3600000 ms`, `day UTC`."""
        if self.rolling_ms is not None:
            return f"{self.rolling_ms} ms"
        return f"{self.calendar} {self.zone}"

    def bounds(self, at_unix_nano: int, zone: Zone = UTC_ZONE) -> tuple[int, int]:
        """Beginning and end (exclusive) of the window that holds a moment, in nanoseconds.

        A rolling window ends just after the moment.
        """
        if self.rolling_ms is not None:
            return at_unix_nano + 1 - self.rolling_ms * 1_000_000, at_unix_nano + 1
        assert self.calendar is not None, "a window rolls or follows the calendar"
        local = (at_unix_nano // _NS) + zone.offset_at(at_unix_nano // _NS)
        begin, end = _local_bounds(self.calendar, local)
        at_s = at_unix_nano // _NS
        if self.calendar in _FIXED_S:  # Clock hours that are shown twice are two windows.
            offset = local - at_s
            return (begin - offset) * _NS, (end - offset) * _NS
        return zone.to_unix_s(begin) * _NS, zone.to_unix_s(end) * _NS


def unix_s(text: str) -> int:
    """Seconds since the Unix epoch of a time in UTC that is written `2026-03-28T09:00:00Z`."""
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    hours, minutes, seconds = int(text[11:13]), int(text[14:16]), int(text[17:19])
    return (
        (_first_day(year, month) + day - 1) * _DAY_S + hours * 3_600 + minutes * 60 + seconds
    )  # fmt: skip


def _local_bounds(unit: str, local_s: int) -> tuple[int, int]:
    fixed = _FIXED_S.get(unit)
    if fixed is not None:
        begin = local_s - local_s % fixed
        return begin, begin + fixed
    day = local_s // _DAY_S
    if unit == "day":
        return day * _DAY_S, (day + 1) * _DAY_S
    if unit == "week":
        monday = day - (day + 3) % 7  # The Unix epoch was a Thursday.
        return monday * _DAY_S, (monday + 7) * _DAY_S
    year, month = _year_and_month(day)
    following = (year + 1, 1) if month == 12 else (year, month + 1)
    return _first_day(year, month) * _DAY_S, _first_day(*following) * _DAY_S


def _first_day(year: int, month: int) -> int:
    """Days from the Unix epoch to the first of a month (proleptic Gregorian calendar)."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + day_of_year - 719_468


def _year_and_month(day: int) -> tuple[int, int]:
    era, of_era = divmod(day + 719_468, 146_097)
    year_of_era = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    day_of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month = (5 * day_of_year + 2) // 153
    month = month + 3 if month < 10 else month - 9
    return era * 400 + year_of_era + (month <= 2), month
