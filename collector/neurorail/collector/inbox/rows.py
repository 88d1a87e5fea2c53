"""SQL of an inbox file, and records as its rows."""

from __future__ import annotations

from typing import Final, TypeAlias

from neurorail.collector.envelope import Envelope, Kind, Signal

FORMAT_VERSION: Final = 1
ROWS_PER_STATEMENT: Final = 64
RECORD_OVERHEAD_BYTES: Final = 256
"""What a record costs on disk and in memory beyond its body; an estimate on the safe side."""

Row: TypeAlias = tuple[int, int, int, str, int, str, str, int, int, bytes]

_COLUMNS: Final = (
    "seq, kind, signal, encoding, received_unix_nano, "
    "tenant, principal, schema_version, items, body"
)
CREATE: Final = (
    """
    CREATE TABLE records (
        seq INTEGER PRIMARY KEY,
        kind INTEGER NOT NULL,
        signal INTEGER NOT NULL,
        encoding TEXT NOT NULL,
        received_unix_nano INTEGER NOT NULL,
        tenant TEXT NOT NULL,
        principal TEXT NOT NULL,
        schema_version INTEGER NOT NULL,
        items INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE segment (
        version INTEGER NOT NULL,
        first_seq INTEGER NOT NULL,
        previous_received_unix_nano INTEGER NOT NULL
    ) STRICT
    """,
)
CREATE_SEGMENT: Final = "INSERT INTO segment VALUES (?, ?, ?)"
SELECT: Final = f"SELECT {_COLUMNS} FROM records WHERE seq BETWEEN ? AND ? ORDER BY seq"
SELECT_RECEIVED: Final = "SELECT received_unix_nano FROM records WHERE seq = ?"
SELECT_BOUNDS: Final = "SELECT count(*), max(seq) FROM records"


def insert(rows: int) -> str:
    """Return the statement that stores `rows` records at once."""
    return f"INSERT INTO records ({_COLUMNS}) VALUES " + ",".join(["(?,?,?,?,?,?,?,?,?,?)"] * rows)


def row_of(envelope: Envelope) -> Row:
    """Return the row of a record."""
    return (
        envelope.seq,
        int(envelope.kind),
        int(envelope.signal),
        envelope.encoding,
        envelope.received_unix_nano,
        envelope.tenant,
        envelope.principal,
        envelope.schema_version,
        envelope.items,
        envelope.body,
    )


def envelope_of(row: Row) -> Envelope:
    """Return the record of a row."""
    seq, kind, signal, encoding, received, tenant, principal, version, items, body = row
    return Envelope(
        seq, Kind(kind), Signal(signal), encoding, received, tenant, principal, version, body, items
    )
