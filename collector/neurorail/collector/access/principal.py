"""Who sends a request, as their credential says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from neurorail.collector.access.permissions import PERMISSIONS
from neurorail.collector.envelope import ANONYMOUS, DEFAULT_TENANT


@dataclass(frozen=True, slots=True)
class Scope:
    """The missions that a credential is limited to: those named, and those with all the tags."""

    missions: frozenset[str] = frozenset()
    tags: tuple[tuple[str, str], ...] = ()

    def covers(self, mission_id: str | None, tags: Mapping[str, str]) -> bool:
        """Whether a mission is within the limits."""
        if self.missions and mission_id not in self.missions:
            return False
        return all(tags.get(key) == value for key, value in self.tags)


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller. Nothing here comes from what the request itself says."""

    name: str
    """As records and the audit trail name it: `key:1a2b3c4d`, `jwt:…`, `anonymous`."""
    tenant: str
    permissions: frozenset[str]
    role: str | None = None
    agent: bool = False
    """An agent may use what is declared for agents, and nothing else."""
    scope: Scope | None = None
    expires_unix_nano: int | None = None
    rate_per_s: int | None = None
    """Requests a second it may send; None takes the server's default."""

    def missing(self, needed: tuple[str, ...]) -> list[str]:
        """Which of the needed permissions it has not."""
        return [name for name in needed if name not in self.permissions]


OPEN_PRINCIPAL: Final = Principal(ANONYMOUS, DEFAULT_TENANT, frozenset(PERMISSIONS), role="admin")
"""Everybody who reaches a server without credentials."""
