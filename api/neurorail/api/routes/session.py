"""A browser's session: a credential is shown once, then a cookie stands for it."""

from __future__ import annotations

from typing import Any, Final

from fastapi import Request
from starlette.responses import Response

from neurorail.api.access import SESSION_COOKIE, Caller, Router, cookie_of, needs, public
from neurorail.api.dependencies import Parts
from neurorail.api.encoding import JsonResponse, iso_time
from neurorail.api.problems import Problem
from neurorail.collector.access import Denial, Principal
from neurorail.collector.access.gate import TOKEN_PREFIX
from neurorail.collector.access.permissions import in_order
from neurorail.collector.access.sessions import SESSION, Issued

router = Router(prefix="/session", tags=["session"])

SESSION_S: Final = 12 * 3_600


@router.post("", status_code=201)
@needs()
async def begin(request: Request, parts: Parts, caller: Caller) -> JsonResponse:
    """Begin a session of twelve hours, and set its cookie.

    What the session writes has to repeat `csrf_token` in the header `X-CSRF-Token`. It ends with
    the credential it was begun with.
    """
    access = parts.access
    if access.sessions is None or access.gate.open:
        raise Problem(409, "not-needed", "no credentials are configured: no session is needed")
    if caller.scope is not None:
        raise Problem(403, "forbidden", "a key that is limited to missions begins no session")
    now = access.clock()
    made = access.sessions.issue(SESSION, caller, now, SESSION_S)
    body = _body(caller, made.csrf, made.expires_unix_nano)
    response = JsonResponse(body, 201, {"Cache-Control": "no-store"})
    set_session(response, made, now, secure=request.url.scheme == "https")
    return response


@router.get("")
@needs()
async def current(request: Request, parts: Parts, caller: Caller) -> JsonResponse:
    """The session whose cookie a request carries, with its `csrf_token`; 404 without one."""
    access = parts.access
    cookie = cookie_of(request, SESSION_COOKIE)
    found = None
    if cookie is not None and access.sessions is not None:
        found = access.sessions.read(SESSION, cookie, access.clock())
    if found is None or isinstance(found, Denial) or found[0].name != caller.name:
        raise Problem(404, "no-session", "the request carries no session's cookie")
    body = _body(caller, found[1], caller.expires_unix_nano or 0)
    return JsonResponse(body, 200, {"Cache-Control": "no-store"})


def _body(caller: Principal, csrf: str, expires_unix_nano: int) -> dict[str, Any]:
    return {
        "principal": caller.name,
        "tenant": caller.tenant,
        "role": caller.role,
        "permissions": in_order(caller.permissions),
        "csrf_token": csrf,
        "expires_at": iso_time(expires_unix_nano),
    }


def set_session(response: Response, made: Issued, now_unix_nano: int, *, secure: bool) -> None:
    """Give a browser the cookie of a session."""
    age_s = max(0, made.expires_unix_nano - now_unix_nano) // 1_000_000_000
    response.set_cookie(
        SESSION_COOKIE, made.text, max_age=age_s, path="/", httponly=True, samesite="strict",
        secure=secure,
    )  # fmt: skip


@router.post("/end")
@public
async def end(request: Request, parts: Parts) -> JsonResponse:
    """End the browser's session: its cookie is taken back.

    `logout_url` is where the browser signs out of the identity provider too; null if it need not.
    """
    access, cookie = parts.access, cookie_of(request, SESSION_COOKIE)
    where = None
    if cookie is not None and access.sessions is not None and access.login is not None:
        found = access.sessions.read(SESSION, cookie, access.clock())
        if not isinstance(found, Denial) and found[0].name.startswith(TOKEN_PREFIX):
            where = await access.login.logout_url()
    response = JsonResponse({"ended": True, "logout_url": where})
    response.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="strict")
    return response
