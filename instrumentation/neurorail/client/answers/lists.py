"""Lists of entities, spans, usage and violations."""

from __future__ import annotations

from typing import NotRequired

from neurorail.client.answers.audit import AuditEvent
from neurorail.client.answers.common import Level, State, TypedDict
from neurorail.client.answers.entities import Entity


class RowTotals(TypedDict):
    """What an entity of a list consumed until it ended."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    cost_usd: float
    tool_calls: int
    attempt_count: int
    retry_count: int


class EntityRow(TypedDict):
    """An entity as lists show it."""

    entity_type: Level
    entity_id: str
    mission_id: str | None
    plan_id: str | None
    job_id: str | None
    state: State
    created_at: str | None
    started_at: str | None
    ended_at: str | None
    duration_ms: int | None
    error_code: str | None
    job_type: NotRequired[str | None]
    plan_type: NotRequired[str | None]
    tags: dict[str, str]
    agent: str | None
    service: str | None
    model: str | None
    totals: RowTotals


class Missions(TypedDict):
    """A page of missions, newest first; those that began last are given whole."""

    missions: list[Entity | EntityRow]
    limit: int
    first_cursor: str | None
    next_cursor: str | None
    truncated: NotRequired[bool]


class Jobs(TypedDict):
    """A page of jobs, newest first."""

    jobs: list[EntityRow]
    limit: int
    first_cursor: str | None
    next_cursor: str | None


class Attempts(TypedDict):
    """A page of attempts, newest first."""

    attempts: list[EntityRow]
    limit: int
    first_cursor: str | None
    next_cursor: str | None


class ComparedMission(Entity):
    """One of two missions, and what is below it by type and state."""

    below: dict[str, dict[str, int]]


class Difference(TypedDict):
    """The other mission minus the first."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    model_calls: int
    tool_calls: int
    attempt_count: int
    retry_count: int
    unpriced_calls: int
    cost_usd: float
    duration_ms: int | None


class Comparison(TypedDict):
    """Two missions side by side."""

    mission: ComparedMission
    other: ComparedMission
    difference: Difference
    truncated: bool


class SpanEvent(TypedDict):
    """An event of a span."""

    name: str
    timestamp: str
    attributes: dict[str, str]


class Span(TypedDict):
    """A span as it is stored."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    kind: str
    service: str
    scope: str
    start_time: str | None
    duration_ns: int
    status: str
    status_message: str
    attributes: dict[str, str]
    resource_attributes: dict[str, str]
    events: list[SpanEvent]


class MissionSpans(TypedDict):
    """The spans of a mission in order of their start."""

    mission_id: str
    spans: list[Span]
    truncated: bool


class UsageGroup(TypedDict):
    """What one group consumed; the names it was grouped by come first."""

    agent: NotRequired[str | None]
    model: NotRequired[str | None]
    provider: NotRequired[str | None]
    service: NotRequired[str | None]
    tool: NotRequired[str | None]
    operation: NotRequired[str | None]
    job_type: NotRequired[str | None]
    mission: NotRequired[str | None]
    tag: NotRequired[str | None]
    hour: NotRequired[str]
    day: NotRequired[str]
    calls: int
    unpriced_calls: int
    input_tokens: int
    output_tokens: int
    total_tokens: int
    cost_usd: float


class UsageSums(TypedDict):
    """Usage by group, the most expensive first."""

    since: str | None
    until: str | None
    group_by: list[str]
    limit: int
    groups: list[UsageGroup]
    truncated: bool


class Violations(TypedDict):
    """What went against the rules, newest first."""

    violations: list[AuditEvent]
    limit: int
    next_cursor: str | None
