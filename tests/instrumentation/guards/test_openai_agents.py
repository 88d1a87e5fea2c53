from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from openai import AsyncOpenAI
from tests.instrumentation.conftest import Told
from tests.instrumentation.guards.conftest import told_arguments
from tests.support.model_api import INPUT_TOKENS, OUTPUT_TOKENS, ModelApi

from neurorail.instrumentation import Budget, NeuroRailRefused, mission
from neurorail.instrumentation.gate.directive import Directive
from neurorail.instrumentation.guards.patching import Patches
from neurorail.instrumentation.process import process
from neurorail.semconv import attributes as names

agents = pytest.importorskip("agents", reason="the OpenAI Agents SDK is not installed")

GUARDED = ("agents", "openai")


@pytest.fixture
async def agent(api: ModelApi) -> Any:
    async with AsyncOpenAI(base_url=f"{api.url}/v1", api_key="k", max_retries=0) as client:
        model = agents.OpenAIResponsesModel(model="gpt-4o", openai_client=client)
        yield agents.Agent(name="helper", instructions="help", model=model)


@pytest.fixture(autouse=True)
def untraced() -> None:
    agents.set_tracing_disabled(True)


@pytest.fixture
def without_helper(guarded: Patches) -> Iterator[None]:
    directive = Directive("tried", "suspend", {"agent": "helper"}, "NR-E006", "resting", "rest")
    process().gate.apply(directive)
    yield
    process().gate.lift("tried")


async def test_a_run_is_a_job_with_an_attempt(guarded: Patches, told: Told, agent: Any) -> None:
    with mission("m", budget=Budget(max_tokens=1_000)) as m:
        await agents.Runner.run(agent, "hello")
        assert m.used is not None
        assert m.used.tokens == INPUT_TOKENS + OUTPUT_TOKENS
    job = told.span("job agent_run")
    assert (job.attributes or {})["gen_ai.agent.name"] == "helper"
    assert told.span("attempt 1").parent is not None
    call = told.span("chat gpt-4o").attributes or {}
    assert call[names.JOB_ID] == (job.attributes or {})[names.JOB_ID]


async def test_a_refused_run_reaches_no_network(
    without_helper: None, agent: Any, api: ModelApi
) -> None:
    with pytest.raises(NeuroRailRefused) as raised:
        await agents.Runner.run(agent, "hello")
    assert (raised.value.code, raised.value.scope) == ("NR-E006", "agent=helper")
    with pytest.raises(NeuroRailRefused):
        agents.Runner.run_streamed(agent, "hello")
    assert api.requests == []


async def test_a_refused_model_call_ends_the_run(
    refusing: Patches, agent: Any, api: ModelApi
) -> None:
    with pytest.raises(NeuroRailRefused):
        await agents.Runner.run(agent, "hello")
    assert api.requests == []


async def test_tools_are_governed(guarded: Patches, told: Told) -> None:
    calls = []

    @agents.function_tool  # type: ignore[untyped-decorator]
    def search(query: str) -> str:
        """Search."""
        calls.append(query)
        return "found"

    from agents.tool_context import ToolContext

    context = ToolContext(context=None, tool_name="search", tool_call_id="1",
                          tool_arguments="{}")  # fmt: skip
    with mission("m", budget=Budget(max_tool_calls=1)):
        assert await search.on_invoke_tool(context, '{"query": "a"}') == "found"
        with pytest.raises(NeuroRailRefused):
            await search.on_invoke_tool(context, '{"query": "b"}')
        guarded.take_away()
        await search.on_invoke_tool(context, '{"query": "c"}')
    assert calls == ["a", "c"]
    (arguments,) = told_arguments(told, "execute_tool search")
    assert arguments.startswith("sha256:")


async def test_hand_offs_pass_the_gate(without_helper: None, agent: Any) -> None:
    handoff = agents.handoff(agent)
    context = agents.RunContextWrapper(context=None)
    with pytest.raises(NeuroRailRefused):
        await handoff.on_invoke_handoff(context, "")
    process().gate.lift("tried")
    assert (await handoff.on_invoke_handoff(context, "")).name == "helper"
