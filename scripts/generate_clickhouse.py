"""Writes the DDL of a ClickHouse server and of a replicated cluster, from the migrations.

`neurorail serve` applies the migrations itself; these files are for those who let nobody but a
person change a schema, and for clusters, whose tables need other engines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from neurorail.collector.store.migrations import RECORD_TABLE, Migration, load_migrations

FOLDER: Final = Path(__file__).resolve().parent.parent / "deploy" / "clickhouse"
_NOTICE: Final = (
    "-- Made by scripts/generate_clickhouse.py from the migrations of NeuroRail; do not edit.\n"
)
_SINGLE: Final = """\
-- The tables of a ClickHouse server. Needed only where NeuroRail's own user may not make them.
--   clickhouse-client --multiquery < single.sql
CREATE DATABASE IF NOT EXISTS neurorail ENGINE = Atomic;
USE neurorail;
"""
_REPLICATED: Final = """\
-- The tables of a replicated cluster, one shard. The macros {cluster}, {shard} and {replica} must
-- be set on every server. NeuroRail then finds its migrations applied; give it the address of one
-- replica, or of a balancer that keeps a client at one replica.
--   clickhouse-client --multiquery < replicated.sql
CREATE DATABASE IF NOT EXISTS neurorail ON CLUSTER '{cluster}' ENGINE = Atomic;
USE neurorail;
"""
_OBJECT: Final = re.compile(
    r"\A((?:--.*\n)*(?:CREATE (?:TABLE|MATERIALIZED VIEW) IF NOT EXISTS|ALTER TABLE) \w+)"
)
_ENGINE: Final = re.compile(r"^ENGINE = (\w*MergeTree)\b", re.MULTILINE)


def single() -> str:
    """The DDL of one server."""
    return _NOTICE + _SINGLE + _join(_statements())


def replicated() -> str:
    """The DDL of a cluster."""
    return _NOTICE + _REPLICATED + _join(map(_on_cluster, _statements()))


def _statements() -> Iterator[str]:
    yield RECORD_TABLE.strip()
    for migration in load_migrations():
        yield from migration.statements()
        yield _record(migration)


def _record(migration: Migration) -> str:
    values = f"{migration.version}, '{migration.name}', '{migration.checksum}'"
    return f"INSERT INTO neurorail_migrations (version, name, checksum) VALUES ({values})"


def _on_cluster(statement: str) -> str:
    """A statement for every server of the cluster, with tables that replicate."""
    made = _OBJECT.sub(r"\1 ON CLUSTER '{cluster}'", statement)
    made = _ENGINE.sub(r"ENGINE = Replicated\1", made)
    return made.replace("non_replicated_deduplication_window", "replicated_deduplication_window")


def _join(statements: Iterator[str]) -> str:
    return "\n" + "".join(f"{statement};\n\n" for statement in statements).rstrip() + "\n"


FILES: Final = {"single.sql": single, "replicated.sql": replicated}


def stale() -> list[str]:
    """The files that are not what the migrations say."""
    return [
        name
        for name, render in FILES.items()
        if not (FOLDER / name).exists() or (FOLDER / name).read_text(encoding="utf-8") != render()
    ]


if __name__ == "__main__":
    for name in stale():
        (FOLDER / name).write_text(FILES[name](), encoding="utf-8")
        print(f"wrote {FOLDER / name}")
