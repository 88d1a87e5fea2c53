"""Keyset cursors: opaque text that holds the place of the last event shown."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from fastapi import Depends, Query

from neurorail.api.access import Caller
from neurorail.api.dependencies import Parts
from neurorail.api.problems import bad_field
from neurorail.collector.history import EventKey, ListKey

_Limit = Annotated[
    int | None,
    Query(ge=1, description="most items to answer; how many there may be depends on the role"),
]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before")]

Since = Annotated[str | None, Query(max_length=64, description="ISO 8601, or ago: `-1h`")]


async def rows_allowed(parts: Parts, caller: Caller, limit: _Limit = None) -> int:
    """The most items to answer this caller: what it asks for, or else all that its role may.

    Raises a 422 problem if it asks for more.
    """
    role = caller.role or "viewer"
    most = parts.config.rows_max.of(role)
    if limit is not None and limit > most:
        raise bad_field("limit", limit, f"limit {limit} is above {most}, the most of role {role}")
    return limit or most


RowsAllowed = Annotated[int, Depends(rows_allowed)]


async def page_items(parts: Parts, allowed: RowsAllowed, limit: _Limit = None) -> int:
    """The items of a page."""
    return limit or min(parts.config.page_items_default, allowed)


PageItems = Annotated[int, Depends(page_items)]
"""How many items a page has, from the query's `limit`."""

_AGO = re.compile(r"-(\d{1,6})([smhdw])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_LIST_DECODER = msgspec.json.Decoder(tuple[int, str])
_ID_MAX = 66
_DECODER = msgspec.json.Decoder(tuple[int, str, int, int, int])
_INT64_MAX = 2**63 - 1


def write_cursor(key: EventKey | None) -> str | None:
    """The cursor that goes on after an event; None when there is no more."""
    if key is None:
        return None
    return base64.urlsafe_b64encode(msgspec.json.encode(tuple(key))).decode().rstrip("=")


def read_cursor(cursor: str | None) -> EventKey | None:
    """The place a cursor holds. Raises a 422 problem on any other text."""
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        key = EventKey(*_DECODER.decode(base64.b64decode(padded, altchars=b"-_", validate=True)))
    except (ValueError, binascii.Error, msgspec.DecodeError):
        raise _bad_cursor(cursor) from None
    if not all(0 <= number <= _INT64_MAX for number in (key.timestamp_unix_nano, key.seq)):
        raise _bad_cursor(cursor)
    if not all(0 <= number < 2**32 for number in (key.epoch, key.place)):
        raise _bad_cursor(cursor)
    return key


def _bad_cursor(cursor: str) -> Exception:
    return bad_field("cursor", cursor, "cursor is not one that this server gave; leave it out")


def unix_nano(field: str, moment: datetime | None) -> int | None:
    """A time parameter in nanoseconds; without a zone it is UTC. Raises a 422 problem."""
    if moment is None:
        return None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    whole = aware.astimezone(UTC).replace(microsecond=0)
    value = int(whole.timestamp()) * 1_000_000_000 + aware.microsecond * 1_000
    if not 0 <= value <= _INT64_MAX:
        raise bad_field(field, moment, f"{field} {moment.isoformat()} is not from 1970 to 2262")
    return value


def moment(field: str, text: str | None, now_unix_nano: int) -> int | None:
    """A point in time as text: ISO 8601, or so long before now, as `-90m`, `-1h`, `-7d`.

    Raises a 422 problem on any other text.
    """
    if text is None:
        return None
    ago = _AGO.fullmatch(text)
    if ago is not None:
        back_ns = int(ago[1]) * _SECONDS[ago[2]] * 1_000_000_000
        return max(0, now_unix_nano - back_ns)
    try:
        return unix_nano(field, datetime.fromisoformat(text))
    except ValueError:
        raise bad_field(
            field, text, f"{field} {text[:50]!r} is no time: write ISO 8601, or -90m, -1h, -7d"
        ) from None


def write_list_cursor(key: ListKey | None) -> str | None:
    """The cursor that goes on after an entity; None when there is no more."""
    if key is None:
        return None
    return base64.urlsafe_b64encode(msgspec.json.encode(tuple(key))).decode().rstrip("=")


def read_list_cursor(cursor: str | None) -> ListKey | None:
    """The place a cursor of a list of entities holds. Raises a 422 problem on any other text."""
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        raw = base64.b64decode(padded, altchars=b"-_", validate=True)
        key = ListKey(*_LIST_DECODER.decode(raw))
    except (ValueError, binascii.Error, msgspec.DecodeError):
        raise _bad_cursor(cursor) from None
    if not 0 <= key.created_unix_nano <= _INT64_MAX or len(key.entity_id) > _ID_MAX:
        raise _bad_cursor(cursor)
    return key
