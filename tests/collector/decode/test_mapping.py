"""Foreign telemetry: spans of each family as its instrumentation writes them."""

from __future__ import annotations

import dataclasses

import pytest
from tests.collector.decode.build import CHAIN, Attributes, decode_traces, observed, span, used

from neurorail.collector.decode import Decoder
from neurorail.collector.decode.keys import FOREIGN, build
from neurorail.rules.observations import Fields, SpanLinks, Usage
from neurorail.semconv.genai import CURRENT, MEANINGS, ROLES, VERSIONS

OFFICIAL: Attributes = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.response.time_to_first_chunk": 0.2504,
    "gen_ai.usage.input_tokens": 1200,
    "gen_ai.usage.output_tokens": 300,
    "gen_ai.usage.cache_read.input_tokens": 1000,
    "gen_ai.usage.cache_write.input_tokens": 100,
    "gen_ai.usage.reasoning.output_tokens": 200,
    "server.address": "api.openai.com",
    "server.port": 443,
}
OPENINFERENCE: Attributes = {
    "openinference.span.kind": "LLM",
    "llm.system": "anthropic",
    "llm.model_name": "claude-sonnet-4",
    "llm.token_count.prompt": 1200,
    "llm.token_count.completion": 300,
    "llm.token_count.total": 1500,
    "llm.token_count.prompt_details.cache_read": 1000,
    "llm.token_count.prompt_details.cache_write": 100,
    "llm.token_count.completion_details.reasoning": 200,
    "llm.cost.total": 0.0123,
    "input.value": "…",
}
OPENLLMETRY: Attributes = {
    "gen_ai.system": "OpenAI",
    "llm.request.type": "chat",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.usage.prompt_tokens": 1200,
    "gen_ai.usage.completion_tokens": 300,
    "llm.usage.total_tokens": 1500,
    "gen_ai.usage.cache_read_input_tokens": 1000,
    "gen_ai.usage.cache_creation_input_tokens": 100,
    "gen_ai.usage.reasoning_tokens": 200,
    "traceloop.workflow.name": "joke",
}
VERCEL: Attributes = {
    "operation.name": "ai.streamText.doStream my-function",
    "ai.operationId": "ai.streamText.doStream",
    "ai.model.provider": "openai.responses",
    "ai.model.id": "gpt-4o",
    "ai.response.id": "resp-1",
    "ai.response.model": "gpt-4o-2024-08-06",
    "ai.response.msToFirstChunk": 250.4,
    "ai.usage.inputTokens": 1200,
    "ai.usage.outputTokens": 300,
    "ai.usage.totalTokens": 1500,
    "ai.usage.cachedInputTokens": 1100,
    "ai.usage.reasoningTokens": 200,
}


def test_official_conventions() -> None:
    found = observed(OFFICIAL)
    assert found.role == "inference"
    assert found.first_signal_ms == 250
    assert found.fields == Fields(service="svc", model="gpt-4o-2024-08-06", provider="openai")
    assert found.usage == Usage(
        "inference",
        "openai",
        "gpt-4o-2024-08-06",
        "chatcmpl-1",
        1200,
        300,
        1000,
        100,
        200,
        None,
        True,
    )


def test_deprecated_official_names() -> None:
    usage = used(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "az.ai.openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.prompt_tokens": 10,
            "gen_ai.usage.completion_tokens": 5,
            "gen_ai.usage.cache_creation.input_tokens": 2,
        }
    )
    assert usage == Usage(
        "inference", "azure.ai.openai", "gpt-4o", None, 10, 5, 0, 2, has_tokens=True
    )


def test_current_names_win_over_deprecated_ones() -> None:
    both = {**OFFICIAL, "gen_ai.usage.prompt_tokens": 7, "gen_ai.system": "other"}
    assert used(both) == used(OFFICIAL)
    assert used(dict(reversed(both.items()))) == used(OFFICIAL)


