"""A small OpenID Connect provider: discovery, a page to sign in on, codes with PKCE, signed tokens.

A real HTTP server with a real key. It is called by the name `localhost`, so that a server at
127.0.0.1 is another site for browsers, as in the world.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT_ID = "controldeck"
CLIENT_SECRET = "a secret with : and / in it"


@dataclass
class Provider:
    """What it knows, and how it may misbehave."""

    redirect_uri: str
    port: int = 0
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "k1"}))
    roles: dict[str, list[str]] = field(
        default_factory=lambda: {"ann": ["rail-admins"], "bob": ["rail-viewers"], "eve": []}
    )
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    """Put over those of the next tokens."""
    signs_with: RSAKey | None = None
    """Another key than the published one."""
    exchanged: list[dict[str, str]] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    """Every address that was asked for, as a log of the provider would have it."""

    @property
    def issuer(self) -> str:
        """Its address."""
        return f"http://localhost:{self.port}"

    def document(self) -> dict[str, Any]:
        """The configuration document."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "end_session_endpoint": f"{self.issuer}/logout",
            "jwks_uri": f"{self.issuer}/keys",
        }

    def page(self, asked: dict[str, str]) -> str:
        """Where somebody signs in."""
        assert asked["redirect_uri"] == self.redirect_uri
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT_ID)
        assert asked["code_challenge_method"] == "S256"
        hidden = "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
            for name, value in asked.items()
        )
        return (
            f"<title>Provider</title><form method=post action=/authorize>{hidden}"
            "<label>User <input name=user></label>"
            "<button name=answer value=yes>Continue</button>"
            "<button name=answer value=no>Cancel</button></form>"
        )

    def answer(self, form: dict[str, str]) -> str:
        """Where the browser is sent back to."""
        told = {"state": form["state"], "iss": self.issuer}
        if form.get("answer") != "yes":
            told["error"] = "access_denied"
        else:
            told["code"] = secrets.token_urlsafe(16)
            self.codes[told["code"]] = form
        return f"{self.redirect_uri}?{urlencode(told)}"

    def tokens(self, form: dict[str, str], authorization: str) -> dict[str, Any] | None:
        """The tokens for a code; None if anything is not as it has to be."""
        self.exchanged.append(form)
        asked = self.codes.pop(form.get("code", ""), None)
        pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        digest = sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            asked is None
            or pair != f"{CLIENT_ID}:a%20secret%20with%20%3A%20and%20%2F%20in%20it"
            or challenge != asked["code_challenge"]
            or form.get("redirect_uri") != asked["redirect_uri"]
        ):
            return None
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": CLIENT_ID, "sub": asked["user"], "iat": now,
            "exp": now + 60, "nonce": asked["nonce"],
            "realm": {"roles": self.roles.get(asked["user"], [])},
        } | self.claims  # fmt: skip
        signed = jwt.encode({"alg": "RS256", "kid": "k1"}, claims, self.signs_with or self.key)
        return {"id_token": signed, "access_token": "opaque", "token_type": "Bearer"}


class _Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_GET(self) -> None:
        self.provider.addresses.append(self.path)
        where = urlsplit(self.path)
        if where.path == "/.well-known/openid-configuration":
            self._json(self.provider.document())
        elif where.path == "/keys":
            self._json(dict(KeySet([self.provider.key]).as_dict(private=False)))
        elif where.path == "/authorize":
            self._html(self.provider.page(dict(parse_qsl(where.query))))
        elif where.path == "/logout":
            back = dict(parse_qsl(where.query))["post_logout_redirect_uri"]
            self._to(back)
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        self.provider.addresses.append(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = dict(parse_qsl(body))
        if self.path == "/authorize":
            self._to(self.provider.answer(form))
            return
        told = self.provider.tokens(form, self.headers.get("Authorization", ""))
        if told is None:
            self._json({"error": "invalid_grant"}, 400)
        else:
            self._json(told)

    def _json(self, body: dict[str, Any], status: int = 200) -> None:
        self._send(json.dumps(body), "application/json", status)

    def _html(self, body: str) -> None:
        self._send(body, "text/html", 200)

    def _to(self, where: str) -> None:
        self.send_response(303)
        self.send_header("Location", where)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, body: str, content_type: str, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@contextmanager
def provider_at(redirect_uri: str) -> Iterator[Provider]:
    """A provider that runs inside the context, for one client."""
    provider = Provider(redirect_uri)

    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), type("Handler", (_Handler,), {"provider": provider})
    )
    provider.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="provider")
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
