"""OTLP over HTTP: a plain ASGI application, so that a small request costs little."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final, TypeAlias

from neurorail.collector.otlp.config import ReceiverConfig
from neurorail.collector.otlp.cors import Cors, HeaderList
from neurorail.collector.otlp.headers import Headers
from neurorail.collector.otlp.http_body import Body, ClientGone
from neurorail.collector.otlp.intake import Intake, Request
from neurorail.collector.otlp.refusal import Code, Refusal, too_large
from neurorail.collector.otlp.signals import BY_PATH, SignalSpec
from neurorail.collector.otlp.status import Encoding, refusal_body, retry_after_s

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

HTTP: Final = "http"
_ENCODINGS: Final = {encoding.value.encode(): encoding for encoding in Encoding}
_CONTENT_TYPES: Final = {
    encoding: (b"content-type", encoding.value.encode()) for encoding in Encoding
}


class _Head:
    """The few request headers that matter, from one pass over them."""

    __slots__ = ("content_encoding", "content_length", "content_type", "expects_continue", "origin")

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.content_type = b""
        self.content_encoding = ""
        self.content_length: int | None = None
        self.origin: bytes | None = None
        self.expects_continue = False
        for name, value in headers:
            if name == b"content-type":
                self.content_type = value
            elif name == b"content-length":
                self.content_length = int(value)
            elif name == b"content-encoding":
                self.content_encoding = value.decode("latin-1")
            elif name == b"origin":
                self.origin = value
            elif name == b"expect":
                self.expects_continue = True

    def encoding(self) -> Encoding | None:
        """What the content type says, parameters aside; None if it is not one of OTLP's."""
        known = _ENCODINGS.get(self.content_type)
        if known is not None:
            return known
        return _ENCODINGS.get(self.content_type.partition(b";")[0].strip().lower())


class HttpApp:
    """Answers POST /v1/traces, /v1/logs and /v1/metrics."""

    def __init__(self, config: ReceiverConfig, intake: Intake) -> None:
        self._config = config
        self._intake = intake
        self._cors = Cors(config.http.cors_allowed_origins, config.http.cors_max_age_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        head = _Head(scope["headers"])
        spec = BY_PATH.get(scope["path"])
        encoding = head.encoding()
        method = scope["method"]
        if method == "OPTIONS" and spec is not None:
            headers = [(b"allow", b"OPTIONS, POST"), *self._cors.preflight(head.origin)]
            await _send(send, 204, headers, b"")
            return
        if spec is None or method != "POST" or encoding is None:
            refusal = _wrong_request(scope, spec, head)
            if spec is not None:
                self._intake.refuse(spec, HTTP, refusal)
            await self._refuse(send, head, encoding or Encoding.JSON, refusal)
            return
        body = Body(receive, self._config, self._intake)
        try:
            answer = await self._answer(scope, head, spec, encoding, body)
            if isinstance(answer, Refusal):
                if not body.complete and not head.expects_continue:
                    await body.discard()
                await self._refuse(send, head, encoding, answer, close=not body.complete)
            else:
                headers = [_CONTENT_TYPES[encoding]]
                if head.origin is not None:
                    headers += self._cors.headers(head.origin)
                await _send(send, 200, headers, answer)
        except ClientGone:
            # Nobody is left to be answered, and nothing was stored.
            return
        finally:
            body.release()

    async def _answer(
        self, scope: Scope, head: _Head, spec: SignalSpec, encoding: Encoding, body: Body
    ) -> bytes | Refusal:
        intake = self._intake
        try:
            caller = intake.enter(spec, HTTP, Headers(lambda: scope["headers"]))
            if isinstance(caller, Refusal):
                return caller
            limit = self._config.max_request_bytes
            if head.content_length is not None and head.content_length > limit:
                return intake.refuse(spec, HTTP, too_large("the request", limit))
            content = await body.read()
            if isinstance(content, Refusal):
                return intake.refuse(spec, HTTP, content)
        except ClientGone:
            raise
        except Exception as error:
            return intake.fault(spec, HTTP, error)
        return await intake.take(
            Request(spec, HTTP, encoding, content, caller, head.content_encoding)
        )

    async def _refuse(
        self, send: Send, head: _Head, encoding: Encoding, refusal: Refusal, close: bool = False
    ) -> None:
        headers = [_CONTENT_TYPES[encoding], *self._cors.headers(head.origin)]
        retry_after = retry_after_s(refusal)
        if retry_after is not None:
            headers.append((b"retry-after", str(retry_after).encode()))
        if refusal.http_status == 405:
            headers.append((b"allow", b"OPTIONS, POST"))
        if refusal.http_status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if close:
            headers.append((b"connection", b"close"))
        await _send(send, refusal.http_status, headers, refusal_body(refusal, encoding))


def _wrong_request(scope: Scope, spec: SignalSpec | None, head: _Head) -> Refusal:
    if spec is None:
        paths = ", ".join(BY_PATH)
        return Refusal(Code.UNIMPLEMENTED, f"no such path {scope['path'][:200]!r}: use {paths}")
    if scope["method"] != "POST":
        message = f"method {scope['method'][:20]} is not allowed on {spec.path}: use POST"
        return Refusal(Code.UNIMPLEMENTED, message, status=405)
    content_type = head.content_type.decode("latin-1")[:100]
    known = " or ".join(encoding.value for encoding in Encoding)
    return Refusal(
        Code.INVALID_ARGUMENT,
        f"content type {content_type!r} is not supported: use {known}",
        field="content-type",
        status=415,
    )


async def _send(send: Send, status: int, headers: HeaderList, body: bytes) -> None:
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
