"""Every route says what it needs: one line under its path, or the route cannot be made.

    router = Router(prefix="/audit", tags=["audit"])

    @router.get("/stats")
    @needs(READ_AUDIT)
    async def stats(parts: Parts, tenant: Tenant) -> JsonResponse: ...

The caller is checked before anything of the request is read: 401 without a valid credential, 403
naming the permission that is missing, 429 over the caller's rate.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Annotated, Any, Final, NamedTuple, TypeVar
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Receive, Scope, Send

from neurorail.api.leaving import while_there
from neurorail.api.problems import Problem
from neurorail.collector.access import (
    OPEN_PRINCIPAL,
    Denial,
    DenialLog,
    Gate,
    Principal,
    Sessions,
)
from neurorail.collector.access.gate import permit
from neurorail.collector.access.login import Login
from neurorail.collector.access.permissions import SYSTEM_ADMIN
from neurorail.collector.access.rates import Rate, Rates
from neurorail.collector.access.sessions import SESSION, TICKET
from neurorail.collector.access.verdicts import FORBIDDEN, MISSING, OUT_OF_SCOPE, THROTTLED
from neurorail.collector.envelope import TENANT_PATTERN

SESSION_COOKIE: Final = "neurorail_session"
_DECLARED: Final = "__neurorail_needs__"
_PRINCIPAL: Final = "neurorail.principal"
_OPERATION: Final = "neurorail.operation"
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Needs:
    """What a route needs of its caller."""

    permissions: tuple[str, ...] = ()
    """All of them; none means any caller with a valid credential that is no agent's."""
    public: bool = False
    """Everybody, without a credential."""
    agents: bool = False
    """Agents' keys too."""
    scoped: bool = False
    """It keeps to the missions a credential is limited to; other routes refuse such credentials."""
    tickets: bool = False
    """A stream ticket in `?ticket=` will do: for browsers, whose EventSource sends no headers."""
    open_on_loopback: bool = False
    """Public while the API listens on loopback only."""


def needs(
    *permissions: str,
    agents: bool = False,
    scoped: bool = False,
    tickets: bool = False,
    open_on_loopback: bool = False,
) -> Callable[[Endpoint], Endpoint]:
    """Declare what a route needs; see `Needs`."""
    declared = Needs(
        permissions,
        agents=agents,
        scoped=scoped,
        tickets=tickets,
        open_on_loopback=open_on_loopback,
    )
    return _declaring(declared)


def public(endpoint: Endpoint) -> Endpoint:
    """Declare that a route is for everybody."""
    return _declaring(Needs(public=True))(endpoint)


def _declaring(declared: Needs) -> Callable[[Endpoint], Endpoint]:
    def declare(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _DECLARED, declared)
        return endpoint

    return declare


def declared_needs(endpoint: Callable[..., Any]) -> Needs | None:
    """What an endpoint declared; None when it forgot."""
    found = getattr(endpoint, _DECLARED, None)
    return found if isinstance(found, Needs) else None


class Admission(NamedTuple):
    """A request that was let in."""

    principal: Principal
    rate: Rate | None


@dataclass(slots=True)
class Access:
    """What stands in front of every route."""

    gate: Gate
    denials: DenialLog
    monotonic_s: Callable[[], float]
    requests_per_s: int = 1_000
    """What a caller may send, where its key does not say."""
    loopback: bool = True
    """Whether the API listens on loopback only."""
    sessions: Sessions | None = None
    """Reads session cookies and stream tickets; without it there are none."""
    clock: Callable[[], int] = time.time_ns
    """Unix time in nanoseconds."""
    rates: Rates = field(default_factory=Rates)
    login: Login | None = None
    """Where people sign in by redirect; None: nowhere."""

    def admit(
        self, headers: Headers, declared: Needs, operation: str, address: str, query: bytes = b""
    ) -> Admission:
        """Let a request in. Raises a 401, 403 or 429 problem."""
        if declared.public or (declared.open_on_loopback and self.loopback):
            return Admission(OPEN_PRINCIPAL, None)
        found = self.gate.authenticate(headers)
        if isinstance(found, Denial) and found.reason == MISSING and self.sessions is not None:
            found = self._by_session(self.sessions, headers, declared, operation, query) or found
        if isinstance(found, Denial):
            raise self._denied(found, operation, address)
        if found is OPEN_PRINCIPAL:
            return Admission(found, None)
        rate = self.rates.take(
            found.name, found.rate_per_s or self.requests_per_s, self.monotonic_s()
        )
        if not rate.allowed:
            over = Denial(
                THROTTLED, "more requests than this caller may send", found.name, found.tenant
            )
            raise self._denied(over, operation, address, rate)
        denial = permit(found, declared.permissions, agents=declared.agents, scoped=declared.scoped)
        if denial is not None:
            raise self._denied(denial, operation, address, rate)
        return Admission(found, rate)

    def _by_session(
        self,
        sessions: Sessions,
        headers: Headers,
        declared: Needs,
        operation: str,
        query: bytes,
    ) -> Principal | Denial | None:
        """Whose session or ticket a request without a credential carries; None without either."""
        if declared.tickets and b"ticket=" in query:
            ticket = dict(parse_qsl(query.decode("latin-1"))).get("ticket", "")
            found = sessions.read(TICKET, ticket, self.clock())
            return found if isinstance(found, Denial) else found[0]
        cookie = _cookie(headers.get("cookie", ""), SESSION_COOKIE)
        if cookie is None:
            return None
        found = sessions.read(SESSION, cookie, self.clock())
        if isinstance(found, Denial):
            return found
        principal, csrf = found
        sent = headers.get("x-csrf-token", "")
        if not operation.startswith("GET ") and not compare_digest(sent.encode(), csrf.encode()):
            detail = "what a session writes needs its token in the header X-CSRF-Token"
            return Denial(FORBIDDEN, detail, principal.name, principal.tenant)
        return principal

    def denied(self, request: Request, denial: Denial) -> Problem:
        """The answer to a request that went too far inside a route; it is put on record."""
        operation = request.scope.get(_OPERATION, "")
        return self._denied(denial, operation, _address(request.scope))

    def _denied(
        self, denial: Denial, operation: str, address: str, rate: Rate | None = None
    ) -> Problem:
        self.denials.note(denial, operation, address)
        headers = dict(rate.headers()) if rate is not None else {}
        if denial.reason == THROTTLED:
            wait_s = rate.reset_s if rate is not None else 1
            return Problem(
                429, "too-many-requests", denial.detail, code="NR-E010",
                retry_after_s=wait_s, headers=headers,
            )  # fmt: skip
        if denial.authenticated:
            permissions = denial.permission.split()
            details = {"permission": permissions[0] if permissions else None,
                       "missing_permissions": permissions}  # fmt: skip
            return Problem(403, "forbidden", denial.detail, details=details, headers=headers)
        return Problem(
            401, "unauthenticated", denial.detail, details={"reason": denial.reason},
            headers={"WWW-Authenticate": "Bearer"},
        )  # fmt: skip


