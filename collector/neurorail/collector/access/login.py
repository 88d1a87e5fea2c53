"""Signing in at an OpenID Connect provider: authorization code with PKCE, state and nonce.

`begin` says where the browser is sent, and what it has to bring back; `finish` exchanges the code
that it came back with for an ID token, which is checked like any other token. Nothing is kept here
in between: what is under way travels in the browser's own signed cookie.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import Request, build_opener

import msgspec

from neurorail.collector.access.principal import Principal
from neurorail.collector.access.tokens import (
    FETCH_S,
    FETCHED_BYTES_MAX,
    Nowhere,
    Provider,
    Tokens,
    check_url,
    discover,
    fetch_json,
)
from neurorail.collector.access.verdicts import Denial

UNDER_WAY_S: Final = 600
"""How long somebody may take at the provider."""
CALLBACK_PATH: Final = "/api/neurorail/v1/session/oidc/callback"
DENIED: Final = "denied"
EXPIRED: Final = "expired"
FOREIGN: Final = "foreign"
PROVIDER: Final = "provider"
TOKEN: Final = "token"
NO_ROLE: Final = "role"
REFUSALS: Final = {
    DENIED: "the provider did not let them in",
    EXPIRED: "nothing was under way, or it took too long",
    FOREIGN: "the answer is not to what this browser asked",
    PROVIDER: "the provider cannot be asked, or refused the code",
    TOKEN: "the provider's token is not one that this server believes",
    NO_ROLE: "the token names no role that is mapped to one here",
}
_NANOS: Final = 1_000_000_000
_COOKIE_MAX: Final = 4_096
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Client:
    """How this server is known to the provider."""

    client_id: str
    redirect_uri: str
    """Exactly as it is registered there."""
    client_secret: str | None = None
    """None: a public client; PKCE protects it."""
    scopes: tuple[str, ...] = ("openid",)
    name: str | None = None
    """What the button says; None: the issuer's host."""
    session_s: int = 12 * 3_600
    post_logout_uri: str | None = None
    """Where the provider sends browsers after signing them out there; None: it does not."""

    def __post_init__(self) -> None:
        check_url(self.redirect_uri)
        if not self.redirect_uri.endswith(CALLBACK_PATH):
            raise ValueError(f"redirect_uri {self.redirect_uri!r} must end with {CALLBACK_PATH}")
        if "openid" not in self.scopes:
            raise ValueError("scopes must name openid: without it there is no ID token")
        if self.post_logout_uri is not None:
            check_url(self.post_logout_uri)


