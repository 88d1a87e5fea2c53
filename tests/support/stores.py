"""Stores for tests, on both backends: the embedded engine, and a server over HTTP."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

from tests.support.waiting import PROGRAM_S

from neurorail.collector.store.config import StoreConfig
from neurorail.collector.store.store import Store

_SERVER = Path(__file__).with_name("clickhouse_http.py")
_numbers = itertools.count(1)

BACKENDS = ("chdb", "http")


class ClickHouseServer:
    """A server in a process of its own, on the port given or a free one."""

    def __init__(self, directory: Path, port: int = 0) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(_SERVER), str(directory), str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # It runs nothing of the product: measuring it would only cost time.
            env={
                name: value
                for name, value in os.environ.items()
                if not name.startswith("COVERAGE_")
            },
        )
        assert self._process.stdout is not None
        given = self._process.stdout.readline().strip()
        assert given, "the test server did not start"
        self.url = f"http://127.0.0.1:{given}"

    def fail(self, *, before: int = 0, after: int = 0) -> None:
        """Makes the next inserts fail: before doing anything, or after all was done."""
        path = f"{self.url}/control?fail_before={before}&fail_after={after}"
        with urlopen(Request(path, method="POST")):
            pass

    def freeze(self) -> None:
        """Takes connections, and answers nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """Ends the process at once: what it had begun is not done."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def stop(self) -> None:
        """Ends the process. Idempotent."""
        if self._process.poll() is not None:
            return
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=PROGRAM_S)
        self._process.stdout.close()


@contextmanager
def clickhouse_server(directory: Path) -> Iterator[ClickHouseServer]:
    """A server on an empty directory."""
    server = ClickHouseServer(directory)
    try:
        yield server
    finally:
        server.stop()


class Backends:
    """The address of each backend, started when it is first asked for."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._server: ClickHouseServer | None = None

    def __enter__(self) -> Backends:
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.stop()

    @property
    def server(self) -> ClickHouseServer:
        """The server behind the `http` backend."""
        if self._server is None:
            self._server = ClickHouseServer(self._directory / "served")
        return self._server

    def url(self, backend: str) -> str:
        """The store address of a backend."""
        return self.server.url if backend == "http" else f"chdb://{self._directory}/embedded"


def fresh_database() -> str:
    """A database name that no other test of this process uses."""
    return f"test_{next(_numbers)}"


@contextmanager
def started_store(url: str, database: str | None = None) -> Iterator[Store]:
    """A started store with a database of its own."""
    store = Store(StoreConfig(url=url, database=database or fresh_database()))
    store.start()
    try:
        yield store
    finally:
        store.stop()


@contextmanager
def clickhouse(folder: Path, port: int = 0) -> Iterator[ClickHouseServer]:
    """ClickHouse on a folder, which may have been served before."""
    folder.mkdir(exist_ok=True)
    server = ClickHouseServer(folder, port)
    try:
        yield server
    finally:
        server.stop()