class GovernedRoute(APIRoute):
    """A route that checks its caller before anything of the request is read."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        found = declared_needs(endpoint)
        if found is None:
            raise TypeError(
                f"{endpoint.__module__}.{endpoint.__name__} declares no permission: put @needs(…) "
                "or @public under its path"
            )
        self.needs = found
        super().__init__(path, endpoint, **options)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request whose caller may make it."""
        if scope["method"] in (self.methods or ()):
            operation = f"{scope['method']} {self.path_format}"
            headers = Headers(scope=scope)
            if not self.needs.public:
                await scope["app"].state.dependencies.access.gate.prepare(headers)
            send = with_rate(send, admitted(scope, headers, self.needs, operation))
        if scope["method"] == "GET":
            # What only reads is not finished for nobody; a write, once it is in, has to be.
            await while_there(super().handle, scope, receive, send)
        else:
            await super().handle(scope, receive, send)


def admitted(scope: Scope, headers: Headers, declared: Needs, operation: str) -> Rate | None:
    """Let a request in and remember whose it is; its caller's rate.

    Raises a 401, 403 or 429 problem.
    """
    access: Access = scope["app"].state.dependencies.access
    found = access.admit(headers, declared, operation, _address(scope), scope["query_string"])
    scope[_PRINCIPAL] = found.principal
    scope[_OPERATION] = operation
    return found.rate


def with_rate(send: Send, rate: Rate | None) -> Send:
    """Sending that tells a caller its rate."""
    return send if rate is None else _with_headers(send, rate.headers())


class Router(APIRouter):
    """A router whose every route is governed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(route_class=GovernedRoute, **options)


def _cookie(header: str, name: str) -> str | None:
    for pair in header.split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name:
            return value
    return None


def cookie_of(request: Request, name: str) -> str | None:
    """A cookie of a request."""
    return _cookie(request.headers.get("cookie", ""), name)


def note_denial(request: Request, denial: Denial) -> None:
    """Put on record that somebody was turned away by other means than a problem."""
    access: Access = request.app.state.dependencies.access
    scope = request.scope
    access.denials.note(denial, f"{scope['method']} {scope['route'].path_format}", _address(scope))


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _with_headers(send: Send, headers: Iterable[tuple[str, str]]) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            into = MutableHeaders(scope=message)
            for name, value in headers:
                into[name] = value
        await send(message)

    return sending


async def principal_of(request: Request) -> Principal:
    """Who sent a request."""
    found = request.scope[_PRINCIPAL]
    assert isinstance(found, Principal), "the route puts it there"
    return found


Caller = Annotated[Principal, Depends(principal_of)]


async def tenant_of(
    request: Request,
    caller: Caller,
    tenant: Annotated[
        str | None,
        Query(
            description="another tenant than the caller's; needs system:admin",
            pattern=f"^{TENANT_PATTERN}$",
        ),
    ] = None,
) -> str:
    """The tenant a request speaks for: the caller's own, or, for `system:admin`, any."""
    if tenant is None or tenant == caller.tenant:
        return caller.tenant
    if SYSTEM_ADMIN not in caller.permissions:
        access: Access = request.app.state.dependencies.access
        detail = f"another tenant than your own needs {SYSTEM_ADMIN}"
        raise access.denied(
            request, Denial(FORBIDDEN, detail, caller.name, caller.tenant, SYSTEM_ADMIN)
        )
    return tenant


def out_of_scope(request: Request, caller: Principal, mission_id: str | None) -> Problem:
    """403: a credential is limited to other missions."""
    access: Access = request.app.state.dependencies.access
    detail = f"mission {mission_id!r} is not one that this credential is limited to"
    return access.denied(request, Denial(OUT_OF_SCOPE, detail, caller.name, caller.tenant))


def governed(app: FastAPI) -> dict[str, GovernedRoute]:
    """Every operation of an application, as `GET /path`, with its route.

    Raises:
        TypeError: an operation is not governed.
    """
    found: dict[str, GovernedRoute] = {}
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, GovernedRoute):
            path = context.path_format or route.path_format
            found |= {f"{method} {path}": route for method in sorted(route.methods or ())}
        elif isinstance(route, APIRoute):
            raise TypeError(f"{route.path} is no governed route: make its router with Router(…)")
    return found
