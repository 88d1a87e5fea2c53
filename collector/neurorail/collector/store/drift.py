"""Compares the schema as it is with the schema as the migrations of this release make it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from neurorail.collector.store.client import check_identifier
from neurorail.collector.store.migrations import applied_migrations, load_migrations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neurorail.collector.store.store import Store

_CREATE_TABLE: Final = re.compile(r"CREATE TABLE IF NOT EXISTS (\w+)")
_CREATE_VIEW: Final = re.compile(r"CREATE MATERIALIZED VIEW IF NOT EXISTS (\w+)")
_SCRATCH: Final = "neurorail_drift_"


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference."""

    object: str
    """The migration, table or view."""
    detail: str


def drift(store: Store) -> list[Drift]:
    """Every difference, in order; empty when the schema is as this release makes it.

    Tables are compared by making each table anew under a scratch name and comparing columns, keys
    and partitions; the scratch table is dropped at once.

    Raises:
        StoreError: If the store cannot be read, or may not be written.
    """
    found = list(_migrations(store))
    statements = [text for migration in load_migrations() for text in migration.statements()]
    existing = {
        name
        for (name,) in store.query_rows(
            "SELECT name FROM system.tables WHERE database = {database:String}",
            {"database": store.database},
        )
    }
    for statement in statements:
        table, view = _CREATE_TABLE.search(statement), _CREATE_VIEW.search(statement)
        match = table or view
        if match is None:
            continue
        name = match.group(1)
        if name not in existing:
            found.append(Drift(name, "does not exist"))
        elif table:
            found.extend(_table(store, name, statement))
    return found


def _migrations(store: Store) -> Iterator[Drift]:
    applied = applied_migrations(store)
    known = {migration.version: migration for migration in load_migrations()}
    for version, migration in known.items():
        records = applied.get(version)
        label = f"migration {version:04d}_{migration.name}"
        if records is None:
            yield Drift(label, "is not applied; the next start applies it")
        elif any(checksum != migration.checksum for _, checksum in records):
            yield Drift(label, "was applied with another text")
    for version in sorted(set(applied) - set(known)):
        yield Drift(f"migration {version:04d}", "is not known to this release")


def _table(store: Store, name: str, statement: str) -> Iterator[Drift]:
    scratch = check_identifier(_SCRATCH + name)
    store.command(f"DROP TABLE IF EXISTS {scratch} SYNC")
    store.command(statement.replace(f"EXISTS {name}", f"EXISTS {scratch}", 1))
    try:
        wanted, actual = _columns(store, scratch), _columns(store, name)
        for column, definition in wanted.items():
            if column not in actual:
                yield Drift(name, f"column {column} is missing; it is {definition}")
            elif actual[column] != definition:
                yield Drift(
                    name, f"column {column} is {actual[column]}; this release has {definition}"
                )
        for column in actual.keys() - wanted.keys():
            yield Drift(name, f"column {column} is not known to this release")
        wanted_layout, layout = _layout(store, scratch), _layout(store, name)
        if layout != wanted_layout:
            yield Drift(name, f"is laid out as {layout}; this release has {wanted_layout}")
    finally:
        store.command(f"DROP TABLE IF EXISTS {scratch} SYNC")


def _columns(store: Store, table: str) -> dict[str, str]:
    rows = store.query_rows(
        "SELECT name, type, default_kind, default_expression FROM system.columns "
        "WHERE database = {database:String} AND table = {table:String} ORDER BY position",
        {"database": store.database, "table": table},
    )
    return {name: " ".join(part for part in definition if part) for name, *definition in rows}


def _layout(store: Store, table: str) -> str:
    rows = store.query_rows(
        "SELECT engine, partition_key, sorting_key FROM system.tables "
        "WHERE database = {database:String} AND name = {table:String}",
        {"database": store.database, "table": table},
    )
    engine, partition_key, sorting_key = rows[0]
    # On a replicated cluster the same tables have the replicating engines.
    engine = engine.removeprefix("Replicated")
    return f"{engine} PARTITION BY ({partition_key}) ORDER BY ({sorting_key})"
