"""A server that speaks as OpenAI, Anthropic and Google do, and counts what it is asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

INPUT_TOKENS, OUTPUT_TOKENS = 20, 10
"""What every answer says it used, unless the server is told otherwise."""


class ModelApi:
    """What was asked, and what is answered."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.status = 200
        self.output_tokens = OUTPUT_TOKENS
        self.lock = threading.Lock()
        self.spent_tokens = 0
        """Tokens of everything that was answered."""

    def take(self, path: str, body: dict[str, Any]) -> int:
        """Count a request; its number."""
        with self.lock:
            self.requests.append((path, body))
            if self.status == 200:
                self.spent_tokens += INPUT_TOKENS + self.output_tokens
            return len(self.requests)


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    """Else every answer waits 40 ms for its client to acknowledge the headers."""
    api: ModelApi

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        path = self.path.partition("?")[0]
        number = self.api.take(path, body)
        if self.api.status != 200:
            return self._json({"error": {"message": "as told", "type": "server_error"}})
        for end, answer in ANSWERS.items():
            if path.endswith(end):
                return answer(self, body, f"id-{number}")
        return self._json({})

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _json(self, body: Any) -> None:
        self._send("application/json", json.dumps(body).encode())

    def _events(self, *events: tuple[str, Any]) -> None:
        lines = [
            (f"event: {name}\n" if name else "") + f"data: {json.dumps(data)}\n\n"
            for name, data in events
        ]
        self._send("text/event-stream", "".join(lines).encode())

    def _send(self, content_type: str, body: bytes) -> None:
        self.send_response(self.api.status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def chat(self, body: dict[str, Any], name: str) -> None:
        usage = {
            "prompt_tokens": INPUT_TOKENS,
            "completion_tokens": self.api.output_tokens,
            "total_tokens": INPUT_TOKENS + self.api.output_tokens,
        }
        common = {"id": name, "created": 0, "model": body["model"]}
        if not body.get("stream"):
            message = {"role": "assistant", "content": "hello there"}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return self._json(
                {**common, "object": "chat.completion", "choices": [choice], "usage": usage}
            )
        chunks: list[dict[str, Any]] = [
            {**common, "object": "chat.completion.chunk",
             "choices": [{"index": 0, "delta": {"role": "assistant", "content": word},
                          "finish_reason": None}]}
            for word in ("hello", " there")
        ]  # fmt: skip
        if (body.get("stream_options") or {}).get("include_usage"):
            chunks.append(
                {**common, "object": "chat.completion.chunk", "choices": [], "usage": usage}
            )
        return self._events(*(("", chunk) for chunk in chunks))

    def response(self, body: dict[str, Any], name: str) -> None:
        usage = {
            "input_tokens": INPUT_TOKENS,
            "output_tokens": self.api.output_tokens,
            "total_tokens": INPUT_TOKENS + self.api.output_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        }
        message = {
            "id": "msg", "type": "message", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "hello", "annotations": []}],
        }  # fmt: skip
        response = {
            "id": name, "object": "response", "created_at": 0, "model": body["model"],
            "output": [message], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
            "status": "completed", "usage": usage,
        }  # fmt: skip
        if not body.get("stream"):
            return self._json(response)
        done = {"type": "response.completed", "sequence_number": 1, "response": response}
        return self._events(("response.completed", done))

    def embeddings(self, body: dict[str, Any], name: str) -> None:
        vector = {"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}
        self._json(
            {"object": "list", "model": body["model"], "data": [vector],
             "usage": {"prompt_tokens": INPUT_TOKENS, "total_tokens": INPUT_TOKENS}}
        )  # fmt: skip

    def messages(self, body: dict[str, Any], name: str) -> None:
        cached = {"cache_creation_input_tokens": 3, "cache_read_input_tokens": 2}
        usage = {"input_tokens": INPUT_TOKENS - 5, **cached}
        message = {
            "id": name, "type": "message", "role": "assistant", "model": body["model"],
            "content": [{"type": "text", "text": "hello"}], "stop_reason": "end_turn",
            "stop_sequence": None, "usage": {**usage, "output_tokens": self.api.output_tokens},
        }  # fmt: skip
        if not body.get("stream"):
            return self._json(message)
        begun = {**message, "content": [], "usage": {**usage, "output_tokens": 1}}
        return self._events(
            ("message_start", {"type": "message_start", "message": begun}),
            ("content_block_start", {"type": "content_block_start", "index": 0,
                                     "content_block": {"type": "text", "text": ""}}),
            ("content_block_delta", {"type": "content_block_delta", "index": 0,
                                     "delta": {"type": "text_delta", "text": "hello"}}),
            ("content_block_stop", {"type": "content_block_stop", "index": 0}),
            ("message_delta", {"type": "message_delta",
                               "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                               "usage": {"output_tokens": self.api.output_tokens}}),
            ("message_stop", {"type": "message_stop"}),
        )  # fmt: skip

    def _generated(self, name: str, text: str) -> dict[str, Any]:
        content = {"role": "model", "parts": [{"text": text}]}
        return {
            "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {"promptTokenCount": INPUT_TOKENS,
                              "candidatesTokenCount": self.api.output_tokens - 4,
                              "thoughtsTokenCount": 4},
            "modelVersion": "gemini", "responseId": name,
        }  # fmt: skip

    def generate(self, body: dict[str, Any], name: str) -> None:
        self._json(self._generated(name, "hello"))

    def generate_stream(self, body: dict[str, Any], name: str) -> None:
        self._events(*(("", self._generated(name, word)) for word in ("hello", " there")))


ANSWERS = {
    "/chat/completions": Handler.chat,
    "/responses": Handler.response,
    "/embeddings": Handler.embeddings,
    "/messages": Handler.messages,
    ":generateContent": Handler.generate,
    ":streamGenerateContent": Handler.generate_stream,
}


@contextmanager
def model_api() -> Iterator[ModelApi]:
    """A server that listens inside the context."""
    handler = type("Bound", (Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    api = ModelApi(server.server_port)
    handler.api = api  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
