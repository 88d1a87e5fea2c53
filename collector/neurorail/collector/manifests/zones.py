"""Rules of time zones as data, from the `tzdata` package and never from the machine."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

from neurorail.rules.manifest.windows import Zone

FIRST_YEAR: Final = 2020
LAST_YEAR: Final = 2070
"""Changes of a zone's offset are listed for these years; after them the last offset holds."""
_STEP_S: Final = 43_200
"""Two changes are never closer than this."""


@lru_cache(maxsize=64)
def zone_of(name: str) -> Zone:
    """The rules of a zone by its IANA name.

    Raises:
        LookupError: there is no such zone.
    """
    zone = _read(name)
    at, end = (
        int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (FIRST_YEAR, LAST_YEAR)
    )
    offsets = [_offset_s(zone, at)]
    changes: list[int] = []
    while at < end:
        following = at + _STEP_S
        offset = _offset_s(zone, following)
        if offset != offsets[-1]:
            changes.append(_change(zone, at, following))
            offsets.append(offset)
        at = following
    return Zone(data_version=version("tzdata"), from_unix_s=tuple(changes), offset_s=tuple(offsets))


def _read(name: str) -> ZoneInfo:
    parts = name.split("/")
    if not all(part.strip(".") for part in parts):
        raise LookupError(name)
    file = files("tzdata").joinpath("zoneinfo", *parts)
    try:
        with file.open("rb") as stream:
            return ZoneInfo.from_file(stream, name)
    except (OSError, ValueError) as error:
        raise LookupError(name) from error


def _offset_s(zone: ZoneInfo, unix_s: int) -> int:
    offset = datetime.fromtimestamp(unix_s, zone).utcoffset()
    assert offset is not None, "a zone has an offset"
    return int(offset.total_seconds())


def _change(zone: ZoneInfo, before: int, after: int) -> int:
    """The second at which the offset changes, between two that have different ones."""
    old = _offset_s(zone, before)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset_s(zone, middle) == old:
            before = middle
        else:
            after = middle
    return after
