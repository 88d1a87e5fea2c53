"""ControlDeck's files as packaged, served from memory under strict content rules.

A file is there under two addresses: `app/main.js`, asked about again each time, and
`v-<version>/app/main.js`, which a browser keeps. The documents name the second, so that a page
that was open before asks for nothing but itself; the version is of what all files hold.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
from collections.abc import Mapping
from functools import cached_property
from importlib import resources
from pathlib import Path

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from neurorail.api.access import Router, public

PATH = "/neurorail"
DOCUMENT = "index.html"
REFERENCE = "docs.html"
"""The description of the API for people: the framework's own page is of another host's files."""
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
    "Vary": "Accept-Encoding",
}
_ASK_AGAIN = "no-cache"
_KEEP = "public, max-age=31536000, immutable"
_VERSIONED = re.compile(r"v-([0-9a-f]+)/(.+)")
_PACKED_ALREADY = frozenset({".woff2"})


class _File:
    """What a file holds, as it is sent."""

    def __init__(self, name: str, content: bytes) -> None:
        self.content = content
        self.media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        self.etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        self._packs = Path(name).suffix not in _PACKED_ALREADY

    @cached_property
    def packed(self) -> bytes | None:
        """Smaller, made when somebody first asks for it; None where it does not get smaller."""
        return gzip.compress(self.content, mtime=0) if self._packs else None

    def answer(self, asked: Headers, cache_control: str) -> Response:
        """The file, or 304 to who has it."""
        headers = {**_HEADERS, "ETag": self.etag, "Cache-Control": cache_control}
        # A proxy that packs the body makes the tag a weak one.
        if self.etag in asked.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if "gzip" in asked.get("accept-encoding", "") and self.packed is not None:
            headers["Content-Encoding"] = "gzip"
            return Response(self.packed, media_type=self.media_type, headers=headers)
        return Response(self.content, media_type=self.media_type, headers=headers)


class _Pages:
    """The ASGI application below `PATH`."""

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self._version = _version_of(contents)
        self._files = {name: _File(name, content) for name, content in contents.items()}
        self._document = self._naming_files(DOCUMENT, contents)
        self._reference = self._naming_files(REFERENCE, contents)

    def _naming_files(self, name: str, contents: Mapping[str, bytes]) -> _File:
        """A document that names the files of this version."""
        return _File(name, contents[name].replace(b'="./', f'="./v-{self._version}/'.encode()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        # The mount says in `root_path` where it is.
        path = scope["path"].removeprefix(scope["root_path"]).strip("/")
        await self._answer(scope["method"], path, Headers(scope=scope))(scope, receive, send)

    def _answer(self, method: str, path: str, asked: Headers) -> Response:
        if method not in {"GET", "HEAD"}:
            return PlainTextResponse("Method Not Allowed", 405, _HEADERS | {"Allow": "GET, HEAD"})
        if path in PAGES or path in {"", DOCUMENT}:
            return self._document.answer(asked, _ASK_AGAIN)
        if path in {"docs", REFERENCE}:
            return self._reference.answer(asked, _ASK_AGAIN)
        versioned = _VERSIONED.fullmatch(path)
        version, name = versioned.groups() if versioned else (None, path)
        file = self._files.get(name)
        if file is None:
            return PlainTextResponse("Not Found", 404, _HEADERS)
        # Another version is that of a page from before an upgrade, or of another server behind
        # the same address: it gets what there is, and does not keep it under a wrong name.
        return file.answer(asked, _KEEP if version == self._version else _ASK_AGAIN)


def _version_of(contents: Mapping[str, bytes]) -> str:
    found = hashlib.sha256()
    for name in sorted(contents):
        found.update(f"{name}\0{len(contents[name])}\0".encode())
        found.update(contents[name])
    return found.hexdigest()[:16]


def directory() -> Path:
    """Where the packaged files are."""
    return Path(str(resources.files("neurorail.api"))) / "controldeck"


def contents() -> dict[str, bytes]:
    """What each file holds, by its path."""
    root = directory()
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def mount(app: FastAPI) -> None:
    """Serve the pages, and lead the bare address and `/docs` to them."""
    app.mount(PATH, _Pages(contents()), name="controldeck")

    router = Router()

    @router.get("/", include_in_schema=False)
    @public
    async def to_controldeck() -> RedirectResponse:
        return RedirectResponse(f"{PATH}/")

    @router.get("/docs", include_in_schema=False)
    @public
    async def to_reference() -> RedirectResponse:
        return RedirectResponse(f"{PATH}/docs")

    app.include_router(router)