def test_openinference() -> None:
    assert used(OPENINFERENCE) == Usage(
        "inference",
        "anthropic",
        "claude-sonnet-4",
        None,
        1200,
        300,
        1000,
        100,
        200,
        12_300_000_000,
        True,
    )


def test_openinference_cost_in_two_parts() -> None:
    parts = {k: v for k, v in OPENINFERENCE.items() if k != "llm.cost.total"}
    parts |= {"llm.cost.prompt": 0.01, "llm.cost.completion": "0.0023"}
    assert used(parts).cost_usd_pico == 12_300_000_000


def test_openllmetry() -> None:
    assert used(OPENLLMETRY) == Usage(
        "inference", "openai", "gpt-4o-2024-08-06", None, 1200, 300, 1000, 100, 200, None, True
    )


def test_vercel_ai_sdk() -> None:
    found = observed(VERCEL)
    assert found.first_signal_ms == 250
    assert found.usage == Usage(
        "inference",
        "openai.responses",
        "gpt-4o-2024-08-06",
        "resp-1",
        1200,
        300,
        1100,
        0,
        200,
        None,
        True,
    )


def test_langfuse_counts_kinds_apart() -> None:
    usage = used(
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.model.name": "claude-sonnet-4",
            "langfuse.observation.usage_details": '{"input": 100, "output": 100,'
            ' "input_cached_tokens": 1000, "output_reasoning_tokens": 200, "total": 1400}',
            "langfuse.observation.cost_details": '{"input": 0.01, "total": 0.0123}',
        }
    )
    assert usage == Usage(
        "inference", None, "claude-sonnet-4", None, 1100, 300, 1000, 0, 200, 12_300_000_000, True
    )


@pytest.mark.parametrize("details", ["", "[]", "{", '"x"', "7"])
def test_details_that_are_no_object_are_counted(details: str) -> None:
    decoder = Decoder()
    usage = used(
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.usage_details": details,
        },
        decoder,
    )
    assert not usage.has_tokens
    assert decoder.stats == {"bad_json": 1}


def test_details_that_are_no_counts_are_counted() -> None:
    decoder = Decoder()
    values = {
        "langfuse.observation.type": "generation",
        "langfuse.observation.usage_details": '{"input": -1, "output": "x", "total": null}',
    }
    assert not used(values, decoder).has_tokens
    assert decoder.stats == {"bad_token_count": 2}


@pytest.mark.parametrize(
    ("values", "role"),
    [
        ({"gen_ai.operation.name": "chat"}, "inference"),
        ({"gen_ai.operation.name": "generate_content"}, "inference"),
        ({"gen_ai.operation.name": "text_completion"}, "inference"),
        ({"gen_ai.operation.name": "embeddings"}, "embedding"),
        ({"gen_ai.operation.name": "execute_tool"}, "tool"),
        ({"gen_ai.operation.name": "invoke_agent"}, "agent"),
        ({"gen_ai.operation.name": "invoke_workflow"}, "workflow"),
        ({"gen_ai.operation.name": "agent_step"}, "workflow"),
        ({"openinference.span.kind": "LLM"}, "inference"),
        ({"openinference.span.kind": "EMBEDDING"}, "embedding"),
        ({"openinference.span.kind": "TOOL"}, "tool"),
        ({"openinference.span.kind": "AGENT"}, "agent"),
        ({"openinference.span.kind": "CHAIN"}, "workflow"),
        ({"traceloop.span.kind": "workflow"}, "workflow"),
        ({"traceloop.span.kind": "agent"}, "agent"),
        ({"traceloop.span.kind": "tool", "traceloop.entity.name": "search"}, "tool"),
        ({"llm.request.type": "completion"}, "inference"),
        ({"llm.request.type": "embedding"}, "embedding"),
        ({"ai.operationId": "ai.generateText"}, "workflow"),
        ({"ai.operationId": "ai.generateText.doGenerate"}, "inference"),
        ({"ai.operationId": "ai.embed.doEmbed"}, "embedding"),
        ({"ai.operationId": "ai.toolCall", "ai.toolCall.name": "search"}, "tool"),
        ({"operation.name": "ai.generateText my function"}, "workflow"),
        ({"langfuse.observation.type": "generation"}, "inference"),
        ({"langfuse.observation.type": "agent"}, "agent"),
        ({"genkit:metadata:subtype": "model"}, "inference"),
        (
            {
                "gen_ai.system": "openai",
                "gen_ai.request.model": "m",
                "gen_ai.usage.prompt_tokens": 1,
            },
            "inference",
        ),
        ({"neurorail.resource.type": "LLM_Call"}, "inference"),
        ({"neurorail.resource.type": "tool_call"}, "tool"),
        ({"neurorail.resource.type": "embedding"}, "embedding"),
    ],
)
def test_roles(values: Attributes, role: str) -> None:
    assert observed(values).role == role


