from __future__ import annotations

import pytest
from tests.instrumentation.conftest import Told
from tests.instrumentation.guards.conftest import told_arguments

from neurorail.instrumentation import Budget, NeuroRailRefused, mission
from neurorail.instrumentation.guards.patching import Patches

pytest.importorskip("mcp", reason="the MCP SDK is not installed")
from mcp.client import Client
from mcp.server import MCPServer

GUARDED = ("mcp",)


def server(calls: list[int]) -> MCPServer:
    made = MCPServer("tried")

    @made.tool()
    def double(number: int) -> int:
        """Double a number."""
        calls.append(number)
        return number * 2

    return made


async def test_a_refused_tool_is_not_called(refusing: Patches) -> None:
    calls: list[int] = []
    async with Client(server(calls)) as client:
        with pytest.raises(NeuroRailRefused):
            await client.call_tool("double", {"number": 2})
    assert calls == []


async def test_a_hash_of_the_arguments_is_told(guarded: Patches, told: Told) -> None:
    async with Client(server([])) as client:
        await client.call_tool("double", {"number": 2})
        await client.call_tool("double", arguments={"number": 2})
        await client.call_tool("double", {"number": 3})
    one, same, other = told_arguments(told, "execute_tool double")
    assert one == same != other
    assert one.startswith("sha256:")


async def test_calls_count_against_the_budget(guarded: Patches) -> None:
    calls: list[int] = []
    async with Client(server(calls)) as client:
        with mission("m", budget=Budget(max_tool_calls=1)):
            await client.call_tool("double", {"number": 2})
            with pytest.raises(NeuroRailRefused) as raised:
                await client.call_tool("double", {"number": 3})
    assert (raised.value.code, calls) == ("NR-E002", [2])
