"""What a call was made with, recognised again and never kept."""

from __future__ import annotations

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.collector.decode.build import RECEIVED, observed, span, traces

from neurorail.collector.decode import Decoder
from neurorail.collector.envelope import Envelope, Kind, Signal
from neurorail.collector.otlp.redact import Redactor
from neurorail.rules.observations import SpanObserved

TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-5"}
CALLS = [
    (TOOL, "gen_ai.tool.call.arguments"),
    (CHAT, "gen_ai.input.messages"),
    ({"openinference.span.kind": "TOOL", "tool.name": "search"}, "tool.parameters"),
    ({"openinference.span.kind": "LLM", "llm.model_name": "gpt-5"}, "input.value"),
    ({"traceloop.span.kind": "tool"}, "traceloop.entity.input"),
    ({"ai.operationId": "ai.toolCall", "ai.toolCall.name": "search"}, "ai.toolCall.args"),
]


def through_the_door(values: dict[str, str]) -> SpanObserved:
    """A span as it is observed after redaction."""
    request = ExportTraceServiceRequest.FromString(traces(span(values)))
    assert Redactor(b"k" * 32).redact_spans(request) == 1
    body = request.SerializeToString()
    record = Envelope(
        1, Kind.TELEMETRY, Signal.TRACES, "otlp_proto", RECEIVED, "default", "anonymous", 1, body
    )
    (found,) = Decoder().decode(record)
    assert isinstance(found, SpanObserved)
    return found


@pytest.mark.parametrize(("call", "attribute"), CALLS)
def test_equal_calls_are_recognised_after_redaction(call: dict[str, str], attribute: str) -> None:
    first = through_the_door({**call, attribute: '{"query": "weather"}'}).arguments
    again = through_the_door({**call, attribute: '{"query": "weather"}'}).arguments
    other = through_the_door({**call, attribute: '{"query": "whether"}'}).arguments
    assert first is not None
    assert first == again
    assert first != other


@pytest.mark.parametrize(("call", "attribute"), CALLS)
def test_content_that_is_kept_is_hashed_too(call: dict[str, str], attribute: str) -> None:
    secret = "the secret " * 100
    first = observed({**call, attribute: secret}).arguments
    assert first is not None
    assert len(first) == 32
    assert first == observed({**call, attribute: secret}).arguments
    assert first != observed({**call, attribute: secret + "."}).arguments


def test_what_is_no_call_or_has_no_arguments_has_no_hash() -> None:
    assert observed(TOOL).arguments is None
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.input.messages": "hello"}
    assert observed(agent).arguments is None
