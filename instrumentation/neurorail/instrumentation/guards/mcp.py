"""Tools of MCP servers: each call of a client's session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from neurorail.instrumentation.arguments_hash import input_hash
from neurorail.instrumentation.gate.call import Call
from neurorail.instrumentation.guards.governed import govern_async, no_usage
from neurorail.instrumentation.guards.patching import Patches, exports


def guard_mcp(patches: Patches) -> None:
    """Guard `mcp`, unless that is a package of the program's own."""
    if exports("mcp", "ClientSession"):
        patches.wrap("mcp.client.session", "ClientSession.call_tool", _call_tool)


def _call_tool(work: Callable[..., Awaitable[Any]], session: Any, args: Any, kwargs: Any) -> Any:
    name = args[0] if args else kwargs.get("name")
    given = args[1] if len(args) > 1 else kwargs.get("arguments")
    call = Call("tool", tool=str(name), arguments=input_hash(given))
    return govern_async(call, lambda: work(*args, **kwargs), no_usage)
