from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from openai import APIStatusError, AsyncOpenAI, AzureOpenAI, OpenAI
from tests.instrumentation.conftest import Told
from tests.support.model_api import INPUT_TOKENS, OUTPUT_TOKENS, ModelApi

from neurorail.instrumentation import Budget, NeuroRailRefused, job, mission
from neurorail.instrumentation.gate.call import Call
from neurorail.instrumentation.guards.patching import Patches
from neurorail.instrumentation.process import process
from neurorail.semconv import attributes as names

GUARDED = ("openai",)
MESSAGES: Any = [{"role": "user", "content": "Say hello."}]
USED = INPUT_TOKENS + OUTPUT_TOKENS


@pytest.fixture
def client(api: ModelApi) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{api.url}/v1", api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture
async def later(api: ModelApi) -> Any:
    async with AsyncOpenAI(base_url=f"{api.url}/v1", api_key="k", max_retries=0) as client:
        yield client


SYNC: dict[str, Any] = {
    "chat": lambda c: c.chat.completions.create(model="gpt-4o", messages=MESSAGES),
    "chat stream": lambda c: list(
        c.chat.completions.create(
            model="gpt-4o", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
    ),
    "chat raw": lambda c: c.chat.completions.with_raw_response.create(
        model="gpt-4o", messages=MESSAGES
    ).parse(),
    "chat parse": lambda c: c.chat.completions.parse(model="gpt-4o", messages=MESSAGES),
    "responses": lambda c: c.responses.create(model="gpt-4o", input="hello"),
    "responses stream": lambda c: list(
        c.responses.create(model="gpt-4o", input="hello", stream=True)
    ),
}


async def _stream(client: Any) -> None:
    stream = await client.chat.completions.create(
        model="gpt-4o", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    async with stream:
        async for _ in stream:
            pass


ASYNC: dict[str, Any] = {
    "chat": lambda c: c.chat.completions.create(model="gpt-4o", messages=MESSAGES),
    "chat stream": _stream,
    "responses": lambda c: c.responses.create(model="gpt-4o", input="hello"),
}


@pytest.mark.parametrize("way", SYNC)
def test_a_refused_call_reaches_no_network(
    way: str, refusing: Patches, client: OpenAI, api: ModelApi
) -> None:
    with pytest.raises(NeuroRailRefused) as raised:
        SYNC[way](client)
    assert (raised.value.code, api.requests) == ("NR-E008", [])


@pytest.mark.parametrize("way", ASYNC)
async def test_a_refused_call_of_a_coroutine_reaches_no_network(
    way: str, refusing: Patches, later: AsyncOpenAI, api: ModelApi
) -> None:
    with pytest.raises(NeuroRailRefused):
        await ASYNC[way](later)
    assert api.requests == []


def test_a_refused_embedding_reaches_no_network(
    refusing: Patches, client: OpenAI, api: ModelApi
) -> None:
    with pytest.raises(NeuroRailRefused):
        client.embeddings.create(model="text-embedding-3-small", input="hello")
    assert api.requests == []


@pytest.mark.parametrize("way", SYNC)
def test_usage_counts_against_the_budgets_above(
    way: str, guarded: Patches, client: OpenAI, api: ModelApi
) -> None:
    with mission("m", budget=Budget(max_tokens=USED + 1)) as m, job("x") as j:
        SYNC[way](client)
        assert m.used is not None
        assert m.used.tokens == USED
        SYNC[way](client)
        with pytest.raises(NeuroRailRefused) as raised:
            SYNC[way](client)
        assert m.used.in_flight_tokens == 0
    assert (raised.value.code, raised.value.scope) == ("NR-E002", m.id)
    assert len(api.requests) == 2
    assert j.used is None


@pytest.mark.parametrize("way", ASYNC)
async def test_usage_of_coroutines_counts_too(
    way: str, guarded: Patches, later: AsyncOpenAI, api: ModelApi
) -> None:
    async with mission("m", budget=Budget(max_tokens=USED)) as m:
        await ASYNC[way](later)
        with pytest.raises(NeuroRailRefused):
            await ASYNC[way](later)
        assert m.used is not None
        assert m.used.tokens == USED
    assert len(api.requests) == 1


def test_embeddings_count_their_input(guarded: Patches, client: OpenAI) -> None:
    with mission("m", budget=Budget(max_tokens=1_000)) as m:
        client.embeddings.create(model="text-embedding-3-small", input="hello")
        assert m.used is not None
        assert m.used.tokens == INPUT_TOKENS


def test_an_abandoned_stream_is_settled_too(guarded: Patches, client: OpenAI) -> None:
    with mission("m", budget=Budget(max_tokens=10_000)) as m:
        stream = client.chat.completions.create(
            model="gpt-4o", messages=MESSAGES, stream=True, max_tokens=50
        )
        assert m.used is not None
        assert m.used.in_flight_tokens > 50
        for _ in stream:
            break
        del stream, _
        gc.collect()
        assert m.used.in_flight_tokens == 0
        # Nobody said what was used: what was written counts by its bytes, the prompt by its bound.
        assert INPUT_TOKENS < m.used.tokens < 1_000


def test_a_closed_stream_is_settled(guarded: Patches, client: OpenAI) -> None:
    with mission("m", budget=Budget(max_tokens=10_000)) as m:
        with client.chat.completions.create(
            model="gpt-4o", messages=MESSAGES, stream=True, max_tokens=50
        ) as stream:
            next(stream)
        assert m.used is not None
        assert m.used.in_flight_tokens == 0


def test_an_error_status_used_nothing_and_goes_on_as_it_is(
    guarded: Patches, client: OpenAI, api: ModelApi
) -> None:
    api.status = 500
    with mission("m", budget=Budget(max_tokens=10_000)) as m:
        with pytest.raises(APIStatusError):
            SYNC["chat"](client)
        with pytest.raises(APIStatusError):
            SYNC["chat stream"](client)
        assert m.used is not None
        assert (m.used.tokens, m.used.in_flight_tokens) == (0, 0)


def test_a_span_is_made_where_nobody_else_makes_one(
    guarded: Patches, told: Told, client: OpenAI
) -> None:
    with mission("m") as m:
        SYNC["chat"](client)
    span = told.span("chat gpt-4o")
    attributes = dict(span.attributes or {})
    assert attributes[names.MISSION_ID] == m.id
    assert [name in attributes for name in names.CHAIN_IDS] == [True] * 5
    assert attributes["gen_ai.provider.name"] == "openai"
    assert attributes["gen_ai.usage.input_tokens"] == INPUT_TOKENS
    assert attributes["gen_ai.usage.output_tokens"] == OUTPUT_TOKENS
    assert attributes["gen_ai.response.id"] == "id-1"
    assert not [name for name in attributes if "message" in name or "prompt" in name]


def test_a_failed_call_is_told(guarded: Patches, told: Told, client: OpenAI, api: ModelApi) -> None:
    api.status = 503
    with pytest.raises(APIStatusError), mission("m"):
        SYNC["chat"](client)
    attributes = told.span("chat gpt-4o").attributes or {}
    assert attributes[names.ERROR_CODE] == "NR-E004"
    assert attributes["error.type"] == "InternalServerError"


def test_the_official_instrumentation_s_span_stands_for_the_call(
    guarded: Patches, told: Told, client: OpenAI
) -> None:
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

    instrumentor = OpenAIInstrumentor()
    instrumentor.instrument(tracer_provider=told.provider)
    try:
        with mission("m", budget=Budget(max_tokens=USED)) as m:
            SYNC["chat"](client)
            with pytest.raises(NeuroRailRefused):
                SYNC["chat"](client)
    finally:
        instrumentor.uninstrument()
    made, refused = [span for span in told.spans if span.name == "chat gpt-4o"]
    attributes = dict(made.attributes or {})
    assert attributes[names.MISSION_ID] == m.id
    assert str(attributes[names.RESOURCE_ID]).startswith("r_")
    assert attributes["gen_ai.usage.input_tokens"] == INPUT_TOKENS
    assert (refused.attributes or {})[names.OUTCOME] == "cancelled"
    assert (refused.attributes or {})[names.ERROR_CODE] == "NR-E002"


def test_who_serves_the_model_is_known(
    guarded: Patches, api: ModelApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Call] = []
    gate = process().gate
    monkeypatch.setattr(type(gate), "enter_call", lambda _, call: seen.append(call))
    with AzureOpenAI(azure_endpoint=api.url, api_key="k", api_version="1") as client:
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES, max_tokens=7, n=2)
    (call,) = seen
    assert (call.provider, call.model, call.operation) == (
        "azure.ai.openai", "gpt-4o", "inference",
    )  # fmt: skip
    assert call.bounds.output_tokens == 14
    assert call.bounds.input_tokens is not None
    assert call.bounds.input_tokens > INPUT_TOKENS


def test_other_requests_are_left_alone(refusing: Patches, client: OpenAI, api: ModelApi) -> None:
    client.moderations.create(input="hello")
    assert len(api.requests) == 1


def test_everything_can_be_taken_away(refusing: Patches, client: OpenAI, api: ModelApi) -> None:
    refusing.take_away()
    SYNC["chat"](client)
    assert len(api.requests) == 1
    from openai._base_client import SyncAPIClient

    assert not hasattr(SyncAPIClient.request, "__wrapped__")
