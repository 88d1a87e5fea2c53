"""Checks of ClickHouse: reachable, and with the schema of this release."""

from __future__ import annotations

from collections.abc import Iterator

from neurorail.app.config import Config
from neurorail.app.doctor.finding import OK, WRONG, Finding
from neurorail.app.location import RunningServer
from neurorail.app.wiring import store_config
from neurorail.collector.store.config import StoreConfig
from neurorail.collector.store.errors import StoreError
from neurorail.collector.store.migrations import applied_migrations, load_migrations
from neurorail.collector.store.store import Store


def clickhouse(config: Config, server: RunningServer | None) -> Iterator[Finding]:
    """Open the store and compare its schema. The embedded one only when no server has it open."""
    settings = store_config(config, config.data_dir)
    if config.clickhouse.url is None:
        if server is not None:
            yield Finding("clickhouse", OK, "embedded, open in the running server")
            return
        if not (config.data_dir / "clickhouse").exists():
            yield Finding("clickhouse", OK, "embedded, made at the first start")
            return
    yield from _opened(settings)


def _opened(settings: StoreConfig) -> Iterator[Finding]:
    store = Store(settings)
    try:
        store.start(migrate=False)
        release = store.query_rows("SELECT version()")[0][0]
        yield Finding("clickhouse", OK, f"version {release}, database {settings.database}")
        yield _schema(store)
    except StoreError as error:
        yield Finding("clickhouse", WRONG, str(error), "see clickhouse.url and its credentials")
    finally:
        store.stop()


def _schema(store: Store) -> Finding:
    applied = applied_migrations(store)
    wanted = {migration.version: migration for migration in load_migrations()}
    newer = sorted(set(applied) - set(wanted))
    if newer:
        detail = f"migration {newer[-1]:04d} is not known to this release"
        return Finding("schema", WRONG, detail, "use the release that applied it or a newer one")
    for number, records in applied.items():
        if any(checksum != wanted[number].checksum for _, checksum in records):
            detail = f"migration {number:04d}_{wanted[number].name} was applied with another text"
            return Finding("schema", WRONG, detail, "reinstall the release that made the schema")
    missing = len(set(wanted) - set(applied))
    pending = f", {missing} applied at the next start" if missing else ""
    return Finding("schema", OK, f"{len(applied)} migrations{pending}")
