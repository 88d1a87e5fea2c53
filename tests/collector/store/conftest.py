"""A store on each backend, one per module; tests keep apart by node."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from tests.support.stores import BACKENDS, Backends, started_store

from neurorail.collector.store.store import Store

_nodes = itertools.count(1)


@pytest.fixture(scope="module")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backends]:
    """The addresses of both backends."""
    with Backends(tmp_path_factory.mktemp("clickhouse")) as found:
        yield found


@pytest.fixture(scope="module", params=BACKENDS)
def store(request: pytest.FixtureRequest, backends: Backends) -> Iterator[Store]:
    """A store with its schema, on the embedded engine and over HTTP."""
    with started_store(backends.url(request.param)) as found:
        yield found


@pytest.fixture
def node() -> str:
    """A node, and so rows, of the test's own."""
    return f"node{next(_nodes)}"
