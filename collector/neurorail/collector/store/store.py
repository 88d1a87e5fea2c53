"""The store: one writer client and a few reader clients, blocking or awaited."""

from __future__ import annotations

import asyncio
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from clickhouse_connect.driver.exceptions import ClickHouseError

from neurorail.collector.store.cancelling import BY_COMMENT, BY_ID, Canceller, Mark
from neurorail.collector.store.client import check_identifier, is_embedded, open_client, translate
from neurorail.collector.store.errors import StoreBusy, StoreError, StoreUnavailable
from neurorail.collector.store.migrations import apply_migrations
from neurorail.collector.store.retention import apply_retention

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from clickhouse_connect.driver.client import Client

    from neurorail.collector.store.config import StoreConfig

Row = dict[str, Any]
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
        self._canceller: Canceller | None = None
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
        readers = self.config.readers
        ends = BY_COMMENT if self._embedded else BY_ID
        ender = partial(open_client, self.config, database=None)
        self._canceller = Canceller(ends, ender, readers)
        self._pool = ThreadPoolExecutor(readers, thread_name_prefix="store-read")

    def stop(self) -> None:
        """Waits for reads that run and closes every client."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)
        if self._canceller is not None:
            self._canceller.stop()
        while self._opened:
            self._opened.pop().close()
        self._readers = queue.SimpleQueue()
        self._writers = queue.SimpleQueue()

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """The rows of a SELECT as dictionaries by column name.

        It keeps to the limits of the server's own reads: minutes rather than seconds.

        Args:
            sql: The statement, with `{name:Type}` where a parameter belongs.
            parameters: Values by name.

        Raises:
            StoreUnavailable: If the engine cannot answer now.
            StoreRefused: If it refuses the statement.
        """
        with self._client(self._readers) as client:
            result = client.query(sql, parameters=dict(parameters or {}), settings=self._own_limits)
            return [dict(row) for row in result.named_results()]

    def query_rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Sequence[Any]]:
        """The rows of a SELECT as tuples: cheaper than `query` for many rows."""
        with self._client(self._readers) as client:
            values = dict(parameters or {})
            return client.query(sql, parameters=values, settings=self._own_limits).result_rows

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

        When whoever awaits it is cancelled, the engine stops reading.

        Raises:
            StoreBusy: If more reads wait than the configuration allows.
            StoreUnavailable: If it takes too long.
            StoreRefused: If it takes too much memory.
        """
        pool, canceller = self._pool, self._canceller
        if pool is None or canceller is None:
            raise StoreUnavailable("the store is not started")
        mark = Mark()
        with self._lock:
            if self._waiting >= self.config.read_queue_max:
                raise StoreBusy(f"{self._waiting} reads wait already; try again later")
            self._waiting += 1
        try:
            read = pool.submit(self._query_limited, sql, parameters, mark)
        except RuntimeError as stopped:
            self._read_ended(None)
            raise StoreUnavailable("the store is not started") from stopped
        read.add_done_callback(self._read_ended)
        try:
            return await asyncio.wrap_future(read)
        except asyncio.CancelledError:
            canceller.end(mark, read)
            raise

    def _query_limited(
        self, sql: str, parameters: Mapping[str, Any] | None, mark: Mark
    ) -> list[Row]:
        limits = {
            "max_execution_time": self.config.read_seconds_max,
            "max_memory_usage": self.config.read_bytes_max,
            "log_comment" if self._embedded else "query_id": mark.name,
        }
        with self._client(self._readers) as client:
            if mark.gone:
                return []
            result = client.query(sql, parameters=dict(parameters or {}), settings=limits)
            return [dict(row) for row in result.named_results()]

    def _read_ended(self, _: object) -> None:
        with self._lock:
            self._waiting -= 1

    @property
    def _own_limits(self) -> dict[str, Any]:
        return {
            "max_execution_time": self.config.own_read_seconds_max,
            "max_memory_usage": self.config.own_read_bytes_max,
        }

    @property
    def reads_cancelled(self) -> int:
        """Reads that were ended because nobody waited for them any more."""
        return 0 if self._canceller is None else self._canceller.cancelled

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
            client = self._after_failure(client)
            raise translate(error) from error
        finally:
            clients.put(client)

    def _after_failure(self, client: Client) -> Client:
        """A client to go on with.

        The embedded engine gives what a failed query had written already to whoever asks next on
        the same connection; so none is asked again.
        """
        if not self._embedded or client not in self._opened:
            return client
        another = self._open()
        self._opened.remove(client)
        client.close()
        return another
