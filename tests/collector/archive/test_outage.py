"""A server that is away, or answers nothing after it did the work: nothing is lost or repeated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.end_to_end.rail import until
from tests.support.otlp_requests import span, traces
from tests.support.sources import EventLines, Events, Records, batch, telemetry
from tests.support.stores import Backends, ClickHouseServer, started_store

from neurorail.collector.archive.archiver import Archiver
from neurorail.collector.archive.config import ArchiveConfig
from neurorail.collector.store.audit import verify
from neurorail.collector.store.store import Store

CONFIG = ArchiveConfig(linger_ms=1, linger_busy_ms=1, retry_delay_ms_min=10, retry_delay_ms_max=20)
TIMEOUT_S = 60.0


@pytest.fixture
def served(backends: Backends) -> Iterator[tuple[ClickHouseServer, Store]]:
    """A server that can be made to fail, and a store on it."""
    with started_store(backends.server.url) as store:
        yield backends.server, store


@pytest.mark.parametrize("failure", ["before", "after"])
def test_failing_inserts_are_tried_until_they_count_once(
    served: tuple[ClickHouseServer, Store], node: str, tmp_path: Path, failure: str
) -> None:
    server, store = served
    lines = EventLines(node)
    archiver = Archiver(
        directory=tmp_path,
        store=store,
        node=node,
        records=Records(telemetry(n, traces(span(number=n))) for n in range(1, 11)),
        events=Events([batch(1, [lines.line(n) for n in range(1, 11)])]),
        config=CONFIG,
    )
    server.fail(**{failure: 7})
    archiver.start()
    try:
        assert archiver.wait_until(seq=10, ordinal=1, timeout_s=TIMEOUT_S)
    finally:
        archiver.stop()
        server.fail()
    found = store.query_rows(
        "SELECT count(), uniqExact(Seq) FROM otel_traces WHERE Node = {node:String}", {"node": node}
    )
    assert list(found) == [(10, 10)]
    assert verify(store, node).events == 10
    assert verify(store, node).ok
    assert archiver.healthy


def test_a_store_that_is_away_is_seen_and_stop_does_not_wait_for_it(
    served: tuple[ClickHouseServer, Store], node: str, tmp_path: Path
) -> None:
    server, store = served
    archiver = Archiver(
        directory=tmp_path,
        store=store,
        node=node,
        records=Records([telemetry(1, traces(span()))]),
        events=Events(),
        config=CONFIG,
    )
    server.fail(before=1_000_000)
    archiver.start()
    try:
        until("it is seen", lambda: archiver.counts[0].waiting_for == "store")
        assert not archiver.healthy
        assert archiver.archived_seq == 0
        assert archiver.backlog_records == 1
    finally:
        archiver.stop()
        server.fail()
    archiver.start()
    try:
        assert archiver.wait_until(seq=1, timeout_s=TIMEOUT_S)
    finally:
        archiver.stop()
