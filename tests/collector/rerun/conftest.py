"""An embedded store for all tests of this folder; each test has a node of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from tests.support.stores import started_store

from neurorail.collector.store.store import Store

_nodes = itertools.count(1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with its schema: closed with its module, since a process opens one path at a time."""
    path = tmp_path_factory.mktemp("rerun") / "clickhouse"
    with started_store(f"chdb://{path}") as found:
        yield found


@pytest.fixture
def node() -> str:
    """A node, and so rows, of the test's own."""
    return f"rerun{next(_nodes)}"
