"""The records of a node as ClickHouse keeps them, in order, read a stretch ahead."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Protocol

from neurorail.collector.envelope import DEFAULT_TENANT, Envelope, Kind, Signal

STRETCH_RECORDS: Final = 256
"""Sequence numbers asked for at once."""
QUERY_BYTES: Final = 8 << 20
"""What one query answers, about: as many records as that by the size of those before."""
_FIRST_RECORDS: Final = 32
UNIX_NANO_MAX: Final = 2**63 - 1

_COLUMNS: Final = (
    "seq, kind, signal, encoding, toUnixTimestamp64Nano(received), tenant, principal, "
    "schema_version, base64Encode(observations), items"
)


class Rows(Protocol):
    """What history is read from: a store, or a server that asks its own on our behalf."""

    def query_rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Sequence[Any]]:
        """The rows of a SELECT. May raise `StoreError`; safe to call from any thread."""
        ...


@dataclass(frozen=True, slots=True)
class Range:
    """What there is of a node."""

    first_seq: int
    last_seq: int
    records: int
    first_received_unix_nano: int
    last_received_unix_nano: int


class StoredRecords:
    """The records of one node. Their body is what they said, as `decode_observations` reads it."""

    def __init__(self, store: Rows, node: str) -> None:
        self._store = store
        self._at_once = _FIRST_RECORDS
        self.node = node

    def range(self, since_unix_nano: int = 0, until_unix_nano: int = UNIX_NANO_MAX) -> Range | None:
        """The records received since a time and before another; None if there are none."""
        ((first, last, records, begin, end),) = self._store.query_rows(
            "SELECT min(seq), max(seq), count(), toUnixTimestamp64Nano(min(received)), "
            "toUnixTimestamp64Nano(max(received)) FROM neurorail_records "
            "WHERE node = {node:String} "
            "AND received >= fromUnixTimestamp64Nano({since:Int64}) "
            "AND received < fromUnixTimestamp64Nano({until:Int64})",
            {"node": self.node, "since": since_unix_nano, "until": until_unix_nano},
        )
        return Range(first, last, records, begin, end) if records else None

    def read(self, after_seq: int, through_seq: int) -> Iterator[list[Envelope]]:
        """Stretches of records, in order; the next one is read while one is worked on.

        Raises:
            StoreError: they cannot be read.
        """
        with ThreadPoolExecutor(1, "rerun-read") as reader:
            starts = range(after_seq + 1, through_seq + 1, STRETCH_RECORDS)
            ahead = None
            for start in starts:
                now = ahead or reader.submit(self._stretch, start, through_seq)
                following = start + STRETCH_RECORDS
                ahead = (
                    reader.submit(self._stretch, following, through_seq)
                    if following <= through_seq
                    else None
                )
                yield now.result()

    def settings_before(self, seq: int) -> list[Envelope]:
        """The server's own records before `seq`, which state configuration and prices."""
        return self._rows(
            "kind = {kind:UInt8} AND seq < {seq:UInt64} AND tenant = {tenant:String}",
            {"kind": int(Kind.SYSTEM), "seq": seq, "tenant": DEFAULT_TENANT},
        )

    def _stretch(self, start: int, through_seq: int) -> list[Envelope]:
        last = min(start + STRETCH_RECORDS - 1, through_seq)
        found: list[Envelope] = []
        while start <= last:
            end = min(start + self._at_once - 1, last)
            some = self._rows(
                "seq BETWEEN {first:UInt64} AND {last:UInt64}", {"first": start, "last": end}
            )
            if some:
                mean = max(sum(len(envelope.body) for envelope in some) // len(some), 1)
                self._at_once = min(max(QUERY_BYTES // mean, 1), STRETCH_RECORDS)
            found += some
            start = end + 1
        return found

    def _rows(self, condition: str, parameters: Mapping[str, Any]) -> list[Envelope]:
        rows = self._store.query_rows(
            f"SELECT {_COLUMNS} FROM neurorail_records WHERE node = {{node:String}} "
            f"AND {condition} ORDER BY seq",
            {"node": self.node, **parameters},
        )
        return [
            Envelope(
                seq=row[0],
                kind=Kind(row[1]),
                signal=Signal(row[2]),
                encoding=row[3],
                received_unix_nano=row[4],
                tenant=row[5],
                principal=row[6],
                schema_version=row[7],
                body=b64decode(row[8]),
                items=row[9],
            )
            for row in rows
        ]


def nodes(store: Rows) -> list[str]:
    """The nodes whose records are kept, by name."""
    rows = store.query_rows("SELECT DISTINCT node FROM neurorail_records ORDER BY node")
    return [str(row[0]) for row in rows]
