"""Plain, versioned SQL migrations: applied at start, recorded with their checksums.

A migration is a file `NNNN_name.sql` here of statements that end in `;` at the end of a line. Every
statement is idempotent (IF NOT EXISTS), so that two servers may apply the same migration at once.
A migration that has been released never changes; a change is a new file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from neurorail.collector.store.errors import MigrationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neurorail.collector.store.store import Store

_FILE_NAME: Final = re.compile(r"(\d{4})_(\w+)\.sql")
_STATEMENT_END: Final = re.compile(r";[ \t]*(?:\n|$)")

RECORD_TABLE: Final = """
CREATE TABLE IF NOT EXISTS neurorail_migrations
(
    version UInt32,
    name String,
    checksum String,
    applied_at DateTime64(3) DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (version, checksum)
"""
"""Where it is kept which migrations were applied."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of statements."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file's text, in hex."""
        return sha256(self.sql.encode()).hexdigest()

    def statements(self) -> list[str]:
        """The statements, without their terminators."""
        pieces = (piece.strip() for piece in _STATEMENT_END.split(self.sql))
        return [piece for piece in pieces if piece]


def load_migrations() -> list[Migration]:
    """The migrations of this release, in order."""
    folder = files("neurorail.collector.store.migrations")
    found = []
    for entry in folder.iterdir():
        match = _FILE_NAME.fullmatch(entry.name)
        if match:
            found.append(Migration(int(match[1]), match[2], entry.read_text(encoding="utf-8")))
    return sorted(found, key=lambda migration: migration.version)


def applied_migrations(store: Store) -> dict[int, list[tuple[str, str]]]:
    """Name and checksum of what was applied, by version. More than one means a conflict."""
    exists = store.query_rows(
        "SELECT count() FROM system.tables "
        "WHERE database = {database:String} AND name = 'neurorail_migrations'",
        {"database": store.database},
    )
    applied: dict[int, list[tuple[str, str]]] = {}
    if exists[0][0]:
        for version, name, checksum in store.query_rows(
            "SELECT DISTINCT version, name, checksum FROM neurorail_migrations "
            "ORDER BY version, checksum"
        ):
            applied.setdefault(version, []).append((name, checksum))
    return applied


def apply_migrations(store: Store, migrations: Sequence[Migration] | None = None) -> list[int]:
    """Applies what is not applied yet and returns the versions that were.

    Raises:
        MigrationError: If an applied migration differs from this release's, or is newer than all.
    """
    wanted = load_migrations() if migrations is None else list(migrations)
    store.command(RECORD_TABLE)
    applied = applied_migrations(store)
    _check_known(wanted, applied)
    done = []
    for migration in wanted:
        if migration.version in applied:
            continue
        for statement in migration.statements():
            store.command(statement)
        store.insert(
            "neurorail_migrations",
            [[migration.version, migration.name, migration.checksum]],
            ["version", "name", "checksum"],
        )
        done.append(migration.version)
    return done


def _check_known(wanted: Sequence[Migration], applied: dict[int, list[tuple[str, str]]]) -> None:
    by_version = {migration.version: migration for migration in wanted}
    for version, records in applied.items():
        migration = by_version.get(version)
        if migration is None:
            raise MigrationError(
                f"the store has migration {version:04d}, which this release does not know; "
                "use the release that applied it or a newer one"
            )
        if any(checksum != migration.checksum for _, checksum in records):
            raise MigrationError(
                f"migration {version:04d}_{migration.name} differs from the one that was applied; "
                "run `neurorail doctor` to see what differs"
            )
