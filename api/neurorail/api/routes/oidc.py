"""Signing in by redirect: out to the provider, and back with a session."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import RedirectResponse

from neurorail.api.access import Access, Router, cookie_of, note_denial, public
from neurorail.api.dependencies import Parts
from neurorail.api.encoding import JsonResponse
from neurorail.api.problems import Problem
from neurorail.api.routes.session import set_session
from neurorail.collector.access import Denial
from neurorail.collector.access.login import UNDER_WAY_S, Login, Refused
from neurorail.collector.access.sessions import SESSION
from neurorail.collector.access.verdicts import UNKNOWN

router = Router(prefix="/session", tags=["session"])

LOGIN_COOKIE: Final = "neurorail_login"
_PAGES: Final = "../../../../../neurorail/"
"""The pages, seen from the callback, whatever path prefix a proxy adds."""
_PLACE: Final = re.compile(r"[a-z]{0,20}(\?[\w.~!$&'()*+,;=:@%/?-]{0,1000})?", re.ASCII)
"""A page and its filters: what one may come back to."""


@router.get("/methods")
@public
async def methods(parts: Parts) -> JsonResponse:
    """How people sign in here: with a key, and at which provider."""
    login = parts.access.login
    return JsonResponse(
        {"key": not parts.access.gate.open, "oidc": None if login is None else {"name": login.name}}
    )


@router.get("/oidc/start", status_code=303, response_class=RedirectResponse)
@public
async def start(request: Request, parts: Parts, back_to: str = "") -> RedirectResponse:
    """Send a browser to the provider; `back_to` is the page of ControlDeck it comes back to."""
    login = _login(parts.access)
    place = back_to if _PLACE.fullmatch(back_to) else ""
    try:
        where, cookie = await login.begin(place, parts.access.clock())
    except Refused as refused:
        return _back(refused.reason, place)
    response = _redirect(where)
    response.set_cookie(
        LOGIN_COOKIE, cookie, max_age=UNDER_WAY_S, path=_cookie_path(login), httponly=True,
        # Lax: the provider's redirection is from elsewhere, and has to bring it along.
        samesite="lax", secure=_secure(login),
    )  # fmt: skip
    return response


@router.get("/oidc/callback", status_code=303, response_class=RedirectResponse)
@public
async def callback(request: Request, parts: Parts) -> RedirectResponse:
    """Where the provider sends a browser back to: a session begins, or the page says why not."""
    access = parts.access
    login = _login(access)
    now, place = access.clock(), ""
    try:
        way = login.under_way(cookie_of(request, LOGIN_COOKIE), now)
        place = way.back_to
        principal = await login.finish(way, request.query_params, now)
    except Refused as refused:
        note_denial(request, Denial(UNKNOWN, f"signing in at the provider: {refused}"))
        response = _back(refused.reason, place)
    else:
        assert access.sessions is not None, "a server with a provider has sessions"
        response = _redirect(f"{_PAGES}{place}")
        issued = access.sessions.issue(SESSION, principal, now, login.client.session_s)
        set_session(response, issued, now, secure=_secure(login))
    response.delete_cookie(
        LOGIN_COOKIE, path=_cookie_path(login), httponly=True, samesite="lax", secure=_secure(login)
    )
    return response


def _login(access: Access) -> Login:
    if access.login is None:
        raise Problem(404, "not-configured", "no provider is configured: see access.oidc.login")
    return access.login


def _back(reason: str, place: str) -> RedirectResponse:
    """To the sign-in page, which says why."""
    return _redirect(f"{_PAGES}{place}#refused={reason}")


def _redirect(where: str) -> RedirectResponse:
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return RedirectResponse(where, 303, headers)


def _secure(login: Login) -> bool:
    return login.client.redirect_uri.startswith("https:")


def _cookie_path(login: Login) -> str:
    """The path of the two routes, as browsers see it."""
    return urlsplit(login.client.redirect_uri).path.removesuffix("/callback")
