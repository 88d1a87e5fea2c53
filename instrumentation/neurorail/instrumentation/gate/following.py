"""Follows the server's directives: a snapshot, then the stream from there, while we run."""

from __future__ import annotations

import http.client
import json
import random
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from opentelemetry import context

from neurorail.client import ClientError, Forbidden, Problem, Unauthenticated, Unreachable
from neurorail.client.request import raise_for
from neurorail.client.sse import StreamMessage, parse_messages
from neurorail.instrumentation.gate.connection import Connection
from neurorail.instrumentation.gate.directive import Directive, read_directive
from neurorail.instrumentation.safety import say_once, tell_once

if TYPE_CHECKING:
    from neurorail.instrumentation.gate.gate import Gate

DIRECTIVES_PATH: Final = "/api/neurorail/v1/control/directives"
STREAM_PATH: Final = "/api/neurorail/v1/control/stream"
QUIET_S: Final = 45.0
"""A stream without even a comment for so long is taken for broken."""
ANSWER_S: Final = 5.0
WAIT_MIN_S: Final = 0.1
WAIT_MAX_S: Final = 5.0
NOT_THERE_S: Final = 60.0
"""How long a server that does not know the path is left alone."""
PROBLEM_BYTES_MAX: Final = 10_000
_SUPPRESS: Final = context._SUPPRESS_INSTRUMENTATION_KEY

CONNECTED: Final = "connected"
CONNECTING: Final = "connecting"
UNREACHABLE: Final = "unreachable"
REFUSED: Final = "refused"
STOPPED: Final = "stopped"


