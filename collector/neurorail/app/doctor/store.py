"""Checks of ClickHouse: reachable, and with the schema of this release."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from neurorail.app.config import Config
from neurorail.app.doctor.finding import OK, WRONG, Finding
from neurorail.app.location import RunningServer
from neurorail.app.wiring import store_config
from neurorail.collector.store.config import StoreConfig
from neurorail.collector.store.drift import drift
from neurorail.collector.store.errors import StoreError
from neurorail.collector.store.migrations import applied_migrations, load_migrations
from neurorail.collector.store.store import Store

DRIFTS_SHOWN: Final = 5


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
    if not applied_migrations(store):
        return Finding("schema", OK, "made at the next start")
    found = drift(store)
    if not found:
        return Finding("schema", OK, f"{len(load_migrations())} migrations, no drift")
    shown = "; ".join(f"{each.object} {each.detail}" for each in found[:DRIFTS_SHOWN])
    more = f"; and {len(found) - DRIFTS_SHOWN} more" if len(found) > DRIFTS_SHOWN else ""
    remedy = "use the release that made the schema, or undo what was changed by hand"
    return Finding("schema", WRONG, shown + more, remedy)
