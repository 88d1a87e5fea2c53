"""Runs readers' queries on connections of their own that cannot write, each in a thread."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from neurorail.collector.resident_memory import rss_bytes
from neurorail.collector.sql.config import SqlConfig
from neurorail.collector.sql.errors import (
    ACCESS_DENIED,
    MEMORY_LIMIT_EXCEEDED,
    QUERY_IS_TOO_LARGE,
    QUERY_WAS_CANCELLED,
    TOO_MANY_BYTES,
    TOO_MANY_SIMULTANEOUS_QUERIES,
    UNKNOWN_FORMAT,
    QueryError,
)
from neurorail.collector.sql.functions import allowed_functions
from neurorail.collector.sql.guard import Allowed, check, check_text
from neurorail.collector.sql.memory import MemoryWatch
from neurorail.collector.sql.native import with_revision
from neurorail.collector.store.cancelling import BY_BEGINNING, Canceller, Mark
from neurorail.collector.store.client import open_client
from neurorail.collector.store.config import StoreConfig

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_FUNCTIONS: Final = "SELECT name, is_aggregate, categories, alias_to FROM system.functions"
_MEMORY_OF_OTHERS: Final = 512 << 20
"""By how much the process may grow for other reasons while a query runs."""
_FORMATS: Final = "SELECT name FROM system.formats WHERE is_output"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query gave, in the format that it or its request named."""

    body: bytes
    rows_read: int
    bytes_read: int
    elapsed_ns: int