class Following:
    """One thread and one connection. `state` is what became of it."""

    def __init__(
        self,
        gate: Gate,
        connection: Connection,
        service: str,
        on_snapshot: Callable[[], None],
        *,
        quiet: bool = False,
    ) -> None:
        """Prepare, without connecting.

        Args:
            gate: Takes the directives.
            connection: Where the server is.
            service: `service.name`: what concerns other services alone is not told.
            on_snapshot: Called when all was read anew.
            quiet: Whether a server that is not there is no fault worth a warning.
        """
        self.state = CONNECTING
        self.resyncs = 0
        """Snapshots that were read."""
        self._gate = gate
        self._connection = connection
        self._query = {"scope": f"service={service}"} if service else {}
        self._on_snapshot = on_snapshot
        self._quiet = quiet
        self._thread: threading.Thread | None = None
        self._first = threading.Event()
        self._stop = threading.Event()
        self._stream: http.client.HTTPConnection | None = None
        self._last_event_id = ""

    @property
    def connected(self) -> bool:
        """Whether directives arrive."""
        return self.state == CONNECTED

    def start(self) -> None:
        """Begin. May be called again."""
        if self._thread is None:
            thread = threading.Thread(target=self._follow, name="neurorail-control", daemon=True)
            self._thread = thread
            thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Wait until directives arrive; False if they do not."""
        self._first.wait(timeout_s)
        return self.connected

    def stop(self) -> None:
        """End the connection and the thread."""
        self._stop.set()
        stream = self._stream
        if stream is not None and stream.sock is not None:
            with suppress(OSError):
                stream.sock.shutdown(socket.SHUT_RDWR)
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=5)
        self.state = STOPPED

    def begin_anew(self) -> None:
        """In a forked child: a connection of its own."""
        running = self._thread is not None
        self._thread = None
        self._first, self._stop = threading.Event(), threading.Event()
        self._stream = None
        self.state = CONNECTING
        if running:
            self.start()

    # ── on the thread ────────────────────────────────────────────────────────────────────────

    def _follow(self) -> None:
        context.attach(context.set_value(_SUPPRESS, True))
        stop = self._stop
        wait_s = WAIT_MIN_S
        while not stop.is_set():
            try:
                self._take_snapshot()
                wait_s = WAIT_MIN_S
                self._take_stream()
            except Problem as error:
                self.state = REFUSED
                wait_s = NOT_THERE_S
                self._tell(error)
            except (ClientError, OSError, http.client.HTTPException, ValueError) as error:
                self.state = UNREACHABLE
                self._tell(error)
            except Exception as error:
                self.state = UNREACHABLE
                self._tell(error, always=True)
            if stop.is_set():
                return
            if self.state == CONNECTED:
                self.state = CONNECTING
            # Not all agents of a server that comes back at the same moment.
            stop.wait(random.uniform(wait_s / 2, wait_s))
            wait_s = min(wait_s * 2, max(WAIT_MAX_S, wait_s))

    def _tell(self, error: Exception, *, always: bool = False) -> None:
        if self._stop.is_set():
            return  # It is we who ended the connection.
        if isinstance(error, Unauthenticated | Forbidden):
            say_once(self._no_access(error))
        elif always or not self._quiet:
            tell_once("following directives", error)

    def _no_access(self, error: Problem) -> str:
        """What is wrong with the key, or with there being none, in one sentence."""
        where = f"this process is not governed by {self._connection.endpoint}"
        if "Authorization" not in self._connection.headers:
            return f"{where}: it wants a key, so set NEURORAIL_API_KEY to an agent key"
        if isinstance(error, Forbidden):
            return f"{where}: the key in NEURORAIL_API_KEY lacks a permission ({error})"
        return f"{where}: it does not take the key in NEURORAIL_API_KEY"

    def _take_snapshot(self) -> None:
        body = self._get_json(DIRECTIVES_PATH)
        given = body.get("directives")
        if not isinstance(given, list):
            raise ValueError("the answer holds no directives")
        self._gate.replace([one for one in map(_readable, given) if one is not None])
        self._gate.changed_budgets.replace(_changed(body.get("budgets")))
        self._last_event_id = str(body.get("event_id") or "")
        self._on_snapshot()
        self.resyncs += 1

    def _take_stream(self) -> None:
        stream = self._stream = self._connection.open(QUIET_S)
        try:
            response = self._get(stream, STREAM_PATH, {"Accept": "text/event-stream"})
            self.state = CONNECTED
            self._first.set()
            self._read(response)
        finally:
            self._stream = None
            stream.close()

    def _read(self, lines: Iterable[bytes]) -> None:
        for message in parse_messages(lines):
            if self._stop.is_set():
                return
            if not isinstance(message, StreamMessage):
                continue
            if message.event_type == "stream_lagged":
                return  # What was missed is in the next snapshot.
            self.take(message.event_type, message.data)

    def take(self, event_type: str, data: dict[str, Any]) -> None:
        """Do what a message of the stream says."""
        if event_type == "directive_issued":
            directive = _readable(data)
            if directive is not None:
                self._gate.apply(directive)
        elif event_type == "directive_lifted":
            self._gate.lift(str(data.get("directive_id", "")))
        elif event_type == "budget_changed":
            for entity_id, limits in _changed([data]):
                self._gate.changed_budgets.change(entity_id, limits)

    def _get_json(self, path: str) -> dict[str, Any]:
        connection = self._connection.open(ANSWER_S)
        try:
            body = json.loads(self._get(connection, path, {}).read())
        finally:
            connection.close()
        if not isinstance(body, dict):
            raise ValueError("the answer is no JSON object")
        return body

    def _get(
        self, connection: http.client.HTTPConnection, path: str, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        query = dict(self._query)
        if self._last_event_id and path == STREAM_PATH:
            query["event_id"] = self._last_event_id
        target = f"{path}?{urlencode(query)}" if query else path
        connection.request("GET", target, headers={**self._connection.headers, **headers})
        response = connection.getresponse()
        if response.status >= 500:
            raise Unreachable(f"the server answered {response.status}")
        if response.status >= 400:
            said = response.read(PROBLEM_BYTES_MAX)
            raise_for(response.status, response.reason, "", said, self._connection.endpoint)
        return response


def _readable(given: Any) -> Directive | None:
    """A directive; None for what a newer server may send and we do not know."""
    try:
        return read_directive(given)
    except (ValueError, TypeError, AttributeError) as error:
        tell_once("reading a directive", error)
        return None


def _changed(given: Any) -> list[tuple[str, dict[str, Any]]]:
    """Changed limits by entity, of what is one; servers before there were any send none."""
    return [
        (str(one["entity_id"]), one["limits"])
        for one in (given if isinstance(given, list) else ())
        if isinstance(one, dict) and "entity_id" in one and isinstance(one.get("limits"), dict)
    ]
