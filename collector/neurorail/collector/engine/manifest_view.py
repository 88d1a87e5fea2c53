"""Pictures of a tenant's manifests, taken on the applier's thread."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from neurorail.collector.engine.view import Asked
from neurorail.rules.engine import Engine
from neurorail.rules.manifest.changes import compared_of, unmet_conditions
from neurorail.rules.manifest.records import ACTIVE, RETIRED, Entry, entries


@dataclass(frozen=True, slots=True)
class ManifestView:
    """One manifest and where it stands."""

    version: str
    name: str
    state: str
    sha256: str
    previous_sha256: str
    chain_sha256: str
    created_unix_nano: int
    since_unix_nano: int
    canonical: bytes
    source: str
    compared: dict[str, Any]
    """What it has shown as a shadow."""
    unmet: tuple[str, ...]
    """Why the active manifest's gate does not let it pass; empty if it does."""


@dataclass(frozen=True, slots=True)
class ManifestList:
    """All manifests of a tenant, oldest first."""

    manifests: tuple[ManifestView, ...]
    active_version: str
    """Of the one that holds, the shipped one included."""
    active_sha256: str
    active_canonical: bytes


class AppliedManifests:
    """Asks a running engine for its manifests."""

    def __init__(self, engine: Asked) -> None:
        self._engine = engine

    async def all(self, tenant: str) -> ManifestList:
        """The manifests of a tenant.

        Raises:
            Busy: the engine cannot answer now.
        """
        return await self._engine.ask(partial(_list, tenant=tenant))


def _list(engine: Engine, tenant: str) -> ManifestList:
    state = engine.state
    state.tenant = tenant
    active = state.manifest
    found = tuple(_view(engine, entry) for entry in entries(state))
    return ManifestList(found, active.version, active.sha256, active.json)


def _view(engine: Engine, entry: Entry) -> ManifestView:
    state = engine.state
    waits = entry.state not in (ACTIVE, RETIRED)
    return ManifestView(
        entry.version,
        entry.name,
        entry.state,
        entry.sha256,
        entry.previous_sha256,
        entry.chain_sha256,
        entry.created_unix_nano,
        entry.since_unix_nano,
        entry.canonical,
        entry.source,
        compared_of(state, entry).data(),
        tuple(unmet_conditions(state, entry)) if waits else (),
    )
