"""The Native format as clients of a protocol revision expect it.

The embedded engine writes Native as for revision 0. A client that names a later revision expects
block information before each block and, from revision 54454 on, a byte after each column's type. To
put them in, one must know where each column ends: so this walks over the values, by type.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from neurorail.collector.sql.errors import NOT_IMPLEMENTED, QueryError

CUSTOM_SERIALIZATION_REVISION: Final = 54454
BLOCK_INFO: Final = b"\x01\x00\x02\xff\xff\xff\xff\x00"
"""No overflow, no bucket, end."""

_U64: Final = struct.Struct("<Q")
_WIDTHS: Final = {
    1: ("UInt8", "Int8", "Bool", "Enum8", "Nothing"),
    2: ("UInt16", "Int16", "Date", "Enum16", "BFloat16"),
    4: ("UInt32", "Int32", "Float32", "DateTime", "DateTime32", "Date32", "IPv4", "Decimal32",
        "Time"),
    8: ("UInt64", "Int64", "Float64", "DateTime64", "Decimal64", "Time64"),
    16: ("UInt128", "Int128", "UUID", "IPv6", "Decimal128"),
    32: ("UInt256", "Int256", "Decimal256"),
}  # fmt: skip
_WIDTH_OF: Final = {name: width for width, names in _WIDTHS.items() for name in names}
_DECIMAL_WIDTHS: Final = ((9, 4), (18, 8), (38, 16), (76, 32))


@dataclass(frozen=True, slots=True)
class _Type:
    """A type's name, and of what it is made."""

    name: str
    width: int = 0
    """Bytes of a value; 0 where values differ."""
    parts: tuple[_Type, ...] = field(default_factory=tuple)


def with_revision(body: bytes, revision: int) -> bytes:
    """The blocks of `body`, written for revision 0, as they are for another.

    Raises:
        QueryError: a column is of a type that is not known here.
    """
    if revision <= 0:
        return body
    custom = b"\x00" if revision >= CUSTOM_SERIALIZATION_REVISION else b""
    written: list[bytes] = []
    at = 0
    while at < len(body):
        columns, after = _varint(body, at)
        rows, after = _varint(body, after)
        written += (BLOCK_INFO, body[at:after])
        at = after
        for _ in range(columns):
            _, after = _text(body, at)
            type_name, after = _text(body, after)
            written += (body[at:after], custom)
            at = after
            if rows:
                kind = _parsed(type_name)
                after = _skip(kind, body, _skip_prefix(kind, body, at), rows)
                written.append(body[at:after])
                at = after
    return b"".join(written)


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _text(body: bytes, at: int) -> tuple[str, int]:
    length, at = _varint(body, at)
    return body[at : at + length].decode(), at + length


@cache
def _parsed(text: str) -> _Type:
    name, bracket, inner = text.partition("(")
    arguments = _split(inner[:-1]) if bracket else []
    if name.startswith("Interval"):
        return _Type(name, 8)
    match name:
        case "String":
            return _Type(name)
        case "FixedString":
            return _Type(name, int(arguments[0]))
        case "Decimal":
            precision = int(arguments[0])
            return _Type(name, next(width for most, width in _DECIMAL_WIDTHS if precision <= most))
        case "Nullable" | "Array" | "LowCardinality":
            return _Type(name, 0, (_parsed(arguments[0]),))
        case "Map":
            pair = _Type("Tuple", 0, tuple(map(_parsed, arguments)))
            return _Type("Array", 0, (pair,))
        case "Tuple" if not arguments:
            return _Type(name, 1)  # An empty tuple still takes a byte.
        case "Tuple":
            return _Type(name, 0, tuple(_parsed(_unnamed(each)) for each in arguments))
        case "Nested":
            row = _Type("Tuple", 0, tuple(_parsed(_unnamed(each)) for each in arguments))
            return _Type("Array", 0, (row,))
        case "SimpleAggregateFunction":
            return _parsed(arguments[1])
        case _ if name in _WIDTH_OF:
            return _Type(name, _WIDTH_OF[name])
        case _:
            detail = f"columns of type {text} cannot be sent to this client; cast them to String"
            raise QueryError(NOT_IMPLEMENTED, detail)


def _split(text: str) -> list[str]:
    """Arguments of a type: apart at commas that are in no brackets and no quotes."""
    found, depth, begin, quoted = [], 0, 0, False
    for at, char in enumerate(text):
        if char == "'" and text[at - 1 : at] != "\\":
            quoted = not quoted
        elif quoted:
            continue
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
        elif char == "," and depth == 0:
            found.append(text[begin:at].strip())
            begin = at + 1
    return [*found, text[begin:].strip()] if text else []


def _unnamed(element: str) -> str:
    """The type of an element of a tuple, which may have a name before it."""
    head = element.split("(", 1)[0]
    return element[head.index(" ") + 1 :] if " " in head else element


def _skip_prefix(kind: _Type, body: bytes, at: int) -> int:
    """Over what stands before all values of a column: the version of each dictionary."""
    if kind.name == "LowCardinality":
        return at + _U64.size
    for part in kind.parts:
        at = _skip_prefix(part, body, at)
    return at


def _skip(kind: _Type, body: bytes, at: int, rows: int) -> int:
    """Over the values of a column; gives where the next one begins."""
    if kind.width:
        return at + kind.width * rows
    match kind.name:
        case "String":
            for _ in range(rows):
                length, at = _varint(body, at)
                at += length
            return at
        case "Nullable":
            return _skip(kind.parts[0], body, at + rows, rows)
        case "Array":
            at += _U64.size * rows
            elements = int(_U64.unpack_from(body, at - _U64.size)[0]) if rows else 0
            return _skip(kind.parts[0], body, at, elements)
        case "LowCardinality":
            return _skip_dictionary(kind.parts[0], body, at) if rows else at
        case _:
            for part in kind.parts:
                at = _skip(part, body, at, rows)
            return at


def _skip_dictionary(kind: _Type, body: bytes, at: int) -> int:
    flags, keys = map(int, struct.unpack_from("<QQ", body, at))
    values = kind.parts[0] if kind.name == "Nullable" else kind
    at = _skip(values, body, at + 2 * _U64.size, keys)
    (indexes,) = _U64.unpack_from(body, at)
    width: int = 1 << (flags & 0xFF)
    return at + _U64.size + int(indexes) * width
