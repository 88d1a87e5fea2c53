from __future__ import annotations

from typing import Any

import pytest
from tests.support.model_api import INPUT_TOKENS, OUTPUT_TOKENS, ModelApi

from neurorail.instrumentation import Budget, NeuroRailRefused, mission
from neurorail.instrumentation.gate.call import Call
from neurorail.instrumentation.guards.patching import Patches
from neurorail.instrumentation.process import process

genai = pytest.importorskip("google.genai", reason="google-genai is not installed")

GUARDED = ("google.genai",)
USED = INPUT_TOKENS + OUTPUT_TOKENS
ASKED: Any = {"model": "gemini-2.5-flash", "contents": "Say hello."}


async def _streamed_async(client: Any) -> None:
    async for _ in await client.aio.models.generate_content_stream(**ASKED):
        pass


SYNC: dict[str, Any] = {
    "generate": lambda c: c.models.generate_content(**ASKED),
    "stream": lambda c: list(c.models.generate_content_stream(**ASKED)),
}
ASYNC: dict[str, Any] = {
    "generate": lambda c: c.aio.models.generate_content(**ASKED),
    "stream": _streamed_async,
}


@pytest.fixture
async def client(api: ModelApi) -> Any:
    client = genai.Client(api_key="k", http_options={"base_url": api.url})
    yield client
    client.close()
    await client.aio.aclose()


@pytest.mark.parametrize("way", SYNC)
def test_a_refused_call_reaches_no_network(
    way: str, refusing: Patches, client: Any, api: ModelApi
) -> None:
    with pytest.raises(NeuroRailRefused):
        SYNC[way](client)
    assert api.requests == []


@pytest.mark.parametrize("way", ASYNC)
async def test_a_refused_call_of_a_coroutine_reaches_no_network(
    way: str, refusing: Patches, client: Any, api: ModelApi
) -> None:
    with pytest.raises(NeuroRailRefused):
        await ASYNC[way](client)
    assert api.requests == []


@pytest.mark.parametrize("way", SYNC)
def test_usage_counts_with_thoughts(way: str, guarded: Patches, client: Any, api: ModelApi) -> None:
    with mission("m", budget=Budget(max_tokens=USED)) as m:
        SYNC[way](client)
        assert m.used is not None
        assert (m.used.tokens, m.used.in_flight_tokens) == (USED, 0)
        with pytest.raises(NeuroRailRefused):
            SYNC[way](client)
    assert len(api.requests) == 1


@pytest.mark.parametrize("way", ASYNC)
async def test_usage_of_coroutines_counts_too(way: str, guarded: Patches, client: Any) -> None:
    async with mission("m", budget=Budget(max_tokens=USED)) as m:
        await ASYNC[way](client)
        assert m.used is not None
        assert (m.used.tokens, m.used.in_flight_tokens) == (USED, 0)


def test_the_limit_on_output_is_read(
    guarded: Patches, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Call] = []
    monkeypatch.setattr(type(process().gate), "enter_call", lambda _, call: seen.append(call))
    client.models.generate_content(**ASKED, config={"max_output_tokens": 7, "candidate_count": 2})
    (call,) = seen
    assert (call.provider, call.model) == ("gcp.gemini", "gemini-2.5-flash")
    assert call.bounds.output_tokens == 14
