"""Requests to the server's API, over connections that are kept."""

from __future__ import annotations

import http.client
import json
import os
import threading
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from opentelemetry import context

from neurorail.client import Client, ClientError, Problem, Unreachable

IDLE_MAX: Final = 8
"""Connections kept for the next request; more at once are closed after theirs."""
_SUPPRESS: Final = context._SUPPRESS_INSTRUMENTATION_KEY


class Connection:
    """Asks one server from any thread. A forked child opens connections of its own."""

    def __init__(self, endpoint: str, api_key: str | None, timeout_s: float) -> None:
        """Prepare, without connecting.

        Raises:
            ValueError: the endpoint is no address.
        """
        self.endpoint = Client(endpoint).base_url
        parts = urlsplit(self.endpoint)
        self._kind = http.client.HTTPSConnection
        if parts.scheme == "http":
            self._kind = http.client.HTTPConnection  # type: ignore[assignment]
        self._host, self._port = parts.hostname or "", parts.port
        self._timeout_s = timeout_s
        self.headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if api_key:
            self.headers["Authorization"] = f"Bearer {api_key}"
        self._begin_anew()
        os.register_at_fork(after_in_child=self._begin_anew)

    def _begin_anew(self) -> None:
        # Sockets that came over a fork are the parent's: dropped, not closed with a farewell.
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The JSON that a POST answers.

        Raises:
            Unreachable: nobody answers in time.
            Problem: the answer is an error.
        """
        payload = json.dumps(body, separators=(",", ":")).encode()
        connection = self._take()
        fresh = connection is None
        if connection is None:
            connection = self.open(self._timeout_s)
        try:
            status, answer = self._exchange(connection, path, payload)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if fresh or isinstance(error, TimeoutError):
                raise Unreachable(f"{self.endpoint}: {error!r}") from error
            # It was kept too long; what is asked carries a key, so that asking twice is safe.
            return self._once_more(path, payload)
        self._give_back(connection)
        return _read(status, answer)

    def open(self, timeout_s: float) -> http.client.HTTPConnection:
        """A connection of the caller's own."""
        return self._kind(self._host, self._port, timeout=timeout_s)

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _once_more(self, path: str, payload: bytes) -> Any:
        connection = self.open(self._timeout_s)
        try:
            status, answer = self._exchange(connection, path, payload)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Unreachable(f"{self.endpoint}: {error!r}") from error
        self._give_back(connection)
        return _read(status, answer)

    def _exchange(
        self, connection: http.client.HTTPConnection, path: str, payload: bytes
    ) -> tuple[int, bytes]:
        token = context.attach(context.set_value(_SUPPRESS, True))
        try:
            connection.request("POST", path, payload, self.headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            context.detach(token)

    def _take(self) -> http.client.HTTPConnection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _give_back(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if len(self._idle) < IDLE_MAX:
                self._idle.append(connection)
                return
        connection.close()


def _read(status: int, answer: bytes) -> Any:
    try:
        body = json.loads(answer or b"{}")
    except ValueError:
        body = {}
    if status >= 500:
        raise Unreachable(f"the server answered {status}")
    if status >= 400:
        known = body if isinstance(body, dict) else {}
        raise Problem(
            status, str(known.get("title", "")), str(known.get("detail", "")),
            str(known.get("code", "")),
        )  # fmt: skip
    if not isinstance(body, dict):
        raise ClientError(f"the answer is no JSON object: {answer[:80]!r}")
    return body
