"""Rows in ClickHouse's RowBinary format, for the two tables that hold opaque bytes."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from neurorail.collector.archive.frames import varint

if TYPE_CHECKING:
    from neurorail.collector.envelope import Envelope

ROWBINARY: Final = "RowBinary"

RECORD_COLUMNS: Final = (
    "tenant",
    "node",
    "seq",
    "kind",
    "signal",
    "encoding",
    "principal",
    "received",
    "schema_version",
    "items",
    "observations",
)
DEAD_LETTER_COLUMNS: Final = (
    "tenant",
    "node",
    "source",
    "first_seq",
    "last_seq",
    "error",
    "body",
)
_SEQ_KIND_SIGNAL: Final = Struct("<QBB").pack
_RECEIVED_VERSION_ITEMS: Final = Struct("<qHI").pack
_TWO_SEQS: Final = Struct("<QQ").pack


def record_row(envelope: Envelope, node: str, observations: bytes) -> bytes:
    """A row of `neurorail_records`."""
    return b"".join(
        (
            _string(envelope.tenant.encode()),
            _string(node.encode()),
            _SEQ_KIND_SIGNAL(envelope.seq, envelope.kind, envelope.signal),
            _string(envelope.encoding.encode()),
            _string(envelope.principal.encode()),
            _RECEIVED_VERSION_ITEMS(
                envelope.received_unix_nano, envelope.schema_version, envelope.items
            ),
            _string(observations),
        )
    )


def dead_letter_row(
    *, tenant: str, node: str, source: str, seqs: tuple[int, int], error: str, body: bytes
) -> bytes:
    """A row of `neurorail_dead_letter`."""
    return b"".join(
        (
            _string(tenant.encode()),
            _string(node.encode()),
            _string(source.encode()),
            _TWO_SEQS(*seqs),
            _string(error.encode()),
            _string(body),
        )
    )


def _string(data: bytes) -> bytes:
    return varint(len(data)) + data
