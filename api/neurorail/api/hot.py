"""The short way to `decide`, which every governed call of every agent takes.

A plain request for it skips the layers that it has no use for: other hosts, other origins, other
tenants, large bodies. Whatever is not plain goes the long way; the endpoint is the same, and so is
the check of the caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fastapi import FastAPI, Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from neurorail.api.access import admitted, declared_needs, principal_of, with_rate
from neurorail.api.dependencies import dependencies
from neurorail.api.hosts import allowed_hosts, host_name
from neurorail.api.problems import answer_of
from neurorail.api.routes.governor import decide

PATH: Final = "/api/governor/v1/decide"
OPERATION: Final = f"POST {PATH}"
BODY_BYTES_MAX: Final = 64 << 10
_UNUSUAL: Final = (b"origin", b"transfer-encoding", b"expect", b"content-encoding")


class HotDecide:
    """An application in front of the whole one."""

    def __init__(self, app: FastAPI) -> None:
        needs = declared_needs(decide)
        assert needs is not None, "every endpoint declares what it needs"
        self._app: ASGIApp = app
        self._fastapi = app
        self._needs = needs
        self._hosts = allowed_hosts(app.state.dependencies.config)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a plain request to decide; hand on all others."""
        if scope["type"] == "http" and scope["path"] == PATH and self._is_plain(scope):
            await self._decide(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _is_plain(self, scope: Scope) -> bool:
        if scope["method"] != "POST" or scope["query_string"]:
            return False
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        if any(name in headers for name in _UNUSUAL):
            return False
        length = headers.get(b"content-length", b"")
        if not length.isdigit() or len(length) > 6 or int(length) > BODY_BYTES_MAX:
            return False
        host = host_name(headers.get(b"host", b"").decode("latin-1"))
        return self._hosts is None or host in self._hosts

    async def _decide(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self._fastapi
        request = Request(scope, receive)
        try:
            rate = admitted(scope, Headers(scope=scope), self._needs, OPERATION)
            send = with_rate(send, rate)
            parts, caller = await dependencies(request), await principal_of(request)
            response = await decide(request, parts, caller.tenant, caller)
        except Exception as error:
            response = answer_of(request, error)
        await response(scope, receive, send)
