"""Reading attribute values from their wire bytes, and what counts as a usable value.

Attributes come as the bytes of a `KeyValue`. Nearly all are a short key and a short text or a small
integer, encoded in the one obvious way: those are sliced. Whatever looks different is parsed.
"""

from __future__ import annotations

import math
from decimal import Decimal, DecimalException
from typing import Any, Final, TypeAlias

from google.protobuf.message import DecodeError

from neurorail.collector.decode import wire

Value: TypeAlias = str | int | float | bool | list["Value"] | None

INT64_MAX: Final = (1 << 63) - 1
_PICO: Final = Decimal(10**12)
_MONEY_DIGITS_MAX: Final = 64
_STRING_TAG: Final = 0x0A
_INT_TAG: Final = 0x18
_VALUE_TAG: Final = 0x12


def canonical(attribute: bytes) -> bytes:
    """The same attribute, key first; empty bytes if it cannot be read."""
    try:
        parsed = wire.KeyValue.FromString(attribute)
    except DecodeError:
        return b""
    if len(parsed.key) > 127:
        # Such a key means nothing here, and its length would not fit one byte.
        return b""
    return bytes(b"\x0a%c" % len(parsed.key) + parsed.key + _value_part(parsed))


def _value_part(parsed: Any) -> bytes:
    if not parsed.HasField("value"):
        return b""
    return bytes(wire.KeyValue(value=parsed.value).SerializeToString())


def read(attribute: bytes) -> Value:
    """The value of an attribute; None for an empty, bytes or key-value-list value."""
    try:
        at = attribute[1] + 2
        size = attribute[at + 1]
        if attribute[at] == _VALUE_TAG and size < 128 and len(attribute) == at + 2 + size:
            tag = attribute[at + 2]
            if tag == _STRING_TAG and attribute[at + 3] == size - 2:
                return attribute[at + 4 :].decode("utf-8", "replace")
            if tag == _INT_TAG and attribute[at + 3] < 128 and size == 2:
                return attribute[at + 3]
    except IndexError:
        pass
    try:
        return _any_value(wire.KeyValue.FromString(attribute).value)
    except DecodeError:
        return None


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
