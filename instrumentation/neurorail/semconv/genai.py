"""How telemetry that knows nothing of NeuroRail is read: one table, versioned, nothing but data.

A `Mapping` says which attribute carries which meaning (`aliases`, the first present one wins) and
which attribute value makes a span which kind of step (`roles`, the first rule that matches wins).
A new convention is a new row; a change that alters what old telemetry means is a new version.

Sources: the OpenTelemetry GenAI conventions with their deprecated names, OpenInference,
OpenLLMetry (Traceloop), the Vercel AI SDK, Pydantic AI with Logfire, Langfuse and Genkit.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

INFERENCE: Final = "inference"
EMBEDDING: Final = "embedding"
TOOL: Final = "tool"
AGENT: Final = "agent"
WORKFLOW: Final = "workflow"
ROLES: Final = (INFERENCE, EMBEDDING, TOOL, AGENT, WORKFLOW)
"""What a span is to the engine. Only inference and embedding spans can carry billable usage."""


@dataclass(frozen=True, slots=True)
class RoleRule:
    """One attribute that names the kind of step, and what its values mean.

    Values are compared in lower case and by their first word: the Vercel AI SDK appends the name of
    the user's function to `operation.name`. A value mapped to the empty text is known to be no step
    of its own, which ends the search; a value that is not listed leaves it to the next rule.
    """

    attribute: str
    roles: MappingType[str, str]


@dataclass(frozen=True, slots=True)
class Mapping:
    """A version of the whole table."""

    version: str
    aliases: MappingType[str, tuple[str, ...]]
    """Meaning → attribute names, the strongest first. The meanings are those of `MEANINGS`."""
    roles: tuple[RoleRule, ...]
    resource_roles: MappingType[str, str]
    """`neurorail.resource.type` → role, for governed calls that state no GenAI operation."""
    providers: MappingType[str, str]
    """Deprecated or foreign provider names → the official ones, in lower case."""
    excludes_cache: frozenset[str]
    """Attributes for input tokens whose convention leaves cached tokens out."""
    excludes_reasoning: frozenset[str]
    """Attributes for output tokens whose convention leaves reasoning tokens out."""
    tags: MappingType[str, str] = field(default_factory=dict)
    """Attributes that are tags, of a span, an event or a resource → the tag's key."""


def with_own(mapping: Mapping, attributes: MappingType[str, tuple[str, ...]]) -> Mapping:
    """A mapping with a user's own attributes, which are asked before all others.

    Args:
        mapping: What they are added to.
        attributes: Meaning, or `tag.<key>`, → attribute names, the strongest first.
    """
    own = {name for aliases in attributes.values() for name in aliases}
    aliases = {
        meaning: (
            *attributes.get(meaning, ()),
            *(name for name in known if name not in own),
        )
        for meaning, known in mapping.aliases.items()
    }
    tags = {
        name: meaning.removeprefix("tag.")
        for meaning, names in attributes.items()
        if meaning.startswith("tag.")
        for name in reversed(names)
    }
    return replace(mapping, aliases=aliases, tags=tags)


MEANINGS: Final = (
    "provider",
    "request_model",
    "response_model",
    "response_id",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost_usd",
    "cost_input_usd",
    "cost_output_usd",
    "tool",
    "agent",
    "first_chunk_s",
    "first_chunk_ms",
    "usage_json",
    "cost_json",
    "error_type",
    "arguments",
)
"""What the engine needs to know of a GenAI span. Everything else stays in the archive."""

_OFFICIAL: Final = {
    "chat": INFERENCE,
    "generate_content": INFERENCE,
    "text_completion": INFERENCE,
    "completion": INFERENCE,
    "generate": INFERENCE,
    "message": INFERENCE,
    "embeddings": EMBEDDING,
    "embedding": EMBEDDING,
    "execute_tool": TOOL,
    "create_agent": "",
    "invoke_agent": AGENT,
    "agent_step": WORKFLOW,
    "invoke_workflow": WORKFLOW,
    "handle_conversation_turn": WORKFLOW,
    "plan": WORKFLOW,
    "retrieval": "",
}
_OPENINFERENCE: Final = {
    "llm": INFERENCE,
    "embedding": EMBEDDING,
    "tool": TOOL,
    "agent": AGENT,
    "chain": WORKFLOW,
    "retriever": "",
    "reranker": "",
    "guardrail": "",
    "evaluator": "",
    "prompt": "",
}
_TRACELOOP: Final = {"workflow": WORKFLOW, "agent": AGENT, "tool": TOOL, "task": ""}
_TRACELOOP_REQUEST: Final = {
    "chat": INFERENCE,
    "completion": INFERENCE,
    "embedding": EMBEDDING,
    "rerank": "",
}
_VERCEL: Final = {
    "ai.generatetext": WORKFLOW,
    "ai.streamtext": WORKFLOW,
    "ai.generateobject": WORKFLOW,
    "ai.streamobject": WORKFLOW,
    "ai.embed": WORKFLOW,
    "ai.embedmany": WORKFLOW,
    "ai.generatetext.dogenerate": INFERENCE,
    "ai.streamtext.dostream": INFERENCE,
    "ai.generateobject.dogenerate": INFERENCE,
    "ai.streamobject.dostream": INFERENCE,
    "ai.embed.doembed": EMBEDDING,
    "ai.embedmany.doembed": EMBEDDING,
    "ai.toolcall": TOOL,
}
_LANGFUSE: Final = {
    "generation": INFERENCE,
    "embedding": EMBEDDING,
    "tool": TOOL,
    "agent": AGENT,
    "chain": WORKFLOW,
    "span": "",
    "event": "",
    "retriever": "",
    "evaluator": "",
    "guardrail": "",
}
_GENKIT: Final = {"model": INFERENCE, "embedder": EMBEDDING, "tool": TOOL, "flow": WORKFLOW}

