"""A store for a module, and trails in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.collector.audit.trails import Trail
from tests.support.stores import started_store

from neurorail.collector.store.store import Store


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("audit")
    with started_store(f"chdb://{folder}/clickhouse") as store:
        yield store


@pytest.fixture
def trail(shared: Store, tmp_path: Path) -> Trail:
    shared.command("TRUNCATE TABLE neurorail_audit")
    return Trail(shared, tmp_path)


@pytest.fixture
def signed(trail: Trail) -> Trail:
    """Ten events under two checkpoints, and two after them."""
    trail.log("one", "two", "three", "four", "five", "six")
    trail.sign()
    trail.log("seven", "eight", "nine", "ten", mission="m_2")
    trail.sign()
    trail.log("eleven", "twelve")
    return trail
