"""Reading attribute values from their wire bytes, and what counts as a usable value.

Values come as the bytes of an `AnyValue`. Nearly all are a short text or a small number, encoded in
the one obvious way: those are sliced. Whatever looks different is parsed.
"""

from __future__ import annotations

import math
from decimal import Decimal, DecimalException
from functools import lru_cache
from typing import Any, Final, TypeAlias

from google.protobuf.message import DecodeError

from neurorail.collector.decode import wire

Value: TypeAlias = str | int | float | bool | list["Value"] | None

NAME_MAX: Final = 256
"""Characters of a name: model, agent, service, job type …"""
_REMEMBERED_BYTES: Final = 128
INT64_MAX: Final = (1 << 63) - 1
_PICO: Final = Decimal(10**12)
_MONEY_DIGITS_MAX: Final = 64
_STRING_TAG: Final = 0x0A
_INT_TAG: Final = 0x18


def read(value: bytes) -> Value:
    """The value in the bytes of an `AnyValue`; None if empty, bytes, a key-value list or broken."""
    size = len(value)
    if size > 1:
        tag = value[0]
        if tag == _STRING_TAG:
            if value[1] == size - 2 and size < 130:
                return value[2:].decode("utf-8", "replace")
        elif tag == _INT_TAG and size < 5:
            return _varint(value)
    try:
        return _any_value(wire.AnyValue.FromString(value))
    except DecodeError:
        return None


def _varint(value: bytes) -> int:
    """A number of at most three bytes behind its tag."""
    number = 0
    for place in range(1, len(value)):
        number |= (value[place] & 0x7F) << 7 * (place - 1)
    return number


def _any_value(value: Any) -> Value:
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return bytes(value.string_value).decode("utf-8", "replace")
    if kind == "array_value":
        return [_any_value(item) for item in value.array_value.values]
    if kind in {"int_value", "double_value", "bool_value"}:
        found: int | float | bool = getattr(value, kind)
        return found
    return None


def text(value: Value, length_max: int) -> str | None:
    """Text as it is, numbers and truth values as JSON writes them; None if empty or no scalar."""
    if isinstance(value, str):
        return value[:length_max] or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)[:length_max]
    return None


def name(value: bytes) -> str | None:
    """A short text in the bytes of an `AnyValue`: a name, a kind, a state."""
    if len(value) <= _REMEMBERED_BYTES:
        return _remembered_name(value)
    return text(read(value), NAME_MAX)


# Few names are said again and again: they are read once, and share one text.
@lru_cache(maxsize=8192)
def _remembered_name(value: bytes) -> str | None:
    return text(read(value), NAME_MAX)


def whole(value: Value, maximum: int) -> int | None:
    """A whole number from 0 to `maximum`, also from text or a double that is exactly one."""
    if isinstance(value, str):
        value = _number_text(value)
    if isinstance(value, float):
        value = int(value) if math.isfinite(value) and value.is_integer() else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= maximum else None


def _number_text(value: str) -> int | None:
    found = _decimal(value)
    if found is None or found.adjusted() > 20 or found != found.to_integral_value():
        return None
    return int(found)


def _decimal(value: str) -> Decimal | None:
    if len(value) > _MONEY_DIGITS_MAX:
        return None
    try:
        found = Decimal(value.strip())
    except DecimalException:
        return None
    return found if found.is_finite() else None


def usd_pico(value: Value, maximum: int = INT64_MAX) -> int | None:
    """Money in whole pico-USD, half to even, from decimal text, a whole number or a double.

    A double is read as the shortest decimal text that means it (0.05 is 0.05, not its binary
    neighbour). None if it is no number, negative or above `maximum`.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return decimal_usd_pico(_decimal(value if isinstance(value, str) else repr(value)), maximum)


def decimal_usd_pico(amount: Decimal | None, maximum: int = INT64_MAX) -> int | None:
    """The same for a decimal."""
    # The size is looked at first: 1e999999 has few digits but not as a whole number.
    if amount is None or not amount.is_finite() or amount < 0 or amount.adjusted() > 20:
        return None
    pico = int((amount * _PICO).to_integral_value())
    return pico if pico <= maximum else None


def texts(value: Value, length_max: int, count_max: int) -> tuple[str, ...]:
    """The texts of an array, or of a single text with commas; what is no text is left out."""
    if isinstance(value, str):
        items: list[Value] = [part.strip() for part in value[: length_max * count_max].split(",")]
    elif isinstance(value, list):
        items = value
    else:
        return ()
    return tuple(item for item in items if isinstance(item, str) and 0 < len(item) <= length_max)[
        :count_max
    ]
