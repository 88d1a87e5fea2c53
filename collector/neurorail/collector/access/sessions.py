"""Signed texts that stand for a credential: a browser's session, and tickets for one stream.

They are made for somebody who has shown a credential, name it and not repeat it, and are good for
nothing when it is revoked or has expired.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from hashlib import sha256
from typing import Final, Protocol

import msgspec

from neurorail.collector.access.principal import Principal
from neurorail.collector.access.verdicts import EXPIRED, UNKNOWN, Denial

SESSION: Final = "session"
TICKET: Final = "ticket"
_NANOS: Final = 1_000_000_000
_TEXT_MAX: Final = 8_192


class _Content(msgspec.Struct, frozen=True, kw_only=True):
    use: str
    principal: str
    tenant: str
    expires_unix_nano: int
    csrf: str = ""
    permissions: tuple[str, ...] = ()
    """Of those who are in no store: what their token granted."""
    role: str | None = None


class Known(Protocol):
    """Where principals that are stored are looked up anew."""

    def current(self, name: str) -> Principal | Denial | None:
        """A stored principal as it is now, why it is good no more, or None if it is not stored."""
        ...


class Issued(msgspec.Struct, frozen=True):
    """A text that was made."""

    text: str
    csrf: str
    """What writes of a session have to repeat in a header."""
    expires_unix_nano: int


class Sessions:
    """Makes and reads them. Holds nothing but its secret."""

    def __init__(self, secret: bytes, known: Known) -> None:
        self._secret = secret
        self._known = known

    def issue(self, use: str, principal: Principal, now_unix_nano: int, ttl_s: int) -> Issued:
        """Make one for a caller; it never outlives the credential behind it."""
        expires = now_unix_nano + ttl_s * _NANOS
        if principal.expires_unix_nano is not None:
            expires = min(expires, principal.expires_unix_nano)
        csrf = secrets.token_urlsafe(24) if use == SESSION else ""
        content = _Content(
            use=use,
            principal=principal.name,
            tenant=principal.tenant,
            expires_unix_nano=expires,
            csrf=csrf,
            permissions=tuple(sorted(principal.permissions)),
            role=principal.role,
        )
        body = msgspec.json.encode(content)
        return Issued(f"{_text(body)}.{_text(self._mac(body))}", csrf, expires)

    def read(self, use: str, text: str, now_unix_nano: int) -> tuple[Principal, str] | Denial:
        """Whom a text stands for, and its CSRF token; or why for nobody."""
        unknown = Denial(UNKNOWN, f"the {use} is not one that this server made")
        try:
            body, mac = (_bytes(part) for part in text[:_TEXT_MAX].split("."))
        except (ValueError, binascii.Error):
            return unknown
        if not hmac.compare_digest(mac, self._mac(body)):
            return unknown
        content = msgspec.json.decode(body, type=_Content)
        if content.use != use:
            return unknown
        if now_unix_nano >= content.expires_unix_nano:
            return Denial(
                EXPIRED, f"the {use} has expired: sign in again", content.principal, content.tenant
            )
        found = self._known.current(content.principal)
        if isinstance(found, Denial):
            return found
        if found is None:
            found = Principal(
                content.principal,
                content.tenant,
                frozenset(content.permissions),
                role=content.role,
                expires_unix_nano=content.expires_unix_nano,
            )
        return found, content.csrf

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._secret, body, sha256)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    padded = text.encode("ascii") + b"=" * (-len(text) % 4)
    return base64.b64decode(padded, altchars=b"-_", validate=True)
