"""Mending strings that are not valid UTF-8, by walking the wire format.

Protobuf refuses a whole request for one bad byte in one string. This walk, used only when parsing
failed, replaces the bad bytes of string fields by U+FFFD and leaves all else as it is.
"""

from __future__ import annotations

from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_DEPTH: Final = 100
"""As deep as protobuf itself parses."""


class MalformedError(ValueError):
    """The bytes are not a protobuf message."""


def repair_utf8(descriptor: Descriptor, body: bytes) -> tuple[bytes, int]:
    """Return the message with valid strings, and how many strings were mended.

    Raises:
        MalformedError: the bytes are not a message of this kind.
    """
    return _message(descriptor, body, 0)


def _message(descriptor: Descriptor, body: bytes, depth: int) -> tuple[bytes, int]:
    if depth > _MAX_DEPTH:
        raise MalformedError("nested too deep")
    fields = descriptor.fields_by_number
    out: list[bytes] = []
    repaired = 0
    copied = 0  # everything before it is in `out`
    position = 0
    while position < len(body):
        tag, value_start = _varint(body, position)
        wire_type = tag & 7
        if wire_type != _BYTES:
            position = _skip(body, value_start, wire_type)
            continue
        length, start = _varint(body, value_start)
        end = start + length
        if end > len(body):
            raise MalformedError("a field is longer than its message")
        position = end
        field = fields.get(tag >> 3)
        if field is None:
            continue
        chunk = body[start:end]
        if chunk.isascii():
            # No string in it can be bad; also the quick way past most attributes.
            continue
        mended, count = _field(field, chunk, depth)
        if count:
            out += (body[copied:value_start], _encode_varint(len(mended)), mended)
            copied = end
            repaired += count
    if not repaired:
        return body, 0
    out.append(body[copied:])
    return b"".join(out), repaired


def _field(field: FieldDescriptor, chunk: bytes, depth: int) -> tuple[bytes, int]:
    if field.message_type is not None:
        return _message(field.message_type, chunk, depth + 1)
    if field.type != FieldDescriptor.TYPE_STRING:
        return chunk, 0
    try:
        chunk.decode()
    except UnicodeDecodeError:
        return chunk.decode(errors="replace").encode(), 1
    return chunk, 0


def _skip(body: bytes, position: int, wire_type: int) -> int:
    if wire_type == _VARINT:
        return _varint(body, position)[1]
    if wire_type == _FIXED64:
        end = position + 8
    elif wire_type == _FIXED32:
        end = position + 4
    else:
        raise MalformedError(f"wire type {wire_type} is not used by OTLP")
    if end > len(body):
        raise MalformedError("a number is cut off")
    return end


def _varint(body: bytes, position: int) -> tuple[int, int]:
    """The number at `position`, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(body):
            raise MalformedError("a number is cut off")
        byte = body[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise MalformedError("a number is longer than 10 bytes")


def _encode_varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
