from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.model_api import INPUT_TOKENS, OUTPUT_TOKENS, ModelApi

from neurorail.instrumentation import Budget, NeuroRailRefused, mission
from neurorail.instrumentation.guards.patching import Patches

anthropic = pytest.importorskip("anthropic", reason="the Anthropic client is not installed")

GUARDED = ("anthropic",)
ASKED: Any = {
    "model": "claude-opus-4",
    "max_tokens": 30,
    "messages": [{"role": "user", "content": "Say hello."}],
}
USED = INPUT_TOKENS + OUTPUT_TOKENS


def _streamed(client: Any) -> None:
    with client.messages.stream(**ASKED) as stream:
        assert "".join(stream.text_stream) == "hello"


async def _streamed_async(client: Any) -> None:
    async with client.messages.stream(**ASKED) as stream:
        assert "".join([text async for text in stream.text_stream]) == "hello"


SYNC: dict[str, Any] = {
    "messages": lambda c: c.messages.create(**ASKED),
    "messages stream": lambda c: list(c.messages.create(**ASKED, stream=True)),
    "stream helper": _streamed,
}
ASYNC: dict[str, Any] = {
    "messages": lambda c: c.messages.create(**ASKED),
    "stream helper": _streamed_async,
}


@pytest.fixture
def client(api: ModelApi) -> Iterator[Any]:
    with anthropic.Anthropic(base_url=api.url, api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture
async def later(api: ModelApi) -> Any:
    async with anthropic.AsyncAnthropic(base_url=api.url, api_key="k", max_retries=0) as client:
        yield client


@pytest.mark.parametrize("way", SYNC)
def test_a_refused_call_reaches_no_network(
    way: str, refusing: Patches, client: Any, api: ModelApi
) -> None:
    with pytest.raises(NeuroRailRefused):
        SYNC[way](client)
    assert api.requests == []


@pytest.mark.parametrize("way", ASYNC)
async def test_a_refused_call_of_a_coroutine_reaches_no_network(
    way: str, refusing: Patches, later: Any, api: ModelApi
) -> None:
    with pytest.raises(NeuroRailRefused):
        await ASYNC[way](later)
    assert api.requests == []


@pytest.mark.parametrize("way", SYNC)
def test_usage_counts_with_cached_tokens(
    way: str, guarded: Patches, client: Any, api: ModelApi
) -> None:
    with mission("m", budget=Budget(max_tokens=USED)) as m:
        SYNC[way](client)
        assert m.used is not None
        assert (m.used.tokens, m.used.in_flight_tokens) == (USED, 0)
        with pytest.raises(NeuroRailRefused):
            SYNC[way](client)
    assert len(api.requests) == 1


@pytest.mark.parametrize("way", ASYNC)
async def test_usage_of_coroutines_counts_too(way: str, guarded: Patches, later: Any) -> None:
    async with mission("m", budget=Budget(max_tokens=USED)) as m:
        await ASYNC[way](later)
        assert m.used is not None
        assert (m.used.tokens, m.used.in_flight_tokens) == (USED, 0)
