"""Applies the configured retention: how long rows of telemetry and metrics tables are kept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from neurorail.collector.store.config import DEFAULT_RETENTION_DAYS, RETENTION_TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neurorail.collector.store.store import Store

_TIME_COLUMN = {"neurorail_metrics_snapshots": "timestamp"}
_TTL = re.compile(r"\bTTL \w+\(\w+\) \+ toIntervalDay\((\d+)\)")


def apply_retention(store: Store, days_by_table: Mapping[str, int]) -> None:
    """Sets each table's TTL where it differs; 0 days removes it.

    Raises:
        ValueError: If a table is named whose rows may not expire, or days are negative.
    """
    for table, days in days_by_table.items():
        if table not in RETENTION_TABLES:
            raise ValueError(
                f"rows of {table!r} may not expire; retention can be set for "
                f"{', '.join(RETENTION_TABLES)}"
            )
        if days < 0:
            raise ValueError(f"retention of {table} is {days} days; use 0 to keep rows for ever")
    current = current_retention(store)
    for table in RETENTION_TABLES:
        days = days_by_table.get(table, DEFAULT_RETENTION_DAYS[table])
        if current.get(table, 0) == days:
            continue
        if days:
            column = _TIME_COLUMN.get(table, "ReceivedAt")
            # Existing parts expire when they next merge; rewriting them now would stall the start.
            store.command(
                f"ALTER TABLE {table} MODIFY TTL toDate({column}) + toIntervalDay({days:d})",
                settings={"materialize_ttl_after_modify": 0},
            )
        else:
            store.command(f"ALTER TABLE {table} REMOVE TTL")


def current_retention(store: Store) -> dict[str, int]:
    """Days by table, as the engine has them now; tables without a TTL are left out."""
    rows = store.query_rows(
        "SELECT name, engine_full FROM system.tables WHERE database = {database:String}",
        {"database": store.database},
    )
    found = ((name, _TTL.search(engine)) for name, engine in rows)
    return {name: int(match.group(1)) for name, match in found if match}