class Refused(Exception):
    """Nobody signed in. `reason` is one of `REFUSALS`; nothing in it is secret."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or REFUSALS[reason])
        self.reason = reason


class UnderWay(msgspec.Struct, frozen=True):
    """A sign-in that began in a browser."""

    state: str
    nonce: str
    verifier: str
    back_to: str
    expires_unix_nano: int


class Login:
    """Signs people in at one provider."""

    def __init__(
        self,
        provider: Provider,
        client: Client,
        secret: bytes,
        tokens: Tokens,
        monotonic_s: Callable[[], float],
    ) -> None:
        """`secret` signs cookies; `tokens` checks tokens for the API's own audience."""
        self.client = client
        self._issuer = provider.issuer
        self._kept_s = provider.keys_kept_s
        self._secret = secret
        self._access_tokens = tokens
        # An ID token is for the client, not for the API.
        self._id_tokens = Tokens(replace(provider, audience=client.client_id), monotonic_s)
        self._monotonic_s = monotonic_s
        self._told: dict[str, Any] = {}
        self._told_s = 0.0

    @property
    def name(self) -> str:
        """What the provider is called on the page."""
        return self.client.name or urlsplit(self._issuer).hostname or self._issuer

    async def begin(self, back_to: str, now_unix_nano: int) -> tuple[str, str]:
        """The provider's address for a browser, and the cookie to give it.

        Raises:
            Refused: the provider cannot be asked where its pages are.
        """
        way = UnderWay(
            state=secrets.token_urlsafe(24),
            nonce=secrets.token_urlsafe(24),
            verifier=secrets.token_urlsafe(48),
            back_to=back_to,
            expires_unix_nano=now_unix_nano + UNDER_WAY_S * _NANOS,
        )
        challenge = _text(sha256(way.verifier.encode()).digest())
        asked = {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": self.client.redirect_uri,
            "scope": " ".join(self.client.scopes),
            "state": way.state,
            "nonce": way.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        where = await self._endpoint("authorization_endpoint")
        joint = "&" if urlsplit(where).query else "?"
        body = msgspec.json.encode(way)
        return f"{where}{joint}{urlencode(asked)}", f"{_text(body)}.{_text(self._mac(body))}"

    def under_way(self, cookie: str | None, now_unix_nano: int) -> UnderWay:
        """What a browser's cookie says is under way.

        Raises:
            Refused: nothing is.
        """
        try:
            body, mac = (_bytes(part) for part in (cookie or "")[:_COOKIE_MAX].split("."))
        except (ValueError, binascii.Error):
            raise Refused(EXPIRED) from None
        if not hmac.compare_digest(mac, self._mac(body)):
            raise Refused(EXPIRED)
        way = msgspec.json.decode(body, type=UnderWay)
        if now_unix_nano >= way.expires_unix_nano:
            raise Refused(EXPIRED)
        return way

    async def finish(
        self, way: UnderWay, answer: Mapping[str, str], now_unix_nano: int
    ) -> Principal:
        """Who signed in, from what the browser came back with.

        Raises:
            Refused: nobody.
        """
        if not hmac.compare_digest(answer.get("state", "").encode(), way.state.encode()):
            raise Refused(FOREIGN)
        if answer.get("iss", self._issuer) != self._issuer:
            raise Refused(FOREIGN)
        if "error" in answer:
            raise Refused(DENIED, f"the provider said {answer['error'][:100]!r}")
        if not answer.get("code"):
            raise Refused(FOREIGN)
        told = await self._exchange(answer["code"], way.verifier)
        claims = await self._claims(str(told.get("id_token", "")), way, now_unix_nano)
        principal = self._believed(self._id_tokens, claims)
        if principal.role is None:
            principal = await self._by_access_token(told, claims, now_unix_nano) or principal
        if principal.role is None:
            raise Refused(NO_ROLE, f"{principal.name} has no role that is mapped to one here")
        # The token says who came, once; how long they stay is this server's to say.
        return replace(principal, expires_unix_nano=None)

    async def logout_url(self) -> str | None:
        """Where a browser signs out of the provider too; None if that is not wanted or offered."""
        if self.client.post_logout_uri is None:
            return None
        try:
            where = await self._endpoint("end_session_endpoint")
        except Refused:
            return None
        asked = {
            "client_id": self.client.client_id,
            "post_logout_redirect_uri": self.client.post_logout_uri,
        }
        return f"{where}{'&' if urlsplit(where).query else '?'}{urlencode(asked)}"

    async def _claims(self, token: str, way: UnderWay, now_unix_nano: int) -> Mapping[str, Any]:
        await self._id_tokens.prepare(token)
        claims = self._id_tokens.claims(token, now_unix_nano)
        if isinstance(claims, Denial):
            raise Refused(TOKEN, claims.detail)
        nonce = str(claims.get("nonce", ""))
        if not hmac.compare_digest(nonce.encode(), way.nonce.encode()):
            raise Refused(TOKEN, "the token answers another sign-in than this one")
        if claims.get("azp", self.client.client_id) != self.client.client_id:
            raise Refused(TOKEN, "the token was made for another client")
        return claims

    async def _by_access_token(
        self, told: Mapping[str, Any], claims: Mapping[str, Any], now_unix_nano: int
    ) -> Principal | None:
        """Some providers name roles in the access token alone: then it must be for this server."""
        token = str(told.get("access_token", ""))
        await self._access_tokens.prepare(token)
        said = self._access_tokens.claims(token, now_unix_nano)
        if isinstance(said, Denial) or said.get("sub") != claims.get("sub"):
            return None
        return self._believed(self._access_tokens, said)

    @staticmethod
    def _believed(tokens: Tokens, claims: Mapping[str, Any]) -> Principal:
        found = tokens.principal(claims)
        if isinstance(found, Denial):
            raise Refused(TOKEN, found.detail)
        return found

    async def _exchange(self, code: str, verifier: str) -> dict[str, Any]:
        where = await self._endpoint("token_endpoint")
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.client.redirect_uri,
            "code_verifier": verifier,
            "client_id": self.client.client_id,
        }
        headers = {"Accept": "application/json"}
        if self.client.client_secret is not None:
            pair = ":".join(
                quote(x, "") for x in (self.client.client_id, self.client.client_secret)
            )
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        request = Request(where, urlencode(form).encode(), headers, method="POST")
        try:
            return await asyncio.to_thread(_posted, request)
        except (OSError, ValueError) as error:
            # Neither the code nor the secret is in what is said here.
            what = f"status {error.code}" if isinstance(error, HTTPError) else type(error).__name__
            _LOG.warning("%s did not exchange a code: %s", self._issuer, what)
            raise Refused(PROVIDER) from None

    async def _endpoint(self, name: str) -> str:
        """An address of the provider's configuration document, which is kept for a while."""
        if not self._told or self._monotonic_s() - self._told_s > self._kept_s:
            try:
                self._told = await asyncio.to_thread(discover, self._issuer, fetch_json)
            except (OSError, ValueError) as error:
                _LOG.error("the configuration of %s cannot be read: %s", self._issuer, error)
                raise Refused(PROVIDER) from None
            self._told_s = self._monotonic_s()
        try:
            where = str(self._told[name])
            check_url(where)
        except (KeyError, ValueError):
            raise Refused(PROVIDER, f"the provider names no usable {name}") from None
        return where

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._secret, b"login\0" + body, sha256)


def _posted(request: Request) -> dict[str, Any]:
    with build_opener(Nowhere).open(request, timeout=FETCH_S) as answer:
        told = json.loads(answer.read(FETCHED_BYTES_MAX))
    if not isinstance(told, dict):
        raise ValueError("the answer is no object")
    return told


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    padded = text.encode("ascii") + b"=" * (-len(text) % 4)
    return base64.b64decode(padded, altchars=b"-_", validate=True)
