"""Attributes and events that carry content: prompts, completions, tool arguments and results.

The list covers the OpenTelemetry GenAI conventions with their deprecated names, OpenInference,
OpenLLMetry and the Vercel AI SDK. What is named here is replaced by a keyed hash before it is
stored, unless the operator decides to keep content.
"""

from __future__ import annotations

from typing import Final

CONTENT_KEYS: Final = frozenset(
    {
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.system_instructions",
        "gen_ai.tool.call.arguments",
        "gen_ai.tool.call.result",
        "gen_ai.tool.definitions",
        "gen_ai.prompt",
        "gen_ai.completion",
        "gen_ai.content.prompt",
        "gen_ai.content.completion",
        "gen_ai.event.content",
        "gen_ai.evaluation.explanation",
        "input.value",
        "output.value",
        "llm.input_messages",
        "llm.output_messages",
        "llm.prompts",
        "llm.prompt_template.variables",
        "tool.parameters",
        "traceloop.entity.input",
        "traceloop.entity.output",
        "ai.prompt",
        "ai.response.text",
        "ai.response.object",
        "ai.response.toolCalls",
        "ai.toolCall.args",
        "ai.toolCall.result",
    }
)
"""Attributes whose whole value is content."""

CONTENT_PREFIXES: Final = (
    "gen_ai.prompt.",
    "gen_ai.completion.",
    "llm.input_messages.",
    "llm.output_messages.",
    "llm.prompts.",
    "ai.prompt.",
)
"""Attributes under these are content too: one attribute per message and part."""

NOT_CONTENT: Final = frozenset({"gen_ai.prompt.name", "gen_ai.prompt.version"})
"""Named like content, but the name and version of a prompt template."""

NOT_CONTENT_SUFFIXES: Final = (".role", ".finish_reason")
"""Parts of a message that say nothing of what was said."""

CONTENT_EVENTS: Final = frozenset(
    {
        "gen_ai.system.message",
        "gen_ai.user.message",
        "gen_ai.assistant.message",
        "gen_ai.tool.message",
        "gen_ai.choice",
    }
)
"""Span events of the older GenAI conventions that are one message each."""

CONTENT_EVENT_KEYS: Final = frozenset({"content", "message", "tool_calls", "arguments"})
"""What is content in the attributes of such an event."""

CONTENT_BODY_EVENT_PREFIX: Final = "gen_ai."
"""The body of a log record whose event name begins so is content."""

EVENT_NAME_KEY: Final = "event.name"
"""Where log records carried their event name before OTLP had a field for it."""


def is_content_key(key: str) -> bool:
    """Whether the value of this attribute is content."""
    if key in CONTENT_KEYS:
        return True
    if not key.startswith(CONTENT_PREFIXES):
        return False
    return key not in NOT_CONTENT and not key.endswith(NOT_CONTENT_SUFFIXES)