_ALIASES: Final = {
    "provider": (
        "gen_ai.provider.name",
        "gen_ai.system",
        "llm.provider",
        "llm.system",
        "ai.model.provider",
    ),
    "request_model": (
        "gen_ai.request.model",
        "llm.request.model_name",
        "llm.model_name",
        "embedding.model_name",
        "llm.request.model",
        "ai.model.id",
        "langfuse.observation.model.name",
    ),
    "response_model": (
        "gen_ai.response.model",
        "llm.response.model_name",
        "llm.response.model",
        "ai.response.model",
    ),
    "response_id": ("gen_ai.response.id", "llm.response.id", "ai.response.id"),
    "input_tokens": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.token_count.prompt",
        "llm.usage.prompt_tokens",
        "ai.usage.inputTokens",
        "ai.usage.promptTokens",
        "gen_ai.usage.input",
    ),
    "output_tokens": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.token_count.completion",
        "llm.usage.completion_tokens",
        "ai.usage.outputTokens",
        "ai.usage.completionTokens",
    ),
    "total_tokens": (
        "gen_ai.usage.total_tokens",
        "llm.usage.total_tokens",
        "llm.token_count.total",
        "ai.usage.totalTokens",
        "ai.usage.tokens",
    ),
    "cache_read_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.cache_read_tokens",
        "gen_ai.usage.details.cache_read_tokens",
        "gen_ai.usage.details.cache_read_input_tokens",
        "gen_ai.usage.input_cached_tokens",
        "llm.token_count.prompt_details.cache_read",
        "ai.usage.cachedInputTokens",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_tokens",
        "gen_ai.usage.details.cache_write_tokens",
        "gen_ai.usage.details.cache_creation_input_tokens",
        "llm.token_count.prompt_details.cache_write",
    ),
    "reasoning_tokens": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens",
        "llm.usage.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
        "ai.usage.reasoningTokens",
    ),
    "cost_usd": ("gen_ai.usage.cost", "llm.cost.total", "operation.cost"),
    "cost_input_usd": ("llm.cost.prompt",),
    "cost_output_usd": ("llm.cost.completion",),
    "tool": (
        "gen_ai.tool.name",
        "tool.name",
        "ai.toolCall.name",
        "tool_call.function.name",
        "traceloop.entity.name",
    ),
    "agent": ("gen_ai.agent.name", "agent.name", "agent_name"),
    "first_chunk_s": ("gen_ai.response.time_to_first_chunk",),
    "first_chunk_ms": ("ai.response.msToFirstChunk",),
    "usage_json": ("langfuse.observation.usage_details",),
    "cost_json": ("langfuse.observation.cost_details",),
    "error_type": ("error.type",),
    # What a call was made with: kept as a keyed hash, by which repeated calls are recognised.
    "arguments": (
        "gen_ai.tool.call.arguments",
        "gen_ai.input.messages",
        "ai.toolCall.args",
        "tool.parameters",
        "input.value",
        "traceloop.entity.input",
        "ai.prompt.messages",
        "ai.prompt",
    ),
}

V1: Final = Mapping(
    version="1",
    aliases=MappingProxyType(_ALIASES),
    roles=(
        RoleRule("gen_ai.operation.name", MappingProxyType(_OFFICIAL)),
        RoleRule("openinference.span.kind", MappingProxyType(_OPENINFERENCE)),
        RoleRule("traceloop.span.kind", MappingProxyType(_TRACELOOP)),
        RoleRule("llm.request.type", MappingProxyType(_TRACELOOP_REQUEST)),
        RoleRule("ai.operationId", MappingProxyType(_VERCEL)),
        RoleRule("operation.name", MappingProxyType(_VERCEL)),
        RoleRule("langfuse.observation.type", MappingProxyType(_LANGFUSE)),
        RoleRule("genkit:metadata:subtype", MappingProxyType(_GENKIT)),
    ),
    resource_roles=MappingProxyType(
        {"llm_call": INFERENCE, "embedding": EMBEDDING, "tool_call": TOOL}
    ),
    providers=MappingProxyType(
        {
            "az.ai.openai": "azure.ai.openai",
            "az.ai.inference": "azure.ai.inference",
            "gemini": "gcp.gemini",
            "vertex_ai": "gcp.vertex_ai",
            "xai": "x_ai",
        }
    ),
    excludes_cache=frozenset({"langfuse.observation.usage_details"}),
    excludes_reasoning=frozenset({"langfuse.observation.usage_details"}),
)
"""The first version."""

CURRENT: Final = V1
VERSIONS: Final = MappingProxyType({V1.version: V1})
"""Every version, so that history can be read as it was read then."""
