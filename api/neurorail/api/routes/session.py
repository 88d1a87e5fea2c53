"""A browser's session: a credential is shown once, then a cookie stands for it."""

from __future__ import annotations

from typing import Final

from fastapi import Request

from neurorail.api.access import SESSION_COOKIE, Caller, Router, needs, public
from neurorail.api.dependencies import Parts
from neurorail.api.encoding import JsonResponse, iso_time
from neurorail.api.problems import Problem
from neurorail.collector.access.permissions import in_order
from neurorail.collector.access.sessions import SESSION

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
    body = {
        "principal": caller.name,
        "tenant": caller.tenant,
        "role": caller.role,
        "permissions": in_order(caller.permissions),
        "csrf_token": made.csrf,
        "expires_at": iso_time(made.expires_unix_nano),
    }
    response = JsonResponse(body, 201, {"Cache-Control": "no-store"})
    age_s = max(0, made.expires_unix_nano - now) // 1_000_000_000
    response.set_cookie(
        SESSION_COOKIE, made.text, max_age=age_s, path="/", httponly=True, samesite="strict",
        secure=request.url.scheme == "https",
    )  # fmt: skip
    return response


@router.post("/end")
@public
async def end() -> JsonResponse:
    """End the browser's session: its cookie is taken back."""
    response = JsonResponse({"ended": True})
    response.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="strict")
    return response
