"""Writing decoded OTLP/JSON as protobuf, directly in the wire format.

Field numbers and types come from the protobuf descriptors, once, at import; attributes and
values, of which there are most, have code of their own.
"""

from __future__ import annotations

import binascii
import struct
from base64 import b64decode
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from neurorail.collector.otlp.json_shapes import AnyValue, KeyValue, Shape

_Encode: TypeAlias = Callable[[Any], bytes]

_HEX_FIELDS: Final = frozenset({"trace_id", "span_id", "parent_span_id"})
_NOT_AN_ID: Final = b"\x00"
"""Stands for an id that is not hex: wrong for every kind of id, so that its span is rejected."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_UINT64_MASK: Final = (1 << 64) - 1


class ValueFault(ValueError):
    """A value that its field cannot hold. `field` is its name on the wire."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def varint(value: int) -> bytes:
    """A number of at most 64 bits in protobuf's variable-length form."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_SMALL: Final = tuple(varint(n) for n in range(1_024))


def _delimited(tag: bytes, content: bytes) -> bytes:
    size = len(content)
    return tag + (_SMALL[size] if size < 1_024 else varint(size)) + content


def _whole(value: float | str) -> int:
    if isinstance(value, float):
        if not value.is_integer():
            raise ValueError(f"{value} is not a whole number")
        return int(value)
    return int(value)


def any_value(value: AnyValue) -> bytes:
    """An AnyValue. The kinds are tried by how common they are; none set is an empty value."""
    if value.string_value is not None:
        return _delimited(b"\x0a", value.string_value.encode())
    if value.int_value is not None:
        return b"\x18" + _int64("intValue", value.int_value)
    if value.bool_value is not None:
        return b"\x10\x01" if value.bool_value else b"\x10\x00"
    if value.double_value is not None:
        return b"\x21" + _double("doubleValue", value.double_value)
    return _rare_value(value)


def _rare_value(value: AnyValue) -> bytes:
    if value.array_value is not None:
        items = value.array_value.values or ()
        return _delimited(b"\x2a", b"".join([_delimited(b"\x0a", any_value(v)) for v in items]))
    if value.kvlist_value is not None:
        pairs = value.kvlist_value.values or ()
        return _delimited(b"\x32", b"".join([_delimited(b"\x0a", key_value(p)) for p in pairs]))
    if value.bytes_value is not None:
        return _delimited(b"\x3a", _base64("bytesValue", value.bytes_value))
    return b""


def key_value(attribute: KeyValue) -> bytes:
    """A KeyValue."""
    key = _delimited(b"\x0a", (attribute.key or "").encode())
    if attribute.value is None:
        return key
    return key + _delimited(b"\x12", any_value(attribute.value))


def _int64(field: str, value: float | str) -> bytes:
    try:
        number = _whole(value)
    except (ValueError, OverflowError) as error:
        raise ValueFault(field, f"{field}: {error}") from error
    if not -(1 << 63) <= number < 1 << 63:
        raise ValueFault(field, f"{field}: {number} does not fit into 64 bits")
    return varint(number & _UINT64_MASK)


def _double(field: str, value: float | str) -> bytes:
    try:
        return struct.pack("<d", float(value))
    except ValueError as error:
        raise ValueFault(field, f"{field}: {error}") from error


def _base64(field: str, value: str) -> bytes:
    """Standard or URL-safe, with or without padding, as protobuf's JSON allows."""
    text = value.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueFault(field, f"{field} is not base64: {error}") from error


def message_encoder(descriptor: Descriptor) -> _Encode:
    """A function from the Shape of this message to its protobuf bytes."""
    return _encoder(descriptor, {})


def _encoder(descriptor: Descriptor, known: dict[str, _Encode]) -> _Encode:
    if descriptor.name == "AnyValue":
        return any_value
    if descriptor.name == "KeyValue":
        return key_value
    encode = known.get(descriptor.full_name)
    if encode is None:
        encode = known[descriptor.full_name] = _compile(descriptor, known)
    return encode


