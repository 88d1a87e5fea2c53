"""Entities, their chains and their lifecycle."""

from __future__ import annotations

from typing import Any, NotRequired

from neurorail.client.answers.common import Level, State, TypedDict, Warned


class Totals(TypedDict):
    """What an entity and all below it consumed."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost_usd: float
    unpriced_calls: int
    model_calls: int
    tool_calls: int
    attempt_count: int
    retry_count: int


class BudgetLimits(TypedDict):
    """Limits of an entity and all below it; None is unlimited, zero is zero."""

    timeout_ms: int | None
    max_tokens: int | None
    max_cost_usd: float | None
    max_retries: int | None
    max_parallel: int | None
    max_tool_calls: int | None
    max_input_tokens: int | None
    max_output_tokens: int | None
    max_model_calls: int | None


class Entity(TypedDict):
    """A mission, plan, job, attempt or resource. Ids are there from the mission down to its own."""

    entity_type: Level
    entity_id: str
    parent_id: str | None
    mission_id: str | None
    plan_id: NotRequired[str | None]
    job_id: NotRequired[str | None]
    attempt_id: NotRequired[str | None]
    resource_id: NotRequired[str | None]
    state: State
    flags: list[str]
    created_at: str | None
    started_at: str | None
    ended_at: str | None
    duration_ms: int | None
    tt_first_signal_ms: int | None
    error_code: str | None
    parent_mission_id: NotRequired[str | None]
    plan_type: NotRequired[str]
    job_type: NotRequired[str | None]
    dependencies: NotRequired[list[str]]
    attempt_number: NotRequired[int | None]
    resource_type: NotRequired[str | None]
    tags: dict[str, str]
    metadata: dict[str, Any]
    agent: str | None
    service: str | None
    model: str | None
    provider: str | None
    tool: str | None
    budget: BudgetLimits | None
    totals: Totals


class CreatedEntity(Entity):
    """An entity that was created."""

    warnings: list[Warned]


class ImpliedEntity(TypedDict):
    """An ancestor that is named and was not heard of yet."""

    entity_type: Level
    entity_id: str
    mission_id: NotRequired[str]
    plan_id: NotRequired[str]
    job_id: NotRequired[str]
    attempt_id: NotRequired[str]
    resource_id: NotRequired[str]
    state: None
    flags: list[str]


class Trace(TypedDict):
    """An entity with its ancestors, one level each, and all below it, parents first."""

    mission: Entity | ImpliedEntity | None
    plan: Entity | ImpliedEntity | None
    job: Entity | ImpliedEntity | None
    attempt: Entity | ImpliedEntity | None
    resource: Entity | ImpliedEntity | None
    resources: list[Entity]
    descendants: list[Entity]
    truncated: bool


class EntityState(TypedDict):
    """Where an entity is in its lifecycle."""

    entity_type: Level
    entity_id: str
    state: State
    current_state: State
    last_transition_at: str | None
    allowed_transitions: list[str]
    flags: list[str]
    error_code: str | None


class Transitioned(TypedDict):
    """What became of a reported transition."""

    transition_id: str | None
    entity_type: Level
    entity_id: str
    from_state: State | None
    to_state: State
    transition: str
    timestamp: str | None
    event_id: str | None
    confirmed: bool
    state: State
    allowed_transitions: list[str]


class Transition(TypedDict):
    """One step that an entity took."""

    transition_id: str
    entity_type: str
    entity_id: str
    from_state: str | None
    to_state: str | None
    transition: str | None
    timestamp: str | None
    received_at: str | None
    inferred: bool
    gap: bool
    reason: str | None
    error_code: str | None
    principal: str
    event_id: str
    metadata: dict[str, Any]


class History(TypedDict):
    """The steps of an entity, oldest first."""

    entity_type: Level
    entity_id: str
    transitions: list[Transition]
    total_transitions: int
    next_cursor: str | None
