"""Ends reads in the engine whose reader went away.

A read carries a mark, and `KILL QUERY` ends what carries it: by `query_id` on a server, by
`log_comment` in the embedded engine, whose queries have no id of ours. The engine looks at it
between blocks of rows, so a read ends within a fraction of a second.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from clickhouse_connect.driver.exceptions import ClickHouseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from clickhouse_connect.driver.client import Client

AGAIN_S: Final = 0.1
"""A read may begin in the engine after it was told to end: it is told again until it has."""
BY_ID: Final = "KILL QUERY WHERE query_id = {mark:String} ASYNC"
BY_COMMENT: Final = "KILL QUERY WHERE Settings['log_comment'] = {mark:String} ASYNC"
BY_BEGINNING: Final = "KILL QUERY WHERE startsWith(query, {mark:String}) ASYNC"
"""For queries of a connection that can set nothing: the mark is a comment before them."""

_log = logging.getLogger(__name__)


class Mark:
    """Of one read: how the engine knows it again, and whether its reader is still there."""

    __slots__ = ("gone", "name")

    def __init__(self, form: str = "{}") -> None:
        self.name = form.format(f"neurorail-{uuid4().hex}")
        self.gone = False


class Canceller:
    """Ends marked reads, on threads and with a client of its own. Safe to use from any thread."""

    def __init__(self, sql: str, open_client: Callable[[], Client], threads: int) -> None:
        """Args: `sql`: ends what carries a mark. `threads`: as many as reads run at once."""
        self._sql = sql
        self._open_client = open_client
        self._client: Client | None = None
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="store-cancel")
        self.cancelled = 0
        """Reads that were told to end."""

    def end(self, mark: Mark, read: Future[Any]) -> None:
        """End a read that runs on some thread. Returns at once."""
        mark.gone = True
        self.cancelled += 1
        if not read.cancel():
            self._pool.submit(self._end, mark, read)

    def stop(self) -> None:
        """Let no more reads be ended."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._client is not None:
            self._client.close()

    def _end(self, mark: Mark, read: Future[Any]) -> None:
        while not read.done():
            try:
                with self._lock:
                    self._client = self._client or self._open_client()
                    self._client.command(self._sql, parameters={"mark": mark.name})
            except ClickHouseError as error:
                # Its limit of time ends it then.
                _log.warning("a read that nobody waits for could not be ended: %s", error)
                return
            wait([read], AGAIN_S)
