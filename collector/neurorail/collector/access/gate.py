"""Decides who sends a request, and whether they may do what it asks. Blocks on nothing."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol, TypeAlias

from neurorail.collector.access.keys import KEY_PREFIX, SCHEME, ApiKey, KeyStore
from neurorail.collector.access.permissions import PERMISSIONS
from neurorail.collector.access.principal import OPEN_PRINCIPAL, Principal
from neurorail.collector.access.verdicts import (
    EXPIRED,
    FORBIDDEN,
    MISSING,
    OUT_OF_SCOPE,
    REVOKED,
    UNKNOWN,
    Denial,
)
from neurorail.collector.envelope import DEFAULT_TENANT

Headers: TypeAlias = Mapping[str, str]
"""Request headers under lower-case names."""

ADMIN_KEY_CHARS_MIN: Final = 32
ADMIN: Final = "admin-key"
"""The principal of `NEURORAIL_ADMIN_KEY`."""
TOKEN_PREFIX: Final = "jwt:"
LOCAL: Final = "command-line"
"""The principal of the token that the server leaves for the command line of its user."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is configured besides the keys that are stored."""

    admin_key: str | None = None
    """The text of `NEURORAIL_ADMIN_KEY`."""

    def __post_init__(self) -> None:
        if self.admin_key is not None and len(self.admin_key) < ADMIN_KEY_CHARS_MIN:
            raise ValueError(
                f"NEURORAIL_ADMIN_KEY has {len(self.admin_key)} characters: use at least "
                f"{ADMIN_KEY_CHARS_MIN}, for example the output of `openssl rand -hex 32`"
            )


class Bearer(Protocol):
    """Checks bearer tokens that are no API keys."""

    async def prepare(self, text: str) -> None:
        """Have ready what the check needs."""
        ...

    def check(self, text: str, now_unix_nano: int) -> Principal | Denial:
        """Who a token is. Blocks on nothing."""
        ...


def credential_of(headers: Headers) -> str | None:
    """The text of a request's credential: `Authorization: Bearer …`, else `X-API-Key`."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if token and scheme.lower() == "bearer":
        return token.strip()
    return headers.get("x-api-key") or None


class Gate:
    """Authenticates. One a server; its stored keys change while it runs."""

    def __init__(
        self,
        keys: KeyStore,
        clock: Callable[[], int],
        credentials: Credentials | None = None,
        local_token: str | None = None,
        bearer: Bearer | None = None,
    ) -> None:
        self.keys = keys
        self._clock = clock
        self._bearer = bearer
        configured = credentials or Credentials()
        self._fixed = [
            (sha256(text.encode()).digest(), _admin(name))
            for text, name in ((configured.admin_key, ADMIN), (local_token, LOCAL))
            if text
        ]
        self._configured = configured.admin_key is not None or bearer is not None

    @property
    def open(self) -> bool:
        """Whether no credentials are configured, so that every caller is admin."""
        return not self._configured and not self.keys.any

    async def prepare(self, headers: Headers) -> None:
        """Have ready what the check of a bearer token needs; it may fetch the provider's keys."""
        if self._bearer is not None:
            text = credential_of(headers)
            if text is not None and not text.startswith(SCHEME):
                await self._bearer.prepare(text)

    def still_good(self, principal: Principal) -> bool:
        """Whether a caller who was let in would be let in now: for what goes on for long."""
        if principal is OPEN_PRINCIPAL:
            return self.open
        expires = principal.expires_unix_nano
        if expires is not None and self._clock() >= expires:
            return False
        return not isinstance(self.current(principal.name), Denial)

    def current(self, name: str) -> Principal | Denial | None:
        """A principal as it is now; None for those whose token says who they are."""
        for _, principal in self._fixed:
            if principal.name == name:
                return principal
        if name.startswith(TOKEN_PREFIX) and self._bearer is not None:
            return None
        if not name.startswith(KEY_PREFIX):
            return Denial(UNKNOWN, f"{name} is not known any more", name)
        key = self.keys.find(name.removeprefix(KEY_PREFIX))
        if key is None:
            return Denial(UNKNOWN, "the API key behind it is gone", name)
        return self._good(key, self._clock())

    def authenticate(self, headers: Headers) -> Principal | Denial:
        """Who sends a request with these headers."""
        if self.open:
            return OPEN_PRINCIPAL
        text = credential_of(headers)
        if text is None:
            return Denial(
                MISSING, "no credentials: send an API key as `Authorization: Bearer` or `X-API-Key`"
            )
        return self.identify(text)

    def identify(self, text: str) -> Principal | Denial:
        """Whose credential a text is."""
        now = self._clock()
        if text.startswith(SCHEME):
            return self._by_key(text, now)
        digest = sha256(text.encode("utf-8", "surrogateescape")).digest()
        for known, principal in self._fixed:
            if hmac.compare_digest(digest, known):
                return principal
        if self._bearer is not None:
            return self._bearer.check(text, now)
        return Denial(UNKNOWN, "the credential is not one that this server knows")

    def _by_key(self, text: str, now: int) -> Principal | Denial:
        key = self.keys.match(text)
        if key is None:
            prefix = text[: len(SCHEME) + 8]
            return Denial(UNKNOWN, "the API key is not one that this server knows", prefix)
        found = self._good(key, now)
        if not isinstance(found, Denial):
            self.keys.used(key.id, now)
        return found

    def _good(self, key: ApiKey, now: int) -> Principal | Denial:
        name = f"{KEY_PREFIX}{key.id}"
        if key.revoked_unix_nano is not None:
            return Denial(REVOKED, f"the API key {key.prefix} was revoked", name, key.tenant)
        if key.expires_unix_nano is not None and now >= key.expires_unix_nano:
            return Denial(EXPIRED, f"the API key {key.prefix} has expired", name, key.tenant)
        return key.principal()


def permit(
    principal: Principal, needed: tuple[str, ...], *, agents: bool, scoped: bool
) -> Denial | None:
    """Why a caller may not use something; None when they may.

    Args:
        principal: who asks.
        needed: permissions, all of them.
        agents: whether agents' keys may use it.
        scoped: whether it keeps to the missions that a credential is limited to.
    """
    if principal.agent:
        if agents:
            return None
        return _forbidden(principal, needed, "an agent's key may not use this")
    missing = principal.missing(needed)
    if missing:
        return _forbidden(principal, tuple(missing), f"this needs {' and '.join(missing)}")
    if principal.scope is not None and not scoped:
        return Denial(
            OUT_OF_SCOPE,
            "a key that is limited to missions or tags may not use what goes beyond them",
            principal.name,
            principal.tenant,
        )
    return None


def _forbidden(principal: Principal, missing: tuple[str, ...], detail: str) -> Denial:
    return Denial(FORBIDDEN, detail, principal.name, principal.tenant, " ".join(missing))


def _admin(name: str) -> Principal:
    return Principal(name, DEFAULT_TENANT, frozenset(PERMISSIONS), role="admin")
