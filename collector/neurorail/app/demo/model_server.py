"""An OpenAI-compatible model server that answers, fails, is slow and loops on purpose.

Run it alone with `python -m neurorail.app.demo.model_server --port 9100` and point any OpenAI
client at `http://127.0.0.1:9100/v1`. It prints its address when it listens.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from neurorail.app.demo.children import stop_with_parent
from neurorail.app.demo.model_behaviour import (
    Answer,
    answer_chat,
    answer_embeddings,
    stream_chunks,
)

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

BODY_BYTES_MAX: Final = 8 << 20
KEYS_MAX: Final = 10_000
"""Callers and models that are told apart; beyond it the counts begin anew."""
CHUNK_S: Final = 0.03


class ModelServer:
    """The ASGI application. It remembers only how often each key asked each model."""

    def __init__(self, speed: float = 1.0) -> None:
        """`speed` divides every delay: 1 is lifelike, more is for tests."""
        self._asked: Counter[tuple[str, str]] = Counter()
        self._speed = speed
        # Responses of two runs must not share ids, or the second run would not be billed.
        self._run = uuid.uuid4().hex[:8]

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        body = await _read(receive)
        try:
            request = json.loads(body or b"{}")
            assert isinstance(request, dict), "a request is an object"
        except (ValueError, AssertionError):
            await self._send(
                send, Answer(400, {"error": {"message": "the body is no JSON object"}})
            )
            return
        match scope["path"]:
            case "/v1/chat/completions":
                await self._chat(send, request, _key(scope))
            case "/v1/embeddings":
                await self._wait_and_send(send, answer_embeddings(request))
            case "/health":
                await self._send(send, Answer(200, {"status": "ok"}))
            case path:
                await self._send(send, Answer(404, {"error": {"message": f"no such path {path}"}}))

    async def _chat(self, send: ASGISendCallable, request: dict[str, Any], key: str) -> None:
        caller = (key, str(request.get("model")))
        if len(self._asked) >= KEYS_MAX:
            self._asked.clear()
        answer = answer_chat(request, self._asked[caller])
        self._asked[caller] += 1
        if answer.status == 200:
            answer.body["id"] = f"{answer.body['id']}-{self._run}"
        if answer.status == 200 and request.get("stream"):
            await asyncio.sleep(answer.delay_s / self._speed)
            with_usage = bool((request.get("stream_options") or {}).get("include_usage"))
            await self._stream(send, stream_chunks(answer.body, with_usage))
        else:
            await self._wait_and_send(send, answer)

    async def _wait_and_send(self, send: ASGISendCallable, answer: Answer) -> None:
        await asyncio.sleep(answer.delay_s / self._speed)
        await self._send(send, answer)

    async def _send(self, send: ASGISendCallable, answer: Answer) -> None:
        headers = [(b"content-type", b"application/json")]
        if answer.retry_after_s is not None:
            headers.append((b"retry-after", str(answer.retry_after_s).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(answer.body).encode()})

    async def _stream(self, send: ASGISendCallable, chunks: list[dict[str, Any]]) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for chunk in chunks:
            data = f"data: {json.dumps(chunk)}\n\n".encode()
            await send({"type": "http.response.body", "body": data, "more_body": True})
            await asyncio.sleep(CHUNK_S / self._speed)
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


async def _read(receive: ASGIReceiveCallable) -> bytes:
    body = b""
    while len(body) <= BODY_BYTES_MAX:
        message = await receive()
        if message["type"] != "http.request":
            break
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return body


def _key(scope: Any) -> str:
    return next((v.decode() for k, v in scope["headers"] if k == b"authorization"), "")


def main() -> None:
    """Serve until SIGTERM, SIGINT, or the end of the parent."""
    import uvicorn

    parser = argparse.ArgumentParser(description="An OpenAI-compatible fake model server.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--speed", type=float, default=1.0, help="divides every delay")
    parser.add_argument("--child", action="store_true", help="stop when standard input ends")
    options = parser.parse_args()
    if options.child:
        stop_with_parent()
    listener = socket.create_server(("127.0.0.1", options.port))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", flush=True)
    server = uvicorn.Server(
        uvicorn.Config(
            ModelServer(options.speed),
            lifespan="off",
            log_level="warning",
            timeout_graceful_shutdown=1,
        )
    )
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
