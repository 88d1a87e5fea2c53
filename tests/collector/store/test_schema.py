"""Migrations, retention and drift."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from tests.support.stores import BACKENDS, Backends, started_store

from neurorail.collector.store.config import DEFAULT_RETENTION_DAYS, StoreConfig
from neurorail.collector.store.drift import Drift, drift
from neurorail.collector.store.errors import MigrationError
from neurorail.collector.store.migrations import (
    Migration,
    applied_migrations,
    apply_migrations,
    load_migrations,
)
from neurorail.collector.store.retention import apply_retention, current_retention
from neurorail.collector.store.store import Store

GOVERNANCE_TABLES = (
    "neurorail_audit",
    "neurorail_state_transitions",
    "governor_decisions",
    "neurorail_metrics_snapshots",
    "governor_manifests",
    "neurorail_records",
    "neurorail_dead_letter",
    "neurorail_engine_states",
)


@pytest.fixture(params=BACKENDS)
def fresh(request: pytest.FixtureRequest, backends: Backends) -> Iterator[Store]:
    """A store that a test may damage."""
    with started_store(backends.url(request.param)) as found:
        yield found


def test_migrations_are_numbered_without_gaps_and_idempotent() -> None:
    migrations = load_migrations()
    assert [m.version for m in migrations] == list(range(1, len(migrations) + 1))
    for migration in migrations:
        for statement in migration.statements():
            lines = [line for line in statement.splitlines() if not line.startswith("--")]
            filled = statement.startswith("INSERT") or lines[0].startswith("INSERT")
            same_again = any(
                word in lines[0] for word in ("IF NOT EXISTS", " MODIFY ", " MATERIALIZE ")
            )
            assert filled or same_again, lines[0]


def test_a_second_start_applies_nothing_and_finds_no_drift(fresh: Store) -> None:
    assert apply_migrations(fresh) == []
    assert set(applied_migrations(fresh)) == {m.version for m in load_migrations()}
    assert drift(fresh) == []


def test_two_servers_may_apply_the_migrations_at_once(backends: Backends) -> None:
    config = StoreConfig(url=backends.server.url, database="test_at_once")
    stores = [Store(config), Store(config)]
    errors: list[Exception] = []

    def start(store: Store) -> None:
        try:
            store.start()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=start, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert errors == []
        assert drift(stores[0]) == []
    finally:
        for store in stores:
            store.stop()


def test_an_applied_migration_that_changed_is_refused(fresh: Store) -> None:
    first = load_migrations()[0]
    changed = Migration(first.version, first.name, first.sql + "\n-- changed")
    with pytest.raises(MigrationError, match="0001_traces differs"):
        apply_migrations(fresh, [changed, *load_migrations()[1:]])


def test_a_store_of_a_newer_release_is_refused(fresh: Store) -> None:
    with pytest.raises(MigrationError, match="does not know"):
        apply_migrations(fresh, load_migrations()[:-1])


def test_drift_names_what_differs(fresh: Store) -> None:
    fresh.command("ALTER TABLE governor_manifests DROP COLUMN report")
    fresh.command("ALTER TABLE governor_manifests ADD COLUMN extra String")
    fresh.command("ALTER TABLE neurorail_records MODIFY COLUMN items UInt64")
    fresh.command("DROP VIEW otlp_logs_mv")
    found = drift(fresh)
    assert set(found) == {
        Drift("otlp_logs_mv", "does not exist"),
        Drift("governor_manifests", "column report is missing; it is String"),
        Drift("governor_manifests", "column extra is not known to this release"),
        Drift("neurorail_records", "column items is UInt64; this release has UInt32"),
    }


def test_governance_tables_begin_with_the_tenant(store: Store) -> None:
    for table in GOVERNANCE_TABLES:
        columns = store.query_rows(
            "SELECT name FROM system.columns WHERE database = {database:String} "
            "AND table = {table:String} ORDER BY position LIMIT 1",
            {"database": store.database, "table": table},
        )
        keys = store.query_rows(
            "SELECT sorting_key FROM system.tables WHERE database = {database:String} "
            "AND name = {table:String}",
            {"database": store.database, "table": table},
        )
        assert columns[0][0] == "tenant", table
        assert keys[0][0].startswith("tenant,"), table


def test_retention_follows_the_configuration_and_spares_the_audit(fresh: Store) -> None:
    assert current_retention(fresh) == dict(DEFAULT_RETENTION_DAYS)
    apply_retention(fresh, {"otel_traces": 7, "otel_logs": 0})
    expected = {**DEFAULT_RETENTION_DAYS, "otel_traces": 7}
    del expected["otel_logs"]
    assert current_retention(fresh) == expected
    with pytest.raises(ValueError, match="'neurorail_audit' may not expire"):
        apply_retention(fresh, {"neurorail_audit": 30})
    with pytest.raises(ValueError, match="is -1 days"):
        apply_retention(fresh, {"otel_traces": -1})
