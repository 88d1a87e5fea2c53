"""The DDL in deploy/ is that of the migrations, and ClickHouse understands it."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from tests.support.stores import clickhouse_server

from neurorail.collector.store.config import StoreConfig
from neurorail.collector.store.drift import drift
from neurorail.collector.store.migrations import apply_migrations
from neurorail.collector.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty database on a server."""
    with clickhouse_server(tmp_path) as server:
        with urlopen(Request(server.url, b"CREATE DATABASE neurorail", method="POST")):
            pass
        opened = Store(StoreConfig(server.url, readers=1))
        opened.start(migrate=False)
        yield opened
        opened.stop()


def statements(root: Path, name: str) -> list[str]:
    """The statements of a file, without those that choose a database."""
    text = (root / "deploy" / "clickhouse" / name).read_text()
    text = "".join(line for line in text.splitlines(True) if not line.startswith("--"))
    found = [each.strip() for each in re.split(r";[ \t]*(?:\n|$)", text) if each.strip()]
    return [each for each in found if not each.startswith(("USE ", "CREATE DATABASE "))]


def test_the_files_are_fresh(root: Path) -> None:
    generator: dict[str, Any] = runpy.run_path(str(root / "scripts" / "generate_clickhouse.py"))
    assert generator["stale"]() == [], "run: python scripts/generate_clickhouse.py"


def test_a_server_made_by_hand_needs_no_migration(root: Path, store: Store) -> None:
    for statement in statements(root, "single.sql"):
        store.command(statement)
    assert apply_migrations(store) == []
    assert list(drift(store)) == []


def test_the_cluster_has_the_same_tables_and_every_one_replicates(root: Path) -> None:
    single, replicated = statements(root, "single.sql"), statements(root, "replicated.sql")
    assert len(single) == len(replicated)
    engines = re.findall(r"^ENGINE = (\w+)", "\n".join(replicated), re.MULTILINE)
    assert {each for each in engines if not each.startswith("Replicated")} == {"Null"}
    for here, there in zip(single, replicated, strict=True):
        if here.startswith("INSERT"):
            assert here == there
            continue
        assert there.count(" ON CLUSTER '{cluster}'") == 1
        back = there.replace(" ON CLUSTER '{cluster}'", "").replace(
            "ENGINE = Replicated", "ENGINE = "
        )
        back = back.replace("SETTINGS replicated_", "SETTINGS non_replicated_")
        assert back.replace(", replicated_dedup", ", non_replicated_dedup") == here


def test_clickhouse_can_read_what_cannot_be_run_here(root: Path, store: Store) -> None:
    for name in ("replicated.sql", "roles.sql"):
        for statement in statements(root, name):
            statement = statement.replace("{database:Identifier}", "neurorail")
            if not statement.startswith("INSERT"):
                assert store.query_rows(f"EXPLAIN AST {statement}"), statement