@pytest.mark.parametrize(
    "values",
    [
        {"gen_ai.operation.name": "retrieval"},
        {"gen_ai.operation.name": "create_agent"},
        {"gen_ai.operation.name": "something_new"},
        {"gen_ai.operation.name": ["chat"]},
        {"openinference.span.kind": "RETRIEVER"},
        {"traceloop.span.kind": "task"},
        {"langfuse.observation.type": "span"},
        {"operation.name": "an operation"},
        {"gen_ai.conversation.id": "c"},
        {"logfire.span_type": "span"},
        # An agent's run of an old Pydantic AI: it adds up its children's tokens.
        {"model_name": "gpt-4o", "agent_name": "a", "gen_ai.usage.input_tokens": 5},
    ],
)
def test_steps_that_are_no_call_and_no_agent_stay_plain_links(values: Attributes) -> None:
    (links,) = decode_traces(span(values))
    assert isinstance(links, SpanLinks)


@pytest.mark.parametrize(
    "values",
    [
        {"gen_ai.operation.name": "invoke_agent"},
        {"gen_ai.operation.name": "agent_step"},
        {"gen_ai.operation.name": "invoke_workflow"},
        {"openinference.span.kind": "CHAIN"},
        {"openinference.span.kind": "AGENT"},
        {"traceloop.span.kind": "workflow"},
        {"ai.operationId": "ai.generateText"},
        {"ai.operationId": "ai.streamText"},
    ],
)
def test_spans_that_add_up_their_children_are_never_billed(values: Attributes) -> None:
    totals = {
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 500,
        "gen_ai.usage.output_tokens": 500,
        "llm.token_count.prompt": 500,
        "ai.usage.inputTokens": 500,
        "llm.cost.total": 1.0,
    }
    assert observed({**totals, **values}).usage is None


def test_a_tool_counts_as_a_call_and_has_no_tokens() -> None:
    found = observed(
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "search",
            "gen_ai.usage.input_tokens": 5,
            "gen_ai.usage.cost": 1.0,
            "error.type": "ToolError",
        },
        status=(2, ""),
    )
    assert found.usage == Usage("tool")
    assert found.fields == Fields(service="svc", tool="search")
    assert (found.error, found.error_code, found.reason) == (True, "ToolError", None)


def test_a_call_that_reports_no_tokens_says_so() -> None:
    usage = used({"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"})
    assert usage == Usage("inference", "openai")


