"""The client: one connection per request, no third-party package."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from neurorail.client.errors import ClientError, Unreachable
from neurorail.client.following import QUIET_S, STREAM_PATH, Following
from neurorail.client.request import (
    Call,
    Query,
    raise_for,
    read_json,
    server_address,
)
from neurorail.client.sse import Retry, StreamMessage, parse_messages

T = TypeVar("T")


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
        self.base_url = server_address(base_url)
        parts = urlsplit(self.base_url)
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port
        self._token = token
        self._timeout_s = timeout_s

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Nothing stays open between requests; for `with`, like any other client."""

    def ask(self, call: Call[T]) -> T:
        """What a call of `neurorail.client.calls` answers.

        Raises:
            Unreachable: nobody answers.
            Problem: the answer is an error; its kinds are classes of their own.
        """
        connection = self._connection(self._timeout_s)
        try:
            response = self._send(connection, call)
            found: T = read_json(_body(response))
            return found
        finally:
            connection.close()

    def get_json(self, path: str, query: Query | None = None) -> Any:
        """The JSON at `path`. Raises as `ask` does."""
        return self.ask(Call[Any]("GET", path, query or {}))

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
        call = Call[Any]("POST", path, body=body, idempotency_key=idempotency_key)
        return self.ask(call)

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
            yield read_json(line)

    def stream_lines(
        self, path: str, query: Query | None = None, *, body: Any = None
    ) -> Iterator[bytes]:
        """The lines of an answer as they come, with their ends; empty ones are left out.

        Raises:
            Unreachable: nobody answers, or the connection broke.
            Problem: the answer is an error.
        """
        connection = self._connection(self._timeout_s)
        method = "GET" if body is None else "POST"
        try:
            for line in self._send(connection, Call[Any](method, path, query or {}, body)):
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
        following = Following(
            channels, event_types, entity_ids, replay=replay, last_event_id=last_event_id
        )
        for message in self._messages(following, on_open):
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
        """Messages until `wait` is true: connects anew and resumes where it was.

        Args:
            channels: Only these channels; none names all.
            event_types: Only these types.
            entity_ids: Only events about these entities.
            replay: Whether to begin with what the server still remembers.
            last_event_id: Begin after this event.
            on_state: Told `connected`, or why the connection is gone before the next one.
            wait: Called with the seconds to wait before the next connection; true ends all, as the
                `wait` of a `threading.Event` does once it is set.

        Raises:
            Problem: the server refuses the request itself (status 4xx).
        """
        tell = on_state or (lambda _: None)
        following = Following(
            channels, event_types, entity_ids, replay=replay, last_event_id=last_event_id
        )
        while True:
            failure: ClientError | None = None
            try:
                for found in self._messages(following, lambda: tell("connected")):
                    message = following.took(found)
                    if message is not None:
                        yield message
            except ClientError as error:
                failure = error
            pause_s = following.pause_s(failure)
            tell("the server ended the stream" if failure is None else str(failure))
            if wait(pause_s):
                return

    def _messages(
        self, following: Following, on_open: Callable[[], None] | None
    ) -> Iterator[StreamMessage | Retry]:
        connection = self._connection(QUIET_S)
        call = Call[Any]("GET", STREAM_PATH, following.query)
        try:
            response = self._send(connection, call, following.headers)
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

    def _send(
        self,
        connection: http.client.HTTPConnection,
        call: Call[Any],
        more: dict[str, str] | None = None,
    ) -> http.client.HTTPResponse:
        headers = {**call.headers(self._token), **(more or {})}
        return self._ask(connection, call.method, call.target, headers, call.content)

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        headers: dict[str, str],
        body: bytes | None,
    ) -> http.client.HTTPResponse:
        try:
            connection.request(method, target, body, headers)
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, http.client.BadStatusLine) and not isinstance(error, OSError):
                raise ClientError(f"{self.base_url} answers, but not in HTTP") from error
            raise Unreachable(f"{self.base_url}: {_reason(error)}") from error
        if response.status >= 400:
            after = response.getheader("Retry-After") or ""
            raise_for(response.status, response.reason, after, _body(response), self.base_url)
        return response


def _body(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read()
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"the answer broke off: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