def _compile(descriptor: Descriptor, known: dict[str, _Encode]) -> _Encode:
    plan = [
        (field.name, field.message_type is not None and field.is_repeated, *_field(field, known))
        for field in descriptor.fields
    ]

    def encode(shape: Shape) -> bytes:
        out: list[bytes] = []
        for name, many, tag, encode_value in plan:
            value = getattr(shape, name)
            if value is None:
                continue
            if many:
                out += [_delimited(tag, encode_value(item)) for item in value]
            else:
                out.append(tag + encode_value(value))
        return b"".join(out)

    return encode


def _field(field: FieldDescriptor, known: dict[str, _Encode]) -> tuple[bytes, _Encode]:
    """The tag of a field, and what turns its value into the bytes that follow the tag."""
    if field.message_type is not None:
        encode = _encoder(field.message_type, known)
        tag = _tag(field, _BYTES)
        return tag, (encode if field.is_repeated else lambda value: _delimited(b"", encode(value)))
    if field.name in _HEX_FIELDS:
        of_span = field.containing_type is not None and field.containing_type.name == "Span"
        invalid = _NOT_AN_ID if of_span else b""
        return _tag(field, _BYTES), lambda value: _delimited(b"", _hex(value, invalid))
    if field.type == FieldDescriptor.TYPE_STRING:
        if field.is_repeated:
            tag = _tag(field, _BYTES)
            return b"", lambda texts: b"".join([_delimited(tag, text.encode()) for text in texts])
        return _tag(field, _BYTES), lambda value: _delimited(b"", value.encode())
    wire_type, scalar = _scalar(field)
    if field.is_repeated:
        return _tag(field, _BYTES), lambda values: _delimited(b"", b"".join(map(scalar, values)))
    return _tag(field, wire_type), scalar


def _tag(field: FieldDescriptor, wire_type: int) -> bytes:
    return varint(field.number << 3 | wire_type)


def _hex(value: str, invalid: bytes) -> bytes:
    try:
        return binascii.unhexlify(value)
    except ValueError:
        return invalid


_FIXED: Final = {
    FieldDescriptor.TYPE_FIXED64: (_FIXED64, "<Q"),
    FieldDescriptor.TYPE_SFIXED64: (_FIXED64, "<q"),
    FieldDescriptor.TYPE_FIXED32: (_FIXED32, "<I"),
}
_RANGES: Final = {
    FieldDescriptor.TYPE_UINT64: (0, (1 << 64) - 1),
    FieldDescriptor.TYPE_UINT32: (0, (1 << 32) - 1),
    FieldDescriptor.TYPE_ENUM: (-(1 << 31), (1 << 31) - 1),
    FieldDescriptor.TYPE_SINT32: (-(1 << 31), (1 << 31) - 1),
}


def _scalar(field: FieldDescriptor) -> tuple[int, _Encode]:
    """The wire type of a number, and its encoder."""
    name = field.json_name
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return _FIXED64, lambda value: _double(name, value)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return _VARINT, lambda value: b"\x01" if value else b"\x00"
    fixed = _FIXED.get(field.type)
    if fixed is not None:
        wire_type, layout = fixed
        return wire_type, _fixed(name, struct.Struct(layout))
    return _VARINT, _ranged(name, *_RANGES[field.type], field.type == FieldDescriptor.TYPE_SINT32)


def _fixed(name: str, layout: struct.Struct) -> _Encode:
    def encode(value: float | str) -> bytes:
        try:
            return layout.pack(_whole(value))
        except (ValueError, OverflowError, struct.error, TypeError) as error:
            raise ValueFault(name, f"{name}: {str(value)[:40]!r} does not fit: {error}") from error

    return encode


def _ranged(name: str, least: int, most: int, zigzag: bool) -> _Encode:
    def encode(value: float | str) -> bytes:
        try:
            number = _whole(value)
        except (ValueError, OverflowError, TypeError) as error:
            raise ValueFault(name, f"{name}: {str(value)[:40]!r} does not fit: {error}") from error
        if not least <= number <= most:
            raise ValueFault(name, f"{name}: {number} is not between {least} and {most}")
        if zigzag:
            number = number * 2 if number >= 0 else -number * 2 - 1
        return varint(number & _UINT64_MASK)

    return encode
