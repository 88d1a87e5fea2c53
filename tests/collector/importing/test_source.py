"""Reading a table of the Collector's exporter, in the order of span ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.stores import clickhouse_server, started_store

from neurorail.collector.importing import source
from neurorail.collector.importing.source import NotATracesTable, Range, SpanSource
from neurorail.collector.store.errors import StoreError
from neurorail.collector.store.store import Store

MINUTE = 60 * 10**9
FIRST = 1_780_000_020 * 10**9
"""The beginning of a minute."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A ClickHouse with a database of its own."""
    with (
        clickhouse_server(tmp_path_factory.mktemp("clickhouse")) as server,
        started_store(server.url, "collected") as found,
    ):
        found.command("CREATE TABLE spans AS otel_traces ENGINE = MergeTree ORDER BY Timestamp")
        # Ten spans a minute for an hour; two of each end at the same moment.
        found.command(
            "INSERT INTO spans (Timestamp, TraceId, SpanId, Duration, SpanAttributes, `Tenant`) "
            f"SELECT fromUnixTimestamp64Nano({FIRST} + intDiv(number, 2) * 12000000000), "
            "lower(hex(number % 7)), leftPad(toString(number), 4, '0'), 5000000000 * (number % 3), "
            "map('n', toString(number)), if(number = 599, 'other', 'default') FROM numbers(600)"
        )
        yield found


def spans(store: Store, wanted: Range, table: str = "spans") -> list[tuple[int, str, str]]:
    found = SpanSource(store.config.url, store.database, table)
    try:
        return [row.place for part in found.slices(wanted) for row in found.rows(wanted, part)]
    finally:
        found.close()


def test_all_come_once_in_order(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = spans(store, Range())
    assert len(whole) == len(set(whole)) == 599
    assert whole == sorted(whole)
    # However it is cut, it is the same.
    monkeypatch.setattr(source, "PAGE_SPANS", 7)
    monkeypatch.setattr(source, "SLICE_SPANS", 25)
    assert spans(store, Range()) == whole


def test_a_range_is_by_end(store: Store) -> None:
    whole = spans(store, Range())
    since, until = FIRST + 10 * MINUTE + 1, FIRST + 20 * MINUTE + 7
    assert spans(store, Range(since, until)) == [
        place for place in whole if since <= place[0] < until
    ]


def test_another_tenant(store: Store) -> None:
    assert len(spans(store, Range(tenant="other"))) == 1


def test_what_is_counted_is_what_comes(store: Store) -> None:
    found = SpanSource(store.config.url, store.database, "spans")
    try:
        assert sum(part.spans for part in found.slices(Range())) == 599
    finally:
        found.close()


def test_a_table_that_is_something_else_says_so(store: Store) -> None:
    store.command("CREATE TABLE few (Timestamp DateTime64(9), TraceId String) ENGINE = Memory")
    with pytest.raises(NotATracesTable, match=r"collected\.few has no column SpanId, ParentSpanId"):
        spans(store, Range(), "few")
    with pytest.raises(NotATracesTable, match=r"collected\.none cannot be read"):
        spans(store, Range(), "none")
    store.command("CREATE TABLE flat AS spans ENGINE = Memory")
    store.command("ALTER TABLE flat MODIFY COLUMN SpanAttributes String")
    with pytest.raises(NotATracesTable, match="SpanAttributes is String, where a map"):
        spans(store, Range(), "flat")


def test_an_address_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no store address"):
        SpanSource("ftp://x", "default", "otel_traces")
    with pytest.raises(ValueError, match="not a plain identifier"):
        SpanSource("http://x", "default", "otel traces")
    with pytest.raises((StoreError, NotATracesTable)):
        SpanSource("http://127.0.0.1:1", "default", "otel_traces")
