"""The ControlDeck's files, served as they are packaged, under strict content rules."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from neurorail.api.access import Router, public

PATH = "/neurorail"
PAGES = frozenset({"trace", "lifecycle", "reflex", "budget", "governor", "audit", "access"})
"""Addresses below the path that are the same document: it draws the page that its address names."""

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Pages and modules change with the version: always ask, answered by 304 from the ETag.
    "Cache-Control": "no-cache",
}


class _Pages(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response("index.html" if path in PAGES else path, scope)
        response.headers.update(_HEADERS)
        return response


def directory() -> Path:
    """Where the packaged files are."""
    return Path(str(resources.files("neurorail.api"))) / "controldeck"


def mount(app: FastAPI) -> None:
    """Serve the pages, and lead the bare address to them."""
    app.mount(PATH, _Pages(directory=directory(), html=True, check_dir=False), name="controldeck")

    router = Router()

    @router.get("/", include_in_schema=False)
    @public
    async def to_controldeck() -> RedirectResponse:
        return RedirectResponse(f"{PATH}/")

    app.include_router(router)
