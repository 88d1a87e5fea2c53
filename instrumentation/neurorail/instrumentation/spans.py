"""Spans that other instrumentations make of model and tool calls, recognised as they begin."""

from __future__ import annotations

from typing import Any, Final

from opentelemetry.trace import Span

from neurorail.instrumentation.arguments_hash import ATTRIBUTE
from neurorail.instrumentation.gate.call import Call
from neurorail.semconv import attributes as names

MARKS: Final = ("gen_ai.operation.name", "openinference.span.kind", "llm.request.type")
"""Attributes that only spans of GenAI calls carry."""
SCOPES: Final = (
    "genai", "openai", "anthropic", "google_generativeai", "langchain", "openinference",
    "bedrock", "mistral", "cohere", "ollama", "groq", "vertexai", "mcp",
)  # fmt: skip
"""Parts of the names of instrumentations that make them, some of which set attributes later."""


def is_call_span(span: Span) -> bool:
    """Whether a span is of a model or tool call, by its attributes or by who made it."""
    recording: Any = span
    attributes = getattr(recording, "attributes", None)
    if not attributes and not hasattr(recording, "instrumentation_scope"):
        return False
    if attributes and any(mark in attributes for mark in MARKS):
        # Agents and workflows repeat what their calls did.
        return attributes.get("gen_ai.operation.name") not in ("invoke_agent", "invoke_workflow")
    scope = getattr(recording, "instrumentation_scope", None)
    return scope is not None and any(part in scope.name for part in SCOPES)


def stamp_call(span: Span, call: Call) -> None:
    """Let a span stand for a governed call: its chain, its resource, its reservation."""
    if call.is_resource and call.span is None:
        # It begins and ends with its first span: a framework's, whose client makes one below.
        span.set_attribute(names.ENTITY_TYPE, "resource")
    call.span = span
    span.set_attributes(dict(call.ids))
    if call.reservation is not None:
        span.set_attribute(names.RESERVATION_ID, call.reservation.id)
    recording: Any = span
    if call.arguments and ATTRIBUTE not in (getattr(recording, "attributes", None) or ()):
        span.set_attribute(ATTRIBUTE, call.arguments)
