"""The client for asyncio, over httpx2: `pip install "neurorail[client]"`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, TypeVar

import httpx2

from neurorail.client.errors import ClientError, Unreachable
from neurorail.client.following import QUIET_S, STREAM_PATH, Following
from neurorail.client.request import (
    Call,
    Query,
    raise_for,
    read_json,
    server_address,
    with_query,
)
from neurorail.client.sse import MessageParser, Retry, StreamMessage

T = TypeVar("T")


class AsyncClient:
    """Asks one server; requests share its connections. Close it, or use `async with`."""

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
        self._token = token
        self._http = httpx2.AsyncClient(base_url=self.base_url, timeout=timeout_s)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End its connections."""
        await self._http.aclose()

    async def ask(self, call: Call[T]) -> T:
        """What a call of `neurorail.client.calls` answers.

        Raises:
            Unreachable: nobody answers.
            Problem: the answer is an error; its kinds are classes of their own.
        """
        answer = await self._send(call.method, call.target, call.headers(self._token), call.content)
        found: T = read_json(answer.content)
        return found

    async def get_json(self, path: str, query: Query | None = None) -> Any:
        """The JSON at `path`. Raises as `ask` does."""
        return await self.ask(Call[Any]("GET", path, query or {}))

    async def post_json(self, path: str, body: Any, *, idempotency_key: str = "") -> Any:
        """The JSON that a POST of `body` answers. Raises as `ask` does."""
        return await self.ask(Call[Any]("POST", path, body=body, idempotency_key=idempotency_key))

    async def stream_lines(self, call: Call[Any]) -> AsyncIterator[str]:
        """The lines of an answer as they come; empty ones are left out. Raises as `ask` does."""
        headers = call.headers(self._token)
        async with self._open(call.method, call.target, headers, call.content) as response:
            async for line in response.aiter_lines():
                if line.strip():
                    yield line

    async def follow_events(
        self,
        channels: Sequence[str] = (),
        event_types: Sequence[str] = (),
        entity_ids: Sequence[str] = (),
        *,
        replay: bool = True,
        last_event_id: str = "",
        on_state: Callable[[str], None] | None = None,
    ) -> AsyncIterator[StreamMessage]:
        """Messages for ever: connects anew when the stream ends and resumes where it was.

        Args:
            channels: Only these channels; none names all.
            event_types: Only these types.
            entity_ids: Only events about these entities.
            replay: Whether to begin with what the server still remembers.
            last_event_id: Begin after this event.
            on_state: Told `connected`, or why the connection is gone before the next one.

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
                async for found in self._messages(following, tell):
                    message = following.took(found)
                    if message is not None:
                        yield message
            except ClientError as error:
                failure = error
            pause_s = following.pause_s(failure)
            tell("the server ended the stream" if failure is None else str(failure))
            await asyncio.sleep(pause_s)

    async def _messages(
        self, following: Following, tell: Callable[[str], None]
    ) -> AsyncIterator[StreamMessage | Retry]:
        headers = {**Call[Any]("GET", STREAM_PATH).headers(self._token), **following.headers}
        target = with_query(STREAM_PATH, following.query)
        parser = MessageParser()
        try:
            async with self._open("GET", target, headers, None, QUIET_S) as response:
                tell("connected")
                async for line in response.aiter_lines():
                    found = parser.feed(line)
                    if found is not None:
                        yield found
        except ValueError as error:
            raise ClientError(f"{self.base_url}: {error}") from error

    async def _send(
        self, method: str, target: str, headers: dict[str, str], content: bytes | None
    ) -> httpx2.Response:
        try:
            answer = await self._http.request(method, target, headers=headers, content=content)
        except httpx2.HTTPError as error:
            raise self._unreachable(error) from error
        self._check(answer)
        return answer

    @asynccontextmanager
    async def _open(
        self,
        method: str,
        target: str,
        headers: dict[str, str],
        content: bytes | None,
        timeout_s: float | None = None,
    ) -> AsyncIterator[httpx2.Response]:
        timeout = self._http.timeout if timeout_s is None else timeout_s
        try:
            async with self._http.stream(
                method, target, headers=headers, content=content, timeout=timeout
            ) as response:
                if response.status_code >= 400:
                    await response.aread()
                    self._check(response)
                yield response
        except httpx2.HTTPError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(f"{self.base_url}: {str(error) or type(error).__name__}")

    def _check(self, answer: httpx2.Response) -> None:
        raise_for(
            answer.status_code,
            answer.reason_phrase,
            answer.headers.get("retry-after", ""),
            answer.content,
            self.base_url,
        )
