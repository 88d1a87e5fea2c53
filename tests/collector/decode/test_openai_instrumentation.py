"""The spans of the real OpenAI client and its official instrumentation, against a small server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from openai import APIStatusError, OpenAI
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.collector.decode.build import envelope

from neurorail.collector.decode import Decoder
from neurorail.collector.envelope import Kind, Signal
from neurorail.rules.observations import SpanObserved

USAGE = {
    "prompt_tokens": 1200,
    "completion_tokens": 300,
    "total_tokens": 1500,
    "prompt_tokens_details": {"cached_tokens": 1000},
    "completion_tokens_details": {"reasoning_tokens": 200},
}


class Model(BaseHTTPRequestHandler):
    """Answers chat completions and embeddings; a prompt that says so fails."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        status, answer = self._answer(asked)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if "fail" in json.dumps(asked):
            return 400, {"error": {"message": "no", "type": "invalid_request_error"}}
        if self.path.endswith("/embeddings"):
            return 200, {
                "object": "list",
                "model": "text-embedding-3-small",
                "data": [{"object": "embedding", "index": 0, "embedding": [0.1]}],
                "usage": {"prompt_tokens": 10, "total_tokens": 10},
            }
        message = {"role": "assistant", "content": "hello"}
        return 200, {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_800_000_000,
            "model": "gpt-4o-2024-08-06",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": USAGE,
        }

    def log_message(self, format: str, *args: Any) -> None:
        """Keeps quiet."""


@pytest.fixture
def client() -> Iterator[OpenAI]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    host, port = server.server_address[:2]
    with OpenAI(api_key="k", base_url=f"http://{host!s}:{port}/v1", max_retries=0) as made:
        yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "agent"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = OpenAIInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    yield exporter
    instrumentor.uninstrument()
    provider.shutdown()


def decoded(exporter: InMemorySpanExporter) -> SpanObserved:
    body = encode_spans(exporter.get_finished_spans()).SerializeToString()
    decoder = Decoder()
    (found,) = decoder.decode(envelope(Kind.TELEMETRY, body, Signal.TRACES))
    assert isinstance(found, SpanObserved)
    assert not decoder.stats
    return found


def test_a_chat(client: OpenAI, exported: InMemorySpanExporter) -> None:
    client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hello"}])
    found = decoded(exported)
    assert found.role == "inference"
    assert found.fields is not None
    assert (found.fields.service, found.fields.provider) == ("agent", "openai")
    usage = found.usage
    assert usage is not None
    assert (usage.provider, usage.model) == ("openai", "gpt-4o-2024-08-06")
    assert usage.response_id == "chatcmpl-1"
    assert (usage.input_tokens, usage.output_tokens) == (1200, 300)
    assert usage.cache_read_tokens == 1000
    assert not found.error


def test_an_embedding(client: OpenAI, exported: InMemorySpanExporter) -> None:
    client.embeddings.create(model="text-embedding-3-small", input="hello")
    found = decoded(exported)
    assert found.role == "embedding"
    assert found.usage is not None
    assert found.usage.operation == "embedding"
    assert (found.usage.input_tokens, found.usage.output_tokens) == (10, 0)


def test_a_failed_chat(client: OpenAI, exported: InMemorySpanExporter) -> None:
    with pytest.raises(APIStatusError):
        client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "fail"}]
        )
    found = decoded(exported)
    assert found.role == "inference"
    assert found.error
    assert found.error_code == "openai.BadRequestError"
    assert found.usage is not None
    assert not found.usage.has_tokens
