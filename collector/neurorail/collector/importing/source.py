"""Reads `otel_traces` as the Collector's ClickHouse exporter makes it, in the order of span ends.

Ends and not starts, because that is the order in which agents export: what lies below a span comes
before it, as it did when the spans were sent the first time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clickhouse_connect.driver.exceptions import ClickHouseError

from neurorail.collector.importing.requests import Place, StoredSpan
from neurorail.collector.store.client import check_identifier, open_client, translate
from neurorail.collector.store.config import StoreConfig
from neurorail.collector.store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clickhouse_connect.driver.client import Client

PAGE_SPANS: Final = 2_000
"""Spans of one read, and about what is in memory at once."""
SLICE_SPANS: Final = 20_000
"""Neighbouring minutes are read together up to so many spans."""
END_OF_TIME: Final = (1 << 63) - 1
_MINUTE_NS: Final = 60 * 10**9
_END: Final = "(toUnixTimestamp64Nano(Timestamp) + toInt64(Duration))"
_COLUMNS: Final = (
    "Timestamp", "TraceId", "SpanId", "ParentSpanId", "TraceState", "SpanName", "SpanKind",
    "ServiceName", "ResourceAttributes", "ScopeName", "ScopeVersion", "SpanAttributes", "Duration",
    "StatusCode", "StatusMessage", "Events.Timestamp", "Events.Name", "Events.Attributes",
    "Links.TraceId", "Links.SpanId", "Links.TraceState", "Links.Attributes",
)  # fmt: skip
_MAPS: Final = ("ResourceAttributes", "SpanAttributes", "Events.Attributes", "Links.Attributes")
_SELECT: Final = """TraceId, SpanId, ParentSpanId, TraceState, SpanName, SpanKind, ServiceName,
ResourceAttributes, ScopeName, ScopeVersion, SpanAttributes, toUnixTimestamp64Nano(Timestamp),
toInt64(Duration), StatusCode, StatusMessage,
arrayMap(t -> toUnixTimestamp64Nano(t), Events.Timestamp), Events.Name, Events.Attributes,
Links.TraceId, Links.SpanId, Links.TraceState, Links.Attributes"""


class NotATracesTable(Exception):
    """A table is not what the Collector's exporter makes."""


@dataclass(frozen=True, slots=True)
class Range:
    """Which spans: by their end, in nanoseconds since the epoch, the second bound excluded."""

    since_unix_nano: int = 0
    until_unix_nano: int = END_OF_TIME
    tenant: str = "default"
    """Only asked of a table that knows tenants, which is NeuroRail's own."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Neighbouring minutes: first and last, both included, and what is in them."""

    first_minute: int
    last_minute: int
    spans: int
    longest_ns: int


class SpanSource:
    """One table. Not to be shared between threads; close it."""

    def __init__(self, url: str, database: str, table: str) -> None:
        """Connect and look at the table.

        Args:
            url: `http(s)://user:password@host:port`, or `chdb:///absolute/directory` of an embedded
                store that nobody has open.
            database: Where the table is.
            table: Its name.

        Raises:
            StoreError: the store cannot be asked.
            NotATracesTable: the table is not there, or lacks a column.
            ValueError: the address or a name is none.
        """
        self.name = f"{check_identifier(database)}.{check_identifier(table)}"
        self._client: Client = open_client(StoreConfig(url), database=None)
        try:
            self._tenants = self._look()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def slices(self, wanted: Range) -> list[Slice]:
        """What there is, in slices that are read one after the other."""
        rows = self._rows(
            f"SELECT intDiv({_END}, {_MINUTE_NS}) AS minute, count(), max(toInt64(Duration)) "
            f"FROM {self.name} WHERE {self._where()} GROUP BY minute ORDER BY minute",
            _bounds(wanted),
        )
        found: list[Slice] = []
        for minute, spans, longest in rows:
            before = found[-1] if found else None
            if before is not None and before.spans + spans <= SLICE_SPANS:
                found[-1] = Slice(
                    before.first_minute, minute, before.spans + spans,
                    max(before.longest_ns, longest),
                )  # fmt: skip
            else:
                found.append(Slice(minute, minute, spans, longest))
        return found

    def rows(self, wanted: Range, part: Slice) -> Iterator[StoredSpan]:
        """The spans of a slice, page by page, each page after the last key of the one before."""
        first_ns = max(part.first_minute * _MINUTE_NS, wanted.since_unix_nano)
        last_ns = min((part.last_minute + 1) * _MINUTE_NS, wanted.until_unix_nano)
        after: Place = (first_ns, "", "")
        while True:
            rows = self._rows(
                # The starts let the engine leave out what is elsewhere; the ends decide.
                f"SELECT {_SELECT} FROM {self.name} WHERE {self._where()} "
                "AND Timestamp >= fromUnixTimestamp64Nano({earliest:Int64}) "
                "AND Timestamp < fromUnixTimestamp64Nano({until:Int64}) "
                f"AND ({_END}, TraceId, SpanId) > "
                "({end:Int64}, {trace:String}, {span:String}) "
                f"ORDER BY {_END}, TraceId, SpanId LIMIT {PAGE_SPANS}",
                {
                    "since": first_ns,
                    "until": last_ns,
                    "tenant": wanted.tenant,
                    "earliest": max(after[0] - part.longest_ns, 0),
                    "end": after[0],
                    "trace": after[1],
                    "span": after[2],
                },
            )
            for row in rows:
                yield StoredSpan(*row)
            if len(rows) < PAGE_SPANS:
                return
            after = StoredSpan(*rows[-1]).place

    def _where(self) -> str:
        within = f"{_END} >= {{since:Int64}} AND {_END} < {{until:Int64}}"
        return f"{within} AND Tenant = {{tenant:String}}" if self._tenants else within

    def _look(self) -> bool:
        """Check the columns; whether the table knows tenants."""
        try:
            found = {row[0]: row[1] for row in self._rows(f"DESCRIBE TABLE {self.name}", {})}
        except StoreError as error:
            raise NotATracesTable(f"{self.name} cannot be read: {error}") from error
        missing = [name for name in _COLUMNS if name not in found]
        if missing:
            raise NotATracesTable(
                f"{self.name} has no column {', '.join(missing)}: a table as the Collector's "
                "ClickHouse exporter makes it is needed"
            )
        for name in _MAPS:
            if "Map(" not in found[name]:
                raise NotATracesTable(
                    f"{self.name}: {name} is {found[name]}, where a map of texts is needed"
                )
        return "Tenant" in found

    def _rows(self, sql: str, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        try:
            return self._client.query(sql, parameters=dict(parameters)).result_rows
        except ClickHouseError as error:
            raise translate(error) from error


def _bounds(wanted: Range) -> dict[str, Any]:
    return {
        "since": wanted.since_unix_nano,
        "until": wanted.until_unix_nano,
        "tenant": wanted.tenant,
    }
