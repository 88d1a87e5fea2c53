"""What the engine answers when it is asked: read-only pictures of its state, with an `as_of`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from neurorail.rules.observations import Fields, Ids


@dataclass(frozen=True, slots=True)
class Totals:
    """What an entity and everything below it consumed so far."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd_pico: int = 0
    unpriced_calls: int = 0
    model_calls: int = 0
    tool_calls: int = 0
    attempts: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class EntityView:
    """One entity as the engine knows it. Times are 0 where they have not happened."""

    tenant: str
    entity_type: str
    entity_id: str
    ids: Ids
    """The chain of the entity, itself included."""
    state: str
    """`pending` … `cancelled`."""
    created_unix_nano: int
    started_unix_nano: int
    ended_unix_nano: int
    last_transition_unix_nano: int
    first_signal_ms: int | None
    error_code: str | None
    flags: tuple[str, ...]
    """Of `orphan`, `idle`, `silent`, `derived`, `over_budget`."""
    fields: Fields
    totals: Totals
    children: tuple[str, ...] = ()
    """Ids of direct children known, oldest first, bounded."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Entities in each state, by type: `by_state["attempt"]["running"]`, and sums since start."""

    by_state: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Only entities the engine holds open or has recently ended; `ended` sums are in `sums`."""
    sums: Mapping[str, int] = field(default_factory=dict)
    """Since the data directory was made: `missions`, `plans`, `jobs`, `attempts`, `resources`
    created, `violations`, `transitions`, `events`, `cost_usd_pico`, `input_tokens`, …"""
    as_of_seq: int = 0


class EngineView(Protocol):
    """Asks the engine, between two slices of its work. Every answer is of one moment."""

    async def entity(self, tenant: str, entity_id: str) -> EntityView | None:
        """One entity from the engine's memory or its cold store; None when it was never seen."""
        ...

    async def subtree(self, tenant: str, entity_id: str, limit: int) -> Sequence[EntityView]:
        """The entity and its descendants, parents first, at most `limit`."""
        ...

    async def recent_missions(self, tenant: str, limit: int) -> Sequence[EntityView]:
        """The missions that were created last, newest first."""
        ...

    async def counts(self, tenant: str) -> Counts:
        """Counts over all entities of a tenant."""
        ...