@pytest.mark.parametrize(
    ("given", "tokens_in", "tokens_out"),
    [
        ({"gen_ai.usage.total_tokens": 100}, 100, 0),
        ({"gen_ai.usage.total_tokens": 100, "gen_ai.usage.output_tokens": 30}, 70, 30),
        ({"gen_ai.usage.total_tokens": 100, "gen_ai.usage.input_tokens": 30}, 30, 70),
        ({"gen_ai.usage.total_tokens": 10, "gen_ai.usage.input_tokens": 30}, 30, 0),
        ({"gen_ai.usage.input_tokens": 30}, 30, 0),
        ({"gen_ai.usage.output_tokens": 30}, 0, 30),
        ({"gen_ai.usage.input_tokens": "30", "gen_ai.usage.output_tokens": 7.0}, 30, 7),
        # Anthropic's own counting leaves cached tokens out of the input.
        ({"gen_ai.usage.input_tokens": 5, "gen_ai.usage.cache_read.input_tokens": 900}, 905, 0),
        # And Gemini's leaves reasoning out of the output.
        ({"gen_ai.usage.output_tokens": 5, "gen_ai.usage.reasoning.output_tokens": 90}, 0, 95),
        ({"gen_ai.usage.input_tokens": 900, "gen_ai.usage.cache_read.input_tokens": 900}, 900, 0),
    ],
)
def test_both_sides_of_the_tokens(given: Attributes, tokens_in: int, tokens_out: int) -> None:
    usage = used({"gen_ai.operation.name": "chat", **given})
    assert usage.has_tokens
    assert (usage.input_tokens, usage.output_tokens) == (tokens_in, tokens_out)


@pytest.mark.parametrize("count", [-1, 1.5, "many", 10**13, True, None, float("nan")])
def test_counts_that_cannot_be_are_left_out_and_counted(count: object) -> None:
    decoder = Decoder()
    values = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": count}
    assert not used(values, decoder).has_tokens
    assert decoder.stats == {"bad_token_count": 1}


@pytest.mark.parametrize("cost", [-0.1, "free", float("nan"), 10**7, True])
def test_costs_that_cannot_be_are_left_out_and_counted(cost: object) -> None:
    decoder = Decoder()
    values = {"gen_ai.operation.name": "chat", "gen_ai.usage.cost": cost}
    assert used(values, decoder).cost_usd_pico is None
    assert decoder.stats == {"bad_cost": 1}


@pytest.mark.parametrize("time", [-1.0, float("inf"), "0.5", 1e12])
def test_first_chunk_times_that_cannot_be_are_counted(time: object) -> None:
    decoder = Decoder()
    values = {"gen_ai.operation.name": "chat", "gen_ai.response.time_to_first_chunk": time}
    assert observed(values, decoder).first_signal_ms is None
    assert decoder.stats == {"bad_first_chunk": 1}


def test_a_governed_call_keeps_its_place_and_its_usage() -> None:
    found = observed({**CHAIN, **OFFICIAL, "neurorail.resource.id": "r_5"})
    assert found.ids[4] == "r_5"
    assert found.usage is not None


def test_names_are_cut_to_their_length() -> None:
    usage = used({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m" * 1000})
    assert usage.model == "m" * 256


def test_the_table_uses_known_words_only() -> None:
    for mapping in VERSIONS.values():
        assert set(mapping.aliases) == set(MEANINGS)
        for rule in mapping.roles:
            assert set(rule.roles.values()) <= {*ROLES, ""}
            assert all(value == value.lower() for value in rule.roles)
        aliases = [alias for names in mapping.aliases.values() for alias in names]
        assert len(aliases) == len(set(aliases))
        assert mapping.excludes_cache | mapping.excludes_reasoning <= set(aliases)


def test_every_alias_and_role_has_a_slot_of_its_own() -> None:
    table = build(CURRENT)
    assert len(set(table.slots.values())) == len(table.slots)
    assert all(slot >= FOREIGN for slot in table.meanings)


def test_another_version_of_the_table_reads_otherwise() -> None:
    other = dataclasses.replace(
        CURRENT, version="x", aliases={**CURRENT.aliases, "input_tokens": ("my.tokens",)}
    )
    values = {"gen_ai.operation.name": "chat", "my.tokens": 3, "gen_ai.usage.input_tokens": 9}
    decoder = Decoder(other)
    assert used(values, decoder).input_tokens == 3
    assert used(values).input_tokens == 9
