"""A snapshot of the numbers of every tenant, put on record at a steady pace."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from neurorail.api.routes.telemetry import snapshot_body
from neurorail.collector.decode.system import NotedRecord, encode_system
from neurorail.collector.envelope import Kind, Signal, Submission
from neurorail.collector.health.governance import GovernanceMetrics
from neurorail.collector.views import Counts


class CountsOfTenants(Protocol):
    """The engine, as far as snapshots ask it."""

    async def tenants(self) -> Sequence[str]:
        """Tenants with entities."""
        ...

    async def counts(self, tenant: str) -> Counts:
        """Counts over all entities of a tenant."""
        ...


class Snapshots:
    """Notes a snapshot of every tenant each time its interval is over."""

    def __init__(
        self,
        engine: CountsOfTenants,
        governance: GovernanceMetrics,
        append: Callable[[Sequence[Submission]], Awaitable[object]],
        interval_s: float,
    ) -> None:
        """An interval of 0 means never."""
        self._engine = engine
        self._governance = governance
        self._append = append
        self._interval_s = interval_s
        self._next_s = interval_s

    async def take_if_due(self, now_s: float) -> None:
        """Take them if it is time; `now_s` is monotonic and begins near 0.

        Raises:
            InboxError: they could not be put on record.
            Busy: the engine is not running.
        """
        if not self._interval_s or now_s < self._next_s:
            return
        self._next_s = now_s + self._interval_s
        records = []
        for tenant in await self._engine.tenants():
            body = snapshot_body(await self._engine.counts(tenant), self._governance)
            noted = NotedRecord("snapshot_created", body, "a snapshot was taken")
            records.append(
                Submission(
                    Kind.SYSTEM, Signal.NONE, encode_system(noted), tenant, "server",
                    encoding="json",
                )
            )  # fmt: skip
        if records:
            await self._append(records)
