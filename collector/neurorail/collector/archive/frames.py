"""Puts a frame around an OTLP request: its sequence number, receive time, tenant and node.

The request's bytes are not touched: they become a field of the frame as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from neurorail.collector.envelope import Envelope

# Tags of the fields of `Frame` in the schema files.
_SEQ: Final = b"\x08"
_RECEIVED: Final = b"\x10"
_TENANT: Final = b"\x1a"
_NODE: Final = b"\x22"
_REQUEST: Final = b"\x2a"


def frame_requests(envelopes: Iterable[Envelope], node: str) -> list[bytes]:
    """The envelopes' requests as length-delimited frames, ready for `FORMAT Protobuf`.

    In parts, so that the requests' bytes are not copied.
    """
    parts: list[bytes] = []
    node_field = _text(_NODE, node)
    tenants: dict[str, bytes] = {}
    for envelope in envelopes:
        tenant_field = tenants.get(envelope.tenant)
        if tenant_field is None:
            tenant_field = tenants[envelope.tenant] = _text(_TENANT, envelope.tenant)
        head = b"".join(
            (
                _SEQ,
                varint(envelope.seq),
                _RECEIVED,
                varint(envelope.received_unix_nano),
                tenant_field,
                node_field,
                _REQUEST,
                varint(len(envelope.body)),
            )
        )
        parts.append(varint(len(head) + len(envelope.body)))
        parts.append(head)
        parts.append(envelope.body)
    return parts


def varint(value: int) -> bytes:
    """A non-negative number as protobuf writes it."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _text(tag: bytes, value: str) -> bytes:
    data = value.encode()
    return tag + varint(len(data)) + data
