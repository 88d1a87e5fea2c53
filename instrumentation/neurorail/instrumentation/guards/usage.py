"""What providers say that a call used, in their own words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurorail.instrumentation.gate.call import Usage


def openai_usage(answer: Mapping[str, Any]) -> Usage | None:
    """Of a chat completion, a response, an embedding, or a chunk or event of their streams."""
    inner = answer.get("response")
    if isinstance(inner, Mapping):  # An event of the Responses API.
        answer = inner
    usage = answer.get("usage")
    if not isinstance(usage, Mapping):
        return None
    return Usage(
        _count(usage, "input_tokens", "prompt_tokens"),
        _count(usage, "output_tokens", "completion_tokens"),
        cached_tokens=_cached(usage, "input_tokens_details", "prompt_tokens_details"),
        response_id=_text(answer, "id"),
        response_model=_text(answer, "model"),
    )


def anthropic_usage(answer: Mapping[str, Any]) -> Usage | None:
    """Of a message, or an event of its stream. Cached tokens are added to those of the input."""
    inner = answer.get("message")
    if isinstance(inner, Mapping):
        answer = inner
    usage = answer.get("usage")
    if not isinstance(usage, Mapping):
        return None
    cached = _count(usage, "cache_creation_input_tokens") + _count(usage, "cache_read_input_tokens")
    return Usage(
        _count(usage, "input_tokens") + cached,
        _count(usage, "output_tokens"),
        cached_tokens=cached,
        response_id=_text(answer, "id"),
        response_model=_text(answer, "model"),
    )


def google_usage(answer: Mapping[str, Any]) -> Usage | None:
    """Of generated content, or a chunk of it. Thoughts and tool prompts are named apart there."""
    usage = answer.get("usageMetadata") or answer.get("usage_metadata")
    if not isinstance(usage, Mapping):
        return None
    return Usage(
        _count(usage, "promptTokenCount", "prompt_token_count")
        + _count(usage, "toolUsePromptTokenCount", "tool_use_prompt_token_count"),
        _count(usage, "candidatesTokenCount", "candidates_token_count")
        + _count(usage, "thoughtsTokenCount", "thoughts_token_count"),
        cached_tokens=_count(usage, "cachedContentTokenCount", "cached_content_token_count"),
        response_id=_text(answer, "responseId") or _text(answer, "response_id"),
        response_model=_text(answer, "modelVersion") or _text(answer, "model_version"),
    )


def langchain_usage(message: Any) -> Usage | None:
    """Of a message that a LangChain model answered with."""
    usage = getattr(message, "usage_metadata", None)
    if not isinstance(usage, Mapping):
        return None
    return Usage(_count(usage, "input_tokens"), _count(usage, "output_tokens"))


def larger(one: Usage | None, other: Usage | None) -> Usage | None:
    """The more of both: streams repeat their usage, each time with what there is so far."""
    if one is None or other is None:
        return one or other
    return Usage(
        max(one.input_tokens, other.input_tokens),
        max(one.output_tokens, other.output_tokens),
        cached_tokens=max(one.cached_tokens, other.cached_tokens),
        response_id=one.response_id or other.response_id,
        response_model=one.response_model or other.response_model,
    )


def as_mapping(value: Any) -> Mapping[str, Any]:
    """The fields of an answer, be it a mapping or a model of Pydantic's; empty for neither."""
    if isinstance(value, Mapping):
        return value
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        found = dump(warnings=False)
        return found if isinstance(found, Mapping) else {}
    return {}


def _cached(usage: Mapping[str, Any], *spellings: str) -> int:
    for name in spellings:
        details = usage.get(name)
        if isinstance(details, Mapping):
            return _count(details, "cached_tokens")
    return 0


def _count(usage: Mapping[str, Any], *spellings: str) -> int:
    for name in spellings:
        value = usage.get(name)
        if isinstance(value, int):
            return value
    return 0


def _text(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    return value if isinstance(value, str) else ""
