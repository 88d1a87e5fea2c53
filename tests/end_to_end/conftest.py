"""One rail for all tests of a worker; each test uses ids of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.end_to_end.rail import Chain, Rail, config_file
from tests.support.process import running_server
from tests.support.stores import clickhouse_server

from neurorail.collector.store.config import StoreConfig
from neurorail.collector.store.store import Store

ENGINE = {"orphan_grace_ms": 300, "lateness_ms": 300}
"""Short, so that what only happens after them is seen soon."""


@pytest.fixture(scope="session")
def rail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rail]:
    """A server that stores in a ClickHouse beside it, which can be read while it runs."""
    folder = tmp_path_factory.mktemp("rail")
    (folder / "clickhouse").mkdir()
    config = config_file(folder, engine=ENGINE, archive={"linger_ms": 20})
    with clickhouse_server(folder / "clickhouse") as clickhouse:
        options = ("--clickhouse", clickhouse.url, "--config", str(config))
        with running_server(folder / "data", *options, measured=True) as server:
            store = Store(StoreConfig(clickhouse.url, readers=1))
            store.start(migrate=False)
            try:
                yield Rail(server, store)
            finally:
                store.stop()


@pytest.fixture
def chain() -> Chain:
    """Ids that no other test uses."""
    return Chain()
