"""The client: one connection per request, no third-party package."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode, urlsplit

from neurorail.client.errors import ClientError, Problem, Unreachable
from neurorail.client.sse import Retry, StreamMessage, parse_messages

Query: TypeAlias = Mapping[str, str | int | bool | Sequence[str]]

STREAM_PATH: Final = "/api/neurorail/v1/stream/events"
QUIET_S: Final = 60.0
"""A stream without even a comment for so long is taken for broken."""
RETRY_MAX_MS: Final = 10_000


class Client:
    """Asks one server. Not to be shared between threads."""

    def __init__(self, base_url: str, token: str | None = None, timeout_s: float = 10.0) -> None:
        """Prepare, without connecting.

        Args:
            base_url: For example `http://127.0.0.1:8000`.
            token: Sent as `Authorization: Bearer`.
            timeout_s: Longest wait for the server, in seconds.

        Raises:
            ValueError: if `base_url` is no http or https address.
        """
        parts = urlsplit(base_url if "//" in base_url else f"http://{base_url}")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{base_url!r} is no server address: write http://HOST:PORT")
        self.base_url = f"{parts.scheme}://{parts.netloc}"
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._token = token
        self._timeout_s = timeout_s

    def get_json(self, path: str, query: Query | None = None) -> Any:
        """The JSON at `path`.

        Raises:
            Unreachable: nobody answers.
            Problem: the answer is an error.
        """
        connection = self._connection(self._timeout_s)
        try:
            response = self._get(connection, _with_query(path, query), {})
            return _json(_body(response))
        finally:
            connection.close()

    def post_json(self, path: str, body: Any, *, idempotency_key: str = "") -> Any:
        """The JSON that a POST of `body` answers.

        Args:
            path: Of the endpoint.
            body: Anything JSON can say.
            idempotency_key: The same key and body again give the same answer, and nothing twice.

        Raises:
            Unreachable: nobody answers.
            Problem: the answer is an error.
        """
        headers = {"Content-Type": "application/json"}
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        connection = self._connection(self._timeout_s)
        try:
            response = self._ask(connection, "POST", path, headers, json.dumps(body).encode())
            return _json(_body(response))
        finally:
            connection.close()

    def post_bytes(
        self, path: str, body: bytes, content_type: str, query: Query | None = None
    ) -> Any:
        """The JSON that a POST of bytes answers.

        Raises:
            Unreachable: nobody answers.
            Problem: the answer is an error.
        """
        connection = self._connection(self._timeout_s)
        headers = {"Content-Type": content_type}
        try:
            response = self._ask(connection, "POST", _with_query(path, query), headers, body)
            return _json(_body(response))
        finally:
            connection.close()

    def stream_json(
        self, path: str, query: Query | None = None, *, body: Any = None
    ) -> Iterator[Any]:
        """The JSON values of an answer that holds one a line, as they come.

        Args:
            path: Of the endpoint.
            query: Its parameters.
            body: What to POST; a GET without it.

        Raises:
            Unreachable: nobody answers, or the connection broke.
            Problem: the answer is an error.
        """
        for line in self.stream_lines(path, query, body=body):
            yield _json(line)

    def stream_lines(
        self, path: str, query: Query | None = None, *, body: Any = None
    ) -> Iterator[bytes]:
        """The lines of an answer as they come, with their ends; empty ones are left out.

        Raises:
            Unreachable: nobody answers, or the connection broke.
            Problem: the answer is an error.
        """
        connection = self._connection(self._timeout_s)
        method, content, headers = "GET", None, {}
        if body is not None:
            method, content = "POST", json.dumps(body).encode()
            headers = {"Content-Type": "application/json"}
        target = _with_query(path, query)
        try:
            for line in self._ask(connection, method, target, headers, content):
                if line.strip():
                    yield line
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{self.base_url}: the answer broke: {_reason(error)}") from error
        finally:
            connection.close()

    def stream_events(
        self,
        channels: Sequence[str] = (),
        event_types: Sequence[str] = (),
        entity_ids: Sequence[str] = (),
        *,
        replay: bool = True,
        last_event_id: str = "",
        on_open: Callable[[], None] | None = None,
    ) -> Iterator[StreamMessage]:
        """Messages of one connection to the live stream, until the server ends it.

        Raises:
            Unreachable: nobody answers, or the connection broke.
            Problem: the answer is an error, for example 422 for an unknown channel.
        """
        for message in self._messages(
            _stream_query(channels, event_types, entity_ids, replay), last_event_id, on_open
        ):
            if isinstance(message, StreamMessage):
                yield message

    def follow_events(
        self,
        channels: Sequence[str] = (),
        event_types: Sequence[str] = (),
        entity_ids: Sequence[str] = (),
        *,
        replay: bool = True,
        last_event_id: str = "",
        on_state: Callable[[str], None] | None = None,
        wait: Callable[[float], object] = time.sleep,
    ) -> Iterator[StreamMessage]:
        """Messages for ever: connects anew when the stream ends and resumes where it was.

        Args:
            channels: Only these channels; none names all.
            event_types: Only these types.
            entity_ids: Only events about these entities.
            replay: Whether to begin with what the server still remembers.
            last_event_id: Begin after this event.
            on_state: Told `connected`, or why the connection is gone.
            wait: Called with the seconds to wait before the next connection.

        Raises:
            Problem: the server refuses the request itself (status 4xx).
        """
        tell = on_state or (lambda _: None)
        delay_ms = 1_000
        while True:
            failures = 0
            try:
                query = _stream_query(channels, event_types, entity_ids, replay)
                for message in self._messages(query, last_event_id, lambda: tell("connected")):
                    if isinstance(message, Retry):
                        delay_ms = message.delay_ms
                        continue
                    last_event_id = message.id or last_event_id
                    yield message
                tell("the server ended the stream")
            except Unreachable as error:
                failures = 1
                tell(str(error))
            except Problem as error:
                if error.status < 500:
                    raise
                failures = 1
                tell(str(error))
            replay = replay or bool(last_event_id)
            wait(min(delay_ms << failures, RETRY_MAX_MS) / 1_000)

    def _messages(
        self, query: Query, last_event_id: str, on_open: Callable[[], None] | None
    ) -> Iterator[StreamMessage | Retry]:
        headers = {"Accept": "text/event-stream"}
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        connection = self._connection(QUIET_S)
        try:
            response = self._get(connection, _with_query(STREAM_PATH, query), headers)
            if on_open is not None:
                on_open()
            yield from parse_messages(response)
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{self.base_url}: the stream broke: {_reason(error)}") from error
        except ValueError as error:
            raise ClientError(f"{self.base_url}: {error}") from error
        finally:
            connection.close()

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        return kind(self._host, self._port, timeout=timeout_s)

    def _get(
        self, connection: http.client.HTTPConnection, target: str, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        return self._ask(connection, "GET", target, headers, None)

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        headers: dict[str, str],
        body: bytes | None,
    ) -> http.client.HTTPResponse:
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            connection.request(method, target, body, headers)
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{self.base_url}: {_reason(error)}") from error
        if response.status >= 400:
            raise _problem(response)
        return response


def _stream_query(
    channels: Sequence[str], event_types: Sequence[str], entity_ids: Sequence[str], replay: bool
) -> Query:
    return {
        "channels": list(channels),
        "event_types": list(event_types),
        "entity_ids": list(entity_ids),
        "replay_buffer": replay,
    }


def _with_query(path: str, query: Query | None) -> str:
    pairs: list[tuple[str, str]] = []
    for name, value in (query or {}).items():
        if isinstance(value, bool):
            pairs.append((name, str(value).lower()))
        elif isinstance(value, str | int):
            pairs.append((name, str(value)))
        else:
            pairs += [(name, entry) for entry in value]
    return f"{path}?{urlencode(pairs)}" if pairs else path


def _body(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read()
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"the answer broke off: {_reason(error)}") from error


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise ClientError(f"the answer is no JSON: {body[:80]!r}") from None


def _problem(response: http.client.HTTPResponse) -> Problem:
    try:
        body = json.loads(_body(response))
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    return Problem(
        response.status,
        str(body.get("title") or response.reason),
        str(body.get("detail") or ""),
        str(body.get("code") or ""),
    )


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