class QueryEngine:
    """Readers' queries on the embedded engine, which must be open in this process already."""

    def __init__(self, path: str, config: SqlConfig) -> None:
        self._path = path
        self._config = config
        self._threads = ThreadPoolExecutor(config.queries, "sql")
        self._local = threading.local()
        self._connections: list[Any] = []
        self._lock = threading.Lock()
        self._open = 0
        self._canceller = Canceller(BY_BEGINNING, self._ender, config.queries)
        most = config.max_memory_bytes + 2 * config.max_result_bytes + _MEMORY_OF_OTHERS
        self._memory = MemoryWatch(most, rss_bytes)
        self._allowed: Allowed | None = None
        self._formats: frozenset[str] = frozenset()

    async def run(self, query: str, format_name: str, parameters: Mapping[str, str]) -> Answer:
        """Runs one query that only reads.

        Args:
            query: The statement; a FORMAT of its own wins over `format_name`.
            format_name: One of the engine's output formats.
            parameters: Values of `{name:Type}`, as text.

        Raises:
            QueryError: it is not allowed, not right, or too much.

        When whoever awaits it is cancelled, the engine stops.
        """
        config = self._config
        if len(query.encode()) > config.max_query_bytes:
            detail = f"a query has more than {config.max_query_bytes} bytes"
            raise QueryError(QUERY_IS_TOO_LARGE, detail)
        if self._open >= config.queries + config.waiting:
            raise QueryError(TOO_MANY_SIMULTANEOUS_QUERIES, f"{self._open} queries run or wait")
        with self._lock:
            self._open += 1
        mark = Mark("/* {} */")
        read = self._threads.submit(self._run, query, format_name, dict(parameters), mark)
        read.add_done_callback(self._ended)
        try:
            return await asyncio.wrap_future(read)
        except asyncio.CancelledError:
            self._canceller.end(mark, read)
            raise

    def _ended(self, _: object) -> None:
        with self._lock:
            self._open -= 1

    async def for_revision(self, answer: Answer, revision: int) -> Answer:
        """A Native answer as clients of a protocol revision read it. Raises QueryError."""
        if revision <= 0:
            return answer
        loop = asyncio.get_running_loop()
        body = await loop.run_in_executor(self._threads, with_revision, answer.body, revision)
        return replace(answer, body=body)

    def stop(self) -> None:
        """Finishes what runs and closes the connections."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._memory.stop()
        self._canceller.stop()
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()

    def _run(self, query: str, format_name: str, parameters: dict[str, str], mark: Mark) -> Answer:
        running: Future[None] = Future()
        running.set_running_or_notify_cancel()
        self._memory.begin(mark, partial(self._canceller.end, mark, running))
        try:
            return self._read(query, format_name, parameters, mark)
        except Exception as error:
            # The embedded engine gives what a failed query had written to whoever asks next.
            self._forget_connection()
            if self._memory.ended(mark):
                detail = "the result takes too much memory"
                raise QueryError(MEMORY_LIMIT_EXCEEDED, detail) from error
            raise
        finally:
            self._memory.ended(mark)
            running.set_result(None)

    def _read(self, query: str, format_name: str, parameters: dict[str, str], mark: Mark) -> Answer:
        connection = self._connection()
        check_text(query)

        def syntax_tree(text: str) -> str:
            explained = f"EXPLAIN AST {text}"
            _must_only_read(connection, explained, or_be_wrong=True)
            return bytes(_query(connection, explained, "TSVRaw", parameters).bytes()).decode()

        check(query, syntax_tree, self._may(connection))
        if format_name.lower() not in self._formats:
            raise QueryError(UNKNOWN_FORMAT, f"unknown format {format_name}")
        marked = f"{mark.name} {query}"
        _must_only_read(connection, marked)
        if mark.gone:
            raise QueryError(QUERY_WAS_CANCELLED, "nobody waits for the query any more")
        result = _query(connection, marked, format_name, parameters)
        body = bytes(result.bytes())
        most = self._config.max_result_bytes
        if len(body) > most:  # The engine's own limit is of columns, before they are formatted.
            raise QueryError(TOO_MANY_BYTES, f"the result has {len(body)} bytes, at most {most}")
        return Answer(
            body,
            int(result.rows_read()),
            int(result.bytes_read()),
            int(result.elapsed() * 1e9),
        )

    def _ender(self) -> Client:
        """A connection that can end the queries of others."""
        return open_client(StoreConfig(f"chdb://{self._path}"), database=None)

    def _connection(self) -> Any:
        """This thread's connection, which cannot write any more from its first query on."""
        if not hasattr(self._local, "connection"):
            config = self._config
            connection = import_module("chdb").connect(self._path)
            connection.query(f"USE {config.database}")
            connection.query(
                f"SET max_execution_time = {config.max_execution_time_s}, "
                f"max_memory_usage = {config.max_memory_bytes}, "
                f"max_result_rows = {config.max_result_rows}, "
                f"max_result_bytes = {config.max_result_bytes}, result_overflow_mode = 'throw', "
                "max_threads = 1, log_queries = 0, readonly = 1"
            )
            with self._lock:
                self._connections.append(connection)
            self._local.connection = connection
        return self._local.connection

    def _forget_connection(self) -> None:
        connection = self._local.__dict__.pop("connection", None)
        if connection is not None:
            with self._lock:
                self._connections.remove(connection)
            connection.close()

    def _may(self, connection: Any) -> Allowed:
        if self._allowed is None:
            functions, aggregates = allowed_functions(_rows(connection, _FUNCTIONS))
            names = _rows(connection, "SELECT name FROM system.databases")
            databases = frozenset(row["name"] for row in names)
            formats = _rows(connection, _FORMATS)
            self._formats = frozenset(row["name"].lower() for row in formats)
            self._allowed = Allowed(self._config.database, databases, functions, aggregates)
        return self._allowed


def _must_only_read(connection: Any, query: str, *, or_be_wrong: bool = False) -> None:
    """Raises QueryError unless the engine says that this is one statement, and that it reads.

    Args:
        connection: Whose parser is asked.
        query: What is about to run.
        or_be_wrong: Let pass what does not parse: the engine says better what is wrong with it.
    """
    try:
        told = connection._conn.classify_query(query)
    except RuntimeError as error:
        raise QueryError.of_engine(error) from None
    if or_be_wrong and told["statement_count"] == 0:
        return
    if told["statement_count"] != 1 or told["query_class"].name != "READ_ONLY":
        raise QueryError(ACCESS_DENIED, "reader: not enough privileges: one SELECT at a time")


def _query(connection: Any, query: str, format_name: str, parameters: dict[str, str]) -> Any:
    try:
        return connection.query(query, format_name, params=parameters)
    except RuntimeError as error:
        raise QueryError.of_engine(error) from None


def _rows(connection: Any, query: str) -> list[dict[str, Any]]:
    lines = _query(connection, query, "JSONEachRow", {}).bytes().splitlines()
    return [json.loads(line) for line in lines]
