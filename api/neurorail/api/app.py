"""The application: routers, errors, cross-origin rules and the pages of the ControlDeck."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Receive, Scope, Send

from neurorail.api import deck, problems
from neurorail.api.dependencies import ApiDependencies
from neurorail.api.description import describe
from neurorail.api.hosts import HostCheck, allowed_hosts
from neurorail.api.links import add_links
from neurorail.api.routes import (
    agents,
    audit,
    budget_change,
    budgets,
    confirmations,
    control,
    creation,
    governor,
    identity,
    lifecycle,
    manifests,
    missions,
    oidc,
    rbac,
    reflex,
    session,
    stream,
    system,
    telemetry,
    usage,
)

_PREFIX = "/api/neurorail/v1"
_GOVERNOR_PREFIX = "/api/governor/v1"
BODY_BYTES_MAX = 1 << 20
"""Largest body of a request."""


class _Application(FastAPI):
    """The framework's, with links in its description and a problem for a large body."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await super().__call__(
            scope, receive, problems.telling_of_large_bodies(scope, receive, send)
        )

    def openapi(self) -> dict[str, Any]:
        """The description of the API, with what is answered and its links."""
        spec = super().openapi()
        describe(spec)
        add_links(spec)
        return spec


def create_app(parts: ApiDependencies) -> FastAPI:
    """Build the application over running parts. It starts and stops nothing itself."""
    app = _Application(
        title="NeuroRail",
        version=parts.version,
        summary="Execution of AI agents: chains, lifecycle, budgets, audit, live events",
        max_body_size=BODY_BYTES_MAX,
        # The framework's pages are made of other hosts' files.
        docs_url=None,
        redoc_url=None,
        responses=problems.documented(),
        # The framework would trace its own requests into the global providers: a server of
        # telemetry must not feed itself.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.dependencies = parts
    problems.install(app)
    for module in (identity, creation, lifecycle, audit, telemetry, missions, usage, rbac, stream):
        app.include_router(module.router, prefix=_PREFIX)
    app.include_router(governor.router, prefix=_GOVERNOR_PREFIX)
    app.include_router(manifests.router, prefix=_GOVERNOR_PREFIX)
    for module in (reflex, control, agents, budgets, budget_change, session, oidc):
        app.include_router(module.router, prefix=_PREFIX)
    app.include_router(confirmations.router, prefix=_GOVERNOR_PREFIX)
    app.include_router(system.router)
    deck.mount(app)
    if parts.config.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(parts.config.cors_origins),
            allow_methods=["GET", "POST"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "Last-Event-ID",
                "X-API-Key",
                "X-CSRF-Token",
            ],
            expose_headers=[
                "Idempotent-Replayed",
                "RateLimit",
                "RateLimit-Policy",
                "Retry-After",
            ],
            max_age=600,
        )
    allowed = allowed_hosts(parts.config)
    if allowed is not None:
        app.add_middleware(HostCheck, allowed=allowed)
    return app
