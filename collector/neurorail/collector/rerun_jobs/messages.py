"""What the server and the process that does a job say to each other, as MessagePack.

The process reads history by asking: the server runs the query on its own store, which may be
embedded and open in one process only.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any, Final, TypeAlias

import msgspec

from neurorail.collector.rerun_jobs.job import Kind

MESSAGE_BYTES_MAX: Final = 1 << 30


class Task(msgspec.Struct, tag="task"):
    """What is to be done."""

    kind: Kind
    node: str
    tenant: str
    folder: str
    """Empty; for files that it needs meanwhile."""
    memory_max_bytes: int
    scratch_max_bytes: int
    new: bytes = b""
    """A manifest in its canonical form."""
    against: bytes = b""
    since_unix_nano: int = 0
    until_unix_nano: int = 0
    after_seq: int = 0
    through_seq: int = 0


class Rows(msgspec.Struct, tag="rows", frozen=True):
    """The rows that were asked for."""

    rows: list[Any]


class Refused(msgspec.Struct, tag="refused", frozen=True):
    """The store cannot be read."""

    error: str


class Query(msgspec.Struct, tag="query", frozen=True):
    """The rows of a SELECT are wanted."""

    sql: str
    parameters: dict[str, Any]


class Moved(msgspec.Struct, tag="moved", frozen=True):
    """So far it is."""

    done: int
    total: int


class Ended(msgspec.Struct, tag="ended", frozen=True):
    """The report, as JSON."""

    report: bytes


class Failed(msgspec.Struct, tag="failed", frozen=True):
    """There is no report."""

    error: str


ToChild: TypeAlias = Task | Rows | Refused
FromChild: TypeAlias = Query | Moved | Ended | Failed

_encode = msgspec.msgpack.Encoder().encode
_TO_CHILD: Final = msgspec.msgpack.Decoder(ToChild)
_FROM_CHILD: Final = msgspec.msgpack.Decoder(FromChild)


class ServerEnd:
    """The server's end of the pipe; it belongs to one thread."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def send(self, message: ToChild) -> None:
        """Send. Raises OSError when the process is gone."""
        self._connection.send_bytes(_encode(message))

    def receive(self) -> FromChild:
        """The next message. Raises EOFError or OSError when the process is gone."""
        message: FromChild = _FROM_CHILD.decode(self._connection.recv_bytes(MESSAGE_BYTES_MAX))
        return message

    def close(self) -> None:
        """Close this end."""
        self._connection.close()


class ChildEnd:
    """The process's end; safe to use from any thread."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._asking = threading.Lock()
        self._sending = threading.Lock()

    def task(self) -> Task:
        """What is to be done: the first message."""
        message = self._receive()
        assert isinstance(message, Task), "the task comes first"
        return message

    def ask(self, sql: str, parameters: Mapping[str, Any]) -> Rows | Refused:
        """Let the server read. Raises EOFError or OSError when it is gone."""
        with self._asking:
            self.send(Query(sql, dict(parameters)))
            answer = self._receive()
        assert not isinstance(answer, Task), "there is one task"
        return answer

    def send(self, message: FromChild) -> None:
        """Send. Raises OSError when the server is gone."""
        with self._sending:
            self._connection.send_bytes(_encode(message))

    def _receive(self) -> ToChild:
        message: ToChild = _TO_CHILD.decode(self._connection.recv_bytes(MESSAGE_BYTES_MAX))
        return message
