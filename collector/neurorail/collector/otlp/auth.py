"""The authentication seam: who sends, and for which tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from neurorail.collector.envelope import ANONYMOUS, DEFAULT_TENANT
from neurorail.collector.otlp.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request. Comes from credentials, never from telemetry."""

    tenant: str = DEFAULT_TENANT
    principal: str = ANONYMOUS


OPEN_CALLER: Final = Caller()


class Authenticator(Protocol):
    """Decides from a request's headers who sends it."""

    def authenticate(self, headers: Mapping[str, str], signal: str) -> Caller | Refusal:
        """Return the caller of an export of `traces`, `logs` or `metrics`, or why there is none.

        Header names are lower case. Must not block.
        """
        ...


class OpenAuthenticator:
    """Everybody is the anonymous principal of the default tenant."""

    def authenticate(self, headers: Mapping[str, str], signal: str) -> Caller | Refusal:
        """Return the anonymous caller."""
        return OPEN_CALLER
