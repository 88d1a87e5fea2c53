"""Why a request goes no further."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from neurorail.collector.envelope import DEFAULT_TENANT

MISSING: Final = "missing"
UNKNOWN: Final = "unknown"
EXPIRED: Final = "expired"
REVOKED: Final = "revoked"
FORBIDDEN: Final = "forbidden"
OUT_OF_SCOPE: Final = "out_of_scope"
THROTTLED: Final = "throttled"
REASONS: Final = (MISSING, UNKNOWN, EXPIRED, REVOKED, FORBIDDEN, OUT_OF_SCOPE, THROTTLED)


@dataclass(frozen=True, slots=True)
class Denial:
    """Why a request goes no further."""

    reason: str
    """One of `REASONS`."""
    detail: str
    principal: str = ""
    """Who it was, as far as that is known: a principal, or the prefix of a key."""
    tenant: str = DEFAULT_TENANT
    permission: str = ""
    """What it lacks."""

    @property
    def authenticated(self) -> bool:
        """Whether the caller is known, and merely may not: 403 instead of 401."""
        return self.reason in (FORBIDDEN, OUT_OF_SCOPE, THROTTLED)
