from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue
from tests.collector.otlp.fakes import KEY
from tests.collector.otlp.telemetry import attribute, logs, spans

from neurorail.collector.envelope import Signal
from neurorail.collector.otlp.redact import Redactor
from neurorail.semconv.content import CONTENT_KEYS, is_content_key

SECRET = "the secret text"
REDACTOR = Redactor(KEY)


def hashed(content: bytes, key: bytes = KEY) -> str:
    digest = hmac.new(key, content, hashlib.sha256).hexdigest()[:32]
    return f"redacted:hmac-sha256:{digest}:{len(content)}"


def redact_spans(request: Any) -> int:
    if not REDACTOR.may_hold_content(Signal.TRACES, request.SerializeToString()):
        return 0
    return REDACTOR.redact_spans(request)


def redact_logs(request: ExportLogsServiceRequest) -> int:
    if not REDACTOR.may_hold_content(Signal.LOGS, request.SerializeToString()):
        return 0
    return REDACTOR.redact_logs(request)


@pytest.mark.parametrize(
    "key",
    [
        *sorted(CONTENT_KEYS),
        "gen_ai.prompt.0.content",
        "gen_ai.completion.12.tool_calls.0.arguments",
        "llm.input_messages.0.message.content",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments",
        "llm.prompts.0.prompt.text",
        "ai.prompt.messages",
        "ai.prompt.toolChoice",
        "llm.input_messages.0." + "x" * 120,
        "llm.input_messages.0." + "x" * 230,
    ],
)
def test_content_becomes_a_keyed_hash_and_its_length(key: str) -> None:
    request = spans({"attributes": [attribute(key, SECRET), attribute("kept", SECRET)]})

    assert redact_spans(request) == 1

    redacted, kept = request.resource_spans[0].scope_spans[0].spans[0].attributes
    assert redacted.value.string_value == hashed(SECRET.encode())
    assert kept.value.string_value == SECRET


@pytest.mark.parametrize(
    "key",
    [
        "gen_ai.prompt.name",
        "gen_ai.prompt.version",
        "gen_ai.prompt.0.role",
        "gen_ai.completion.0.finish_reason",
        "gen_ai.usage.prompt_tokens",
        "gen_ai.usage.completion_tokens",
        "gen_ai.tool.name",
        "gen_ai.tool.call.id",
        "ai.response.id",
        "ai.toolCall.name",
        "traceloop.entity.name",
        "input.mime_type",
        "exception.message",
        "message",
        "content",
    ],
)
def test_what_is_not_content_is_kept(key: str) -> None:
    request = spans({"attributes": [attribute(key, SECRET)]})

    assert redact_spans(request) == 0
    assert not is_content_key(key)


def test_an_ordinary_genai_span_does_not_take_the_slow_path() -> None:
    names = [
        "gen_ai.operation.name",
        "gen_ai.usage.input_tokens",
        "gen_ai.tool.name",
        "output.mime",
    ]
    body = spans({"attributes": [attribute(name, "x") for name in names]}).SerializeToString()

    assert not REDACTOR.may_hold_content(Signal.TRACES, body)


def test_span_events_are_redacted() -> None:
    request = spans({})
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.events.add(name="gen_ai.content.prompt").attributes.append(
        attribute("gen_ai.prompt", SECRET)
    )
    span.events.add(name="gen_ai.user.message").attributes.extend(
        [attribute("content", SECRET), attribute("role", "user")]
    )
    span.events.add(name="mine").attributes.append(attribute("content", "not GenAI's"))

    assert redact_spans(request) == 2
    assert SECRET.encode() not in request.SerializeToString()
    assert span.events[1].attributes[1].value.string_value == "user"
    assert span.events[2].attributes[0].value.string_value == "not GenAI's"


def test_structured_content_is_hashed_as_a_whole() -> None:
    messages = AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=SECRET)]))
    request = spans({})
    pair = (
        request.resource_spans[0]
        .scope_spans[0]
        .spans[0]
        .attributes.add(key="gen_ai.input.messages")
    )
    pair.value.CopyFrom(messages)

    assert redact_spans(request) == 1
    assert pair.value.string_value == hashed(messages.SerializeToString(deterministic=True))


def test_hashes_and_empty_values_are_left_alone() -> None:
    request = spans(
        {"attributes": [attribute("input.value", SECRET), attribute("output.value", "")]}
    )
    request.resource_spans[0].scope_spans[0].spans[0].attributes.add(key="llm.prompts")
    redact_spans(request)
    once = request.SerializeToString()

    assert redact_spans(request) == 0
    assert request.SerializeToString() == once


def test_what_only_begins_like_a_hash_is_content() -> None:
    request = spans({"attributes": [attribute("input.value", "redacted:hmac-sha256:" + SECRET)]})

    assert redact_spans(request) == 1
    assert SECRET.encode() not in request.SerializeToString()


def test_equal_texts_have_equal_hashes_under_one_key_only() -> None:
    request = spans(
        {"attributes": [attribute("input.value", SECRET), attribute("output.value", SECRET)]}
    )
    redact_spans(request)

    first, second = request.resource_spans[0].scope_spans[0].spans[0].attributes
    assert first.value.string_value == second.value.string_value
    assert first.value.string_value != hashed(SECRET.encode(), b"another key of some length")


@pytest.mark.parametrize(
    "record",
    [
        {"event_name": "gen_ai.user.message"},
        {"event_name": "gen_ai.client.inference.operation.details"},
        {"attributes": [attribute("event.name", "gen_ai.choice")]},
        {"event_name": "gen_ai." + "x" * 150},
    ],
)
def test_bodies_of_genai_events_are_redacted(record: dict[str, Any]) -> None:
    request = logs({**record, "body": AnyValue(string_value=SECRET)})

    assert redact_logs(request) == 1
    stored = request.resource_logs[0].scope_logs[0].log_records[0]
    assert stored.body.string_value == hashed(SECRET.encode())


def test_content_attributes_of_log_records_are_redacted() -> None:
    request = logs({"attributes": [attribute("gen_ai.output.messages", SECRET)]})

    assert redact_logs(request) == 1
    assert SECRET.encode() not in request.SerializeToString()


@pytest.mark.parametrize(
    "record",
    [
        {"event_name": "neurorail.heartbeat"},
        {"attributes": [attribute("event.name", "mine")]},
        {},
    ],
)
def test_other_bodies_are_kept(record: dict[str, Any]) -> None:
    request = logs({**record, "body": AnyValue(string_value=SECRET)})

    assert redact_logs(request) == 0


def test_a_genai_event_without_a_body_has_nothing_to_redact() -> None:
    assert redact_logs(logs({"event_name": "gen_ai.evaluation.result"})) == 0


def test_metrics_hold_no_content() -> None:
    assert not REDACTOR.may_hold_content(Signal.METRICS, b"\n\x0binput.value")


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 16"):
        Redactor(b"short")
