"""Bearer tokens of an OpenID Connect provider: checked here, never asked about elsewhere.

The provider's keys are fetched beside the requests and kept. A token under a key that is not known
yet makes them be fetched again, at most every few seconds, so that a provider may change its keys.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, build_opener

from joserfc import jws, jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import KeySet

from neurorail.collector.access.permissions import PERMISSIONS, ROLES
from neurorail.collector.access.principal import Principal
from neurorail.collector.access.verdicts import EXPIRED, UNKNOWN, Denial
from neurorail.collector.envelope import DEFAULT_TENANT, is_tenant

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384",
                     "ES512", "EdDSA")  # fmt: skip
"""Algorithms that may be allowed: those whose signing key the provider alone has."""
LEEWAY_S: Final = 30
FETCH_S: Final = 5.0
FETCHED_BYTES_MAX: Final = 1 << 20
AGAIN_S: Final = 10.0
"""How often an unknown key may make the keys be fetched."""
TOKEN_CHARS_MAX: Final = 16_384
_LOG: Final = logging.getLogger(__name__)
_NANOS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Provider:
    """Whose tokens are believed, and what they may do."""

    issuer: str
    audience: str
    jwks_url: str | None = None
    """Where its keys are; None asks `ISSUER/.well-known/openid-configuration`."""
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    role_claim: str = "roles"
    """The claim with roles, a text or a list; dots lead into objects."""
    roles: Mapping[str, str] = field(default_factory=lambda: {name: name for name in ROLES})
    """Value of the claim → role."""
    tenant_claim: str | None = None
    """The claim with the tenant; None: everybody is of the tenant `default`."""
    keys_kept_s: float = 300.0

    def __post_init__(self) -> None:
        for name in self.algorithms:
            if name not in ALGORITHMS:
                raise ValueError(f"algorithm {name!r} is none of {', '.join(ALGORITHMS)}")
        for url in (self.issuer, self.jwks_url):
            if url is not None:
                check_url(url)
        for role in self.roles.values():
            if role not in ROLES:
                raise ValueError(f"role {role!r} is none of {', '.join(ROLES)}")


Fetch = Callable[[str], bytes]
"""The content at an address. Blocks."""


class Tokens:
    """Checks tokens of one provider."""

    def __init__(
        self, provider: Provider, monotonic_s: Callable[[], float], fetch: Fetch | None = None
    ) -> None:
        self._provider = provider
        self._monotonic_s = monotonic_s
        self._fetch = fetch or fetch_json
        self._keys: KeySet | None = None
        self._fetched_s = 0.0
        self._tried_s: float | None = None
        self._fetching = asyncio.Lock()
        exactly = {"essential": True}
        self._claims = {
            "iss": {**exactly, "value": provider.issuer},
            "aud": {**exactly, "value": provider.audience},
            "exp": exactly,
            "sub": exactly,
        }

    async def prepare(self, text: str) -> None:
        """Have the keys ready that a token needs: fetch them if they are old, or lack its key."""
        if self._is_ready(text):
            return
        async with self._fetching:
            now_s = self._monotonic_s()
            recently = self._tried_s is not None and now_s - self._tried_s < AGAIN_S
            if recently or self._is_ready(text):
                return
            self._tried_s = now_s
            try:
                keys = await asyncio.to_thread(self._fetch_keys)
            except (OSError, ValueError, JoseError) as error:
                _LOG.error("the keys of %s cannot be fetched: %s", self._provider.issuer, error)
                return
            self._keys, self._fetched_s = keys, self._monotonic_s()

    def check(self, text: str, now_unix_nano: int) -> Principal | Denial:
        """Who a token is. Blocks on nothing: call `prepare` first."""
        claims = self.claims(text, now_unix_nano)
        return claims if isinstance(claims, Denial) else self.principal(claims)

    def claims(self, text: str, now_unix_nano: int) -> Mapping[str, Any] | Denial:
        """What a token that is believed says. Blocks on nothing: call `prepare` first."""
        unknown = Denial(UNKNOWN, "the token is not one that this server believes")
        if self._keys is None or len(text) > TOKEN_CHARS_MAX:
            return unknown
        try:
            token = jwt.decode(text, self._keys, algorithms=list(self._provider.algorithms))
            claims = token.claims
            registry = jwt.JWTClaimsRegistry(
                now=now_unix_nano // _NANOS,
                leeway=LEEWAY_S,
                **self._claims,  # type: ignore[arg-type]
            )
            registry.validate(claims)
        except ExpiredTokenError:
            return Denial(EXPIRED, "the token has expired")
        except (JoseError, ValueError, TypeError, KeyError):
            return unknown
        return claims

    def principal(self, claims: Mapping[str, Any]) -> Principal | Denial:
        """Whom the claims of a token that is believed name."""
        provider = self._provider
        said = _claim(claims, provider.role_claim)
        values = said if isinstance(said, list) else [said]
        roles = [provider.roles[value] for value in values
                 if isinstance(value, str) and value in provider.roles]  # fmt: skip
        granted = frozenset(name for role in roles for name in ROLES[role])
        tenant: Any = DEFAULT_TENANT
        if provider.tenant_claim is not None:
            tenant = _claim(claims, provider.tenant_claim)
            if not isinstance(tenant, str) or not is_tenant(tenant):
                return Denial(UNKNOWN, f"the token names no tenant in {provider.tenant_claim}")
        strongest = min(roles, key=list(ROLES).index, default=None)
        return Principal(
            name=f"jwt:{str(claims['sub'])[:200]}",
            tenant=tenant,
            permissions=frozenset(name for name in PERMISSIONS if name in granted),
            role=strongest,
            expires_unix_nano=int(claims["exp"]) * _NANOS,
        )

    def _is_ready(self, text: str) -> bool:
        if self._keys is None:
            return False
        if self._monotonic_s() - self._fetched_s > self._provider.keys_kept_s:
            return False
        try:
            wanted = jws.extract_compact(text[:TOKEN_CHARS_MAX].encode()).headers().get("kid")
        except (JoseError, ValueError, UnicodeEncodeError):
            return True  # It is no token: no key would help.
        return wanted is None or any(key.kid == wanted for key in self._keys.keys)

    def _fetch_keys(self) -> KeySet:
        url = self._provider.jwks_url
        if url is None:
            url = str(discover(self._provider.issuer, self._fetch)["jwks_uri"])
            check_url(url)
        return KeySet.import_key_set(json.loads(self._fetch(url)))


def discover(issuer: str, fetch: Fetch) -> dict[str, Any]:
    """The configuration document of a provider. Blocks.

    Raises:
        OSError: it cannot be fetched.
        ValueError: it is none, or another issuer's.
    """
    where = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    told = json.loads(fetch(where))
    if not isinstance(told, dict) or told.get("issuer") != issuer:
        raise ValueError(f"{where} does not speak for {issuer}")
    return told


class Nowhere(HTTPRedirectHandler):
    """Follows no redirection."""

    def redirect_request(self, *_: Any) -> None:
        """Nowhere."""


def fetch_json(url: str) -> bytes:
    """The content at an address, within limits; redirections are not followed. Blocks.

    Raises:
        OSError: it cannot be fetched.
        ValueError: it is too large.
    """
    with build_opener(Nowhere).open(url, timeout=FETCH_S) as answer:
        content: bytes = answer.read(FETCHED_BYTES_MAX + 1)
    if len(content) > FETCHED_BYTES_MAX:
        raise ValueError(f"{url} answers more than {FETCHED_BYTES_MAX} bytes")
    return content


def check_url(url: str) -> None:
    """Raises ValueError unless an address is reached over TLS, or on this machine."""
    parts = urlsplit(url)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise ValueError(f"{url!r} is no https address: keys are only believed over TLS")


def _claim(claims: Mapping[str, Any], path: str) -> Any:
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
