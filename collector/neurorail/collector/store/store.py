"""The store: one writer client and a few reader clients, blocking or awaited."""

from __future__ import annotations

import asyncio
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from clickhouse_connect.driver.exceptions import ClickHouseError

from neurorail.collector.store.client import check_identifier, is_embedded, open_client, translate
from neurorail.collector.store.errors import StoreBusy, StoreError, StoreUnavailable
from neurorail.collector.store.migrations import apply_migrations
from neurorail.collector.store.retention import apply_retention

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from clickhouse_connect.driver.client import Client

    from neurorail.collector.store.config import StoreConfig

Row = dict[str, Any]
T = TypeVar("T")
_WRITERS: Final = 2
"""One for telemetry and one for events, so that neither waits for the other."""


class Store:
    """Reads and writes rows. Safe to use from any thread; parameters are always bound.

    Start creates the database and applies the migrations. Stop is idempotent, and safe without
    start.
    """

    def __init__(self, config: StoreConfig) -> None:
        self.config = config
        self.database = check_identifier(config.database)
        self._embedded = is_embedded(config.url)
        self._readers: queue.SimpleQueue[Client] = queue.SimpleQueue()
        self._writers: queue.SimpleQueue[Client] = queue.SimpleQueue()
        self._opened: list[Client] = []
        self._pool: ThreadPoolExecutor | None = None
        self._waiting = 0
        self._lock = threading.Lock()

    def start(self, *, migrate: bool = True) -> None:
        """Opens the clients and, unless told otherwise, brings the schema up to date.

        Raises:
            StoreError: If the store cannot be opened or its schema is not one to work with.
        """
        bootstrap = open_client(self.config, database=None)
        self._opened.append(bootstrap)
        try:
            if migrate:
                bootstrap.command(f"CREATE DATABASE IF NOT EXISTS {self.database} ENGINE = Atomic")
            for _ in range(_WRITERS):
                self._writers.put(self._open())
            for _ in range(self.config.readers):
                self._readers.put(self._open())
            if migrate:
                apply_migrations(self)
                apply_retention(self, self.config.retention_days)
        except ClickHouseError as error:
            self.stop()
            raise translate(error) from error
        except StoreError:
            self.stop()
            raise
        self._pool = ThreadPoolExecutor(self.config.readers, thread_name_prefix="store-read")

    def stop(self) -> None:
        """Waits for reads that run and closes every client."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)
        while self._opened:
            self._opened.pop().close()
        self._readers = queue.SimpleQueue()
        self._writers = queue.SimpleQueue()

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """The rows of a SELECT as dictionaries by column name.

        Args:
            sql: The statement, with `{name:Type}` where a parameter belongs.
            parameters: Values by name.

        Raises:
            StoreUnavailable: If the engine cannot answer now.
            StoreRefused: If it refuses the statement.
        """
        with self._client(self._readers) as client:
            result = client.query(sql, parameters=dict(parameters or {}))
            return [dict(row) for row in result.named_results()]

    def query_rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Sequence[Any]]:
        """The rows of a SELECT as tuples: cheaper than `query` for many rows."""
        with self._client(self._readers) as client:
            return client.query(sql, parameters=dict(parameters or {})).result_rows

    def command(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Runs a statement that answers nothing: DDL, ALTER, INSERT … SELECT."""
        with self._client(self._writers) as client:
            client.command(sql, parameters=dict(parameters or {}), settings=dict(settings or {}))

    def raw_insert(
        self,
        table: str,
        parts: Sequence[bytes],
        fmt: str,
        settings: Mapping[str, Any] | None = None,
        columns: Sequence[str] | None = None,
    ) -> None:
        """Inserts bytes that are already in one of ClickHouse's input formats.

        Args:
            table: The table, unqualified.
            parts: The bytes, in any number of pieces.
            fmt: The name of the format.
            settings: Settings of this insert.
            columns: The columns that the bytes hold; all without it.

        Raises:
            StoreUnavailable: If the engine cannot take it now.
            StoreRefused: If it refuses the data.
        """
        # The embedded engine reads a file, to which the pieces are written as they are.
        block = (part for part in parts) if self._embedded else b"".join(parts)
        with self._client(self._writers) as client:
            client.raw_insert(
                f"{self.database}.{check_identifier(table)}",
                column_names=columns,
                insert_block=block,
                fmt=fmt,
                settings=dict(settings or {}),
            )

    def insert(
        self,
        table: str,
        rows: Sequence[Sequence[Any]],
        columns: Sequence[str],
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Inserts rows of Python values."""
        with self._client(self._writers) as client:
            client.insert(
                check_identifier(table),
                rows,
                column_names=columns,
                database=self.database,
                settings=dict(settings or {}),
            )

    async def query_async(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Like `query`, on the store's own bounded thread pool, within limits of time and memory.

        Raises:
            StoreBusy: If more reads wait than the configuration allows.
            StoreUnavailable: If it takes too long.
            StoreRefused: If it takes too much memory.
        """
        return await self.run(self._query_limited, sql, parameters)

    def _query_limited(self, sql: str, parameters: Mapping[str, Any] | None) -> list[Row]:
        limits = {
            "max_execution_time": self.config.read_seconds_max,
            "max_memory_usage": self.config.read_bytes_max,
            # A reader that goes away ends its query; the embedded engine knows no connections.
            "cancel_http_readonly_queries_on_client_close": 1,
        }
        with self._client(self._readers) as client:
            result = client.query(sql, parameters=dict(parameters or {}), settings=limits)
            return [dict(row) for row in result.named_results()]

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Runs a blocking read on the store's own bounded thread pool.

        Raises:
            StoreBusy: If more reads wait than the configuration allows.
            StoreUnavailable: If the store is not started.
        """
        pool = self._pool
        if pool is None:
            raise StoreUnavailable("the store is not started")
        with self._lock:
            if self._waiting >= self.config.read_queue_max:
                raise StoreBusy(f"{self._waiting} reads wait already; try again later")
            self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, function, *arguments)
        finally:
            with self._lock:
                self._waiting -= 1

    @property
    def reads_waiting(self) -> int:
        """Asynchronous reads that run or wait."""
        return self._waiting

    def ping(self) -> bool:
        """Whether the engine answers."""
        try:
            return self.query_rows("SELECT 1") is not None
        except StoreError:
            return False

    def _open(self) -> Client:
        client = open_client(self.config, database=self.database)
        self._opened.append(client)
        return client

    @contextmanager
    def _client(self, clients: queue.SimpleQueue[Client]) -> Iterator[Client]:
        if not self._opened:
            raise StoreUnavailable("the store is not started")
        client = clients.get()
        try:
            yield client
        except ClickHouseError as error:
            raise translate(error) from error
        finally:
            clients.put(client)
