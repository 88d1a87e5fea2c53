"""What the tables really hold of a range of records: asked after a restart and after a refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from neurorail.collector.store.client import check_identifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neurorail.collector.store.store import Store

Position = tuple[int, int, int]
"""Epoch, record sequence and index of an event."""

_OTEL_PREFIX: Final = "otel_"


def highest_seq(store: Store, tables: Sequence[str], node: str, after_seq: int) -> int:
    """The highest sequence number above `after_seq` that any of the tables holds, or 0."""
    highest = 0
    for table in tables:
        node_column, seq_column = _columns(table)
        rows = store.query_rows(
            f"SELECT max({seq_column}) FROM {check_identifier(table)} "
            f"WHERE {node_column} = {{node:String}} AND {seq_column} > {{after:UInt64}}",
            {"node": node, "after": after_seq},
        )
        highest = max(highest, rows[0][0])
    return highest


def rows_by_seq(store: Store, table: str, node: str, first: int, last: int) -> dict[int, int]:
    """Rows in the table by record, of the records from `first` to `last`."""
    node_column, seq_column = _columns(table)
    rows = store.query_rows(
        f"SELECT {seq_column}, count() FROM {check_identifier(table)} "
        f"WHERE {node_column} = {{node:String}} "
        f"AND {seq_column} BETWEEN {{first:UInt64}} AND {{last:UInt64}} GROUP BY {seq_column}",
        {"node": node, "first": first, "last": last},
    )
    return {seq: count for seq, count in rows}


def delete_records(store: Store, table: str, node: str, seqs: Sequence[int]) -> None:
    """Deletes the rows of records whose insert did not complete, and waits until they are gone."""
    node_column, seq_column = _columns(table)
    store.command(
        f"DELETE FROM {check_identifier(table)} "
        f"WHERE {node_column} = {{node:String}} AND {seq_column} IN {{seqs:Array(UInt64)}}",
        {"node": node, "seqs": list(seqs)},
        {"lightweight_deletes_sync": 2},
    )


def positions(
    store: Store, table: str, node: str, first: Position, last: Position
) -> set[Position]:
    """Which events of a range the table holds."""
    rows = store.query_rows(
        f"SELECT epoch, seq, `index` FROM {check_identifier(table)} WHERE {_RANGE}",
        _range_parameters(node, first, last),
    )
    return {(epoch, seq, index) for epoch, seq, index in rows}


def delete_positions(store: Store, table: str, node: str, first: Position, last: Position) -> None:
    """Deletes the rows of a range of events from a table that is derived from the audit."""
    store.command(
        f"DELETE FROM {check_identifier(table)} WHERE {_RANGE}",
        _range_parameters(node, first, last),
        {"lightweight_deletes_sync": 2},
    )


_RANGE: Final = (
    "node = {node:String} AND seq BETWEEN {first_seq:UInt64} AND {last_seq:UInt64} "
    "AND (epoch, seq, `index`) >= ({first_epoch:UInt32}, {first_seq:UInt64}, {first_index:UInt32}) "
    "AND (epoch, seq, `index`) <= ({last_epoch:UInt32}, {last_seq:UInt64}, {last_index:UInt32})"
)


def _range_parameters(node: str, first: Position, last: Position) -> dict[str, int | str]:
    return {
        "node": node,
        "first_epoch": first[0],
        "first_seq": first[1],
        "first_index": first[2],
        "last_epoch": last[0],
        "last_seq": last[1],
        "last_index": last[2],
    }


def _columns(table: str) -> tuple[str, str]:
    return ("Node", "Seq") if table.startswith(_OTEL_PREFIX) else ("node", "seq")
