"""What the API is built from. It owns none of it: the composition root starts and stops it all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from neurorail.api.access import Access, tenant_of
from neurorail.api.config import ApiConfig
from neurorail.api.remembered import Answers
from neurorail.api.texts import EveryText, Texts
from neurorail.collector.agents import Agents
from neurorail.collector.decode.system import SystemRecord, encode_system
from neurorail.collector.engine.governor_view import AppliedGovernor
from neurorail.collector.engine.manifest_view import AppliedManifests
from neurorail.collector.engine.reflex_view import AppliedReflexes
from neurorail.collector.engine.writes import Writes
from neurorail.collector.envelope import Kind, Signal, Submission
from neurorail.collector.health import Health
from neurorail.collector.history import EntityLists, UnitedHistory, UsageSums
from neurorail.collector.stream import StreamHub
from neurorail.collector.views import EngineView


@dataclass(frozen=True, slots=True)
class ApiDependencies:
    """The parts of the server that the API asks."""

    engine: EngineView
    history: UnitedHistory
    governor: AppliedGovernor
    reflexes: AppliedReflexes
    agents: Agents
    lists: EntityLists
    usage: UsageSums
    hub: StreamHub
    health: Health
    readiness: Callable[[], Mapping[str, str | None]]
    """For each part that must be up: None when it is, else why it is not. Never blocks."""
    clock: Callable[[], int]
    """Unix time in nanoseconds."""
    node: str
    version: str
    writes: Writes
    access: Access
    manifests: AppliedManifests
    config: ApiConfig = field(default_factory=ApiConfig)
    texts: Texts = field(default_factory=EveryText)
    """What of clients' texts may be kept outside of records."""
    answers: Answers = field(default_factory=Answers)
    webhooks: frozenset[str] = frozenset()
    """Names of the configured webhooks, which alerts of manifests may name."""

    async def note(self, record: SystemRecord, tenant: str, principal: str) -> None:
        """Put on record what the server did or noticed. Raises `Busy` when that is not possible."""
        await self.writes.note(
            Submission(
                Kind.SYSTEM, Signal.NONE, encode_system(record), tenant, principal, encoding="json"
            )
        )


async def dependencies(request: Request) -> ApiDependencies:
    """The parts that the application was made with."""
    found = request.app.state.dependencies
    assert isinstance(found, ApiDependencies), "create_app puts them there"
    return found


Parts = Annotated[ApiDependencies, Depends(dependencies)]
Tenant = Annotated[str, Depends(tenant_of)]
