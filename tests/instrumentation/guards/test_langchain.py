from __future__ import annotations

from typing import Any

import pytest
from tests.instrumentation.conftest import Told
from tests.instrumentation.guards.conftest import told_arguments
from tests.support.model_api import INPUT_TOKENS, OUTPUT_TOKENS, ModelApi

from neurorail.instrumentation import Budget, NeuroRailRefused, mission, tool
from neurorail.instrumentation.guards.patching import Patches

pytest.importorskip("langchain_core", reason="LangChain is not installed")
import openai
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import tool as langchain_tool

GUARDED = ("langchain_core", "openai")
USED = INPUT_TOKENS + OUTPUT_TOKENS
FAKE_USAGE: Any = {"input_tokens": 4, "output_tokens": 3, "total_tokens": 7}


def fake() -> GenericFakeChatModel:
    """A model of LangChain's own that is not served by any client."""
    answer = AIMessage("hello there", usage_metadata=FAKE_USAGE)
    return GenericFakeChatModel(messages=iter([answer] * 5))


@pytest.fixture
async def served(api: ModelApi) -> Any:
    """A model that OpenAI's client serves."""
    langchain_openai = pytest.importorskip("langchain_openai")
    # Clients of its own: those that LangChain keeps by address would be closed for the next test
    # whose server has the same port.
    model = langchain_openai.ChatOpenAI(
        model="gpt-4o", base_url=f"{api.url}/v1", api_key="k", max_retries=0, stream_usage=True,
        http_client=openai.DefaultHttpxClient(), http_async_client=openai.DefaultAsyncHttpxClient(),
    )  # fmt: skip
    yield model
    model.root_client.close()
    await model.root_async_client.close()


async def _astream(model: Any) -> None:
    async for _ in model.astream("hello"):
        pass


SYNC: dict[str, Any] = {
    "invoke": lambda model: model.invoke("hello"),
    "stream": lambda model: list(model.stream("hello")),
    "batch": lambda model: model.batch(["hello"]),
}
ASYNC: dict[str, Any] = {"ainvoke": lambda model: model.ainvoke("hello"), "astream": _astream}


@pytest.mark.parametrize("way", SYNC)
def test_a_refused_model_is_not_called(
    way: str, refusing: Patches, served: Any, api: ModelApi
) -> None:
    with pytest.raises(NeuroRailRefused):
        SYNC[way](served)
    with pytest.raises(NeuroRailRefused):
        SYNC[way](fake())
    assert api.requests == []


@pytest.mark.parametrize("way", ASYNC)
async def test_a_refused_model_is_not_awaited(
    way: str, refusing: Patches, served: Any, api: ModelApi
) -> None:
    with pytest.raises(NeuroRailRefused):
        await ASYNC[way](served)
    assert api.requests == []


@pytest.mark.parametrize("way", SYNC)
def test_usage_counts_once_though_both_are_guarded(
    way: str, guarded: Patches, served: Any, api: ModelApi
) -> None:
    with mission("m", budget=Budget(max_tokens=USED)) as m:
        SYNC[way](served)
        assert m.used is not None
        assert (m.used.tokens, m.used.in_flight_tokens) == (USED, 0)
        with pytest.raises(NeuroRailRefused):
            SYNC[way](served)
    assert len(api.requests) == 1


@pytest.mark.parametrize("way", ASYNC)
async def test_usage_of_coroutines_counts_once(way: str, guarded: Patches, served: Any) -> None:
    async with mission("m", budget=Budget(max_tokens=USED)) as m:
        await ASYNC[way](served)
        assert m.used is not None
        assert (m.used.tokens, m.used.in_flight_tokens) == (USED, 0)


def test_usage_of_a_model_without_a_guarded_client_counts(guarded: Patches) -> None:
    with mission("m", budget=Budget(max_tokens=100)) as m:
        fake().invoke("hello")
        assert m.used is not None
        assert m.used.tokens == 7


@langchain_tool
def search(query: str) -> str:
    """Search."""
    with tool("inner"):
        CALLS.append(query)
    return "found"


CALLS: list[str] = []


async def test_tools_are_governed_and_counted_once(guarded: Patches) -> None:
    CALLS.clear()
    with mission("m", budget=Budget(max_tool_calls=2)):
        assert search.invoke({"query": "a"}) == "found"
        assert await search.ainvoke({"query": "b"}) == "found"
        with pytest.raises(NeuroRailRefused) as raised:
            search.invoke({"query": "c"})
    assert (raised.value.code, CALLS) == ("NR-E002", ["a", "b"])


async def test_a_hash_of_a_tools_input_is_told(guarded: Patches, told: Told) -> None:
    search.invoke({"query": "a"})
    await search.ainvoke({"query": "a"})
    search.invoke({"query": "b"})
    one, same, other = told_arguments(told, "execute_tool search")
    assert one == same != other
    assert one.startswith("sha256:")


def test_a_graph_stops_at_a_refusal(refusing: Patches, served: Any, api: ModelApi) -> None:
    prebuilt = pytest.importorskip("langgraph.graph", reason="LangGraph is not installed")
    graph = prebuilt.StateGraph(prebuilt.MessagesState)
    graph.add_node("model", lambda state: {"messages": [served.invoke(state["messages"])]})
    graph.set_entry_point("model")
    with pytest.raises(NeuroRailRefused):
        graph.compile().invoke({"messages": [("user", "hello")]})
    assert api.requests == []
