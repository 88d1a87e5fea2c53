"""OpenAI's Agents SDK: runs are jobs, tools are governed calls, hand-offs pass the gate.

Calls of models are those of the OpenAI client, which is guarded itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import wrapt

from neurorail.instrumentation.arguments_hash import input_hash
from neurorail.instrumentation.chain import attempt, job
from neurorail.instrumentation.current import chain_ids, current_entity
from neurorail.instrumentation.gate.call import Call
from neurorail.instrumentation.guards.governed import govern_async, no_usage
from neurorail.instrumentation.guards.patching import Patches, exports
from neurorail.instrumentation.process import process


def guard_openai_agents(patches: Patches) -> None:
    """Guard `agents`. Tools and hand-offs made before were not guarded, and stay so.

    Many programs have a package `agents` of their own; nothing of that is imported.
    """
    if not exports("agents", "Runner", "FunctionTool", "Handoff"):
        return

    def made_tool(work: Callable[..., Any], tool: Any, args: Any, kwargs: Any) -> Any:
        made = work(*args, **kwargs)
        tool.on_invoke_tool = wrapt.FunctionWrapper(tool.on_invoke_tool, _tool_guard(patches, tool))
        return made

    def made_handoff(work: Callable[..., Any], handoff: Any, args: Any, kwargs: Any) -> Any:
        made = work(*args, **kwargs)
        handoff.on_invoke_handoff = wrapt.FunctionWrapper(
            handoff.on_invoke_handoff, _handoff_guard(patches, handoff)
        )
        return made

    patches.wrap("agents.run", "AgentRunner.run", _run)
    patches.wrap("agents.run", "AgentRunner.run_streamed", _run_streamed)
    patches.wrap("agents.tool", "FunctionTool.__init__", made_tool)
    patches.wrap("agents.handoffs", "Handoff.__init__", made_handoff)


async def _run(work: Callable[..., Awaitable[Any]], runner: Any, args: Any, kwargs: Any) -> Any:
    async with job("agent_run", agent=_agent_name(args, kwargs)), attempt():
        return await work(*args, **kwargs)


def _run_streamed(work: Callable[..., Any], runner: Any, args: Any, kwargs: Any) -> Any:
    # Its work goes on in a task of its own; each call in it is governed.
    _check(_agent_name(args, kwargs))
    return work(*args, **kwargs)


def _tool_guard(patches: Patches, tool: Any) -> Any:
    def guard(work: Callable[..., Awaitable[Any]], _: Any, args: Any, kwargs: Any) -> Any:
        if not patches.active:
            return work(*args, **kwargs)
        given = args[1] if len(args) > 1 else kwargs.get("input")
        call = Call("tool", tool=str(tool.name), arguments=input_hash(given), frame=True)
        return govern_async(call, lambda: work(*args, **kwargs), no_usage)

    return guard


def _handoff_guard(patches: Patches, handoff: Any) -> Any:
    async def guard(work: Callable[..., Awaitable[Any]], _: Any, args: Any, kwargs: Any) -> Any:
        if patches.active:
            _check(str(handoff.agent_name))
        return await work(*args, **kwargs)

    return guard


def _check(agent: str) -> None:
    """Raise if this agent may not work now."""
    entity = current_entity()
    facts = dict(process().facts if entity is None else entity.facts)
    for name, value in chain_ids().items():
        facts[f"{name[10:-3]}_id"] = value  # neurorail.LEVEL.id
    process().gate.check({**facts, "agent": agent})


def _agent_name(args: Any, kwargs: Any) -> str:
    agent = args[0] if args else kwargs.get("starting_agent")
    return str(getattr(agent, "name", "") or "agent")
