"""Refuses requests that name another host than this server.

A server on loopback trusts whoever reaches it. A page elsewhere can reach it too, by giving its own
name the address 127.0.0.1 (DNS rebinding); but then the browser sends that name, and is refused.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from neurorail.api.config import ApiConfig
from neurorail.api.problems import Problem

LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "::1")


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine alone."""
    return host in LOOPBACK_NAMES or host.startswith("127.")


def allowed_hosts(config: ApiConfig) -> frozenset[str] | None:
    """The names by which a server on loopback may be called; None where any name will do."""
    if not is_loopback(config.host):
        return None
    names = (*LOOPBACK_NAMES, config.host, *config.allowed_hosts)
    return frozenset(name.lower() for name in names)


def host_name(header: str) -> str:
    """The name in a `Host` header, without port and brackets, in lower case."""
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower().rstrip(".")


class HostCheck:
    """Lets requests through that name one of the allowed hosts."""

    def __init__(self, app: ASGIApp, allowed: frozenset[str]) -> None:
        self._app = app
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 421 to a request for another host."""
        if scope["type"] == "http":
            name = host_name(Headers(scope=scope).get("host", ""))
            if name not in self._allowed:
                problem = Problem(
                    421,
                    "wrong-host",
                    f"host {name[:100]!r} is not this server; name it in api.allowed_hosts",
                )
                await problem.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)
