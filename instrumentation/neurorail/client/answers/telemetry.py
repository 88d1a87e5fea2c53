"""Numbers: of one entity, and of the whole."""

from __future__ import annotations

from neurorail.client.answers.common import Level, TypedDict, Warned


class EntityMetrics(TypedDict):
    """What an entity and everything below it took."""

    entity_id: str
    entity_type: Level
    started_at: str | None
    completed_at: str | None
    duration_ms: int | None
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost_usd: float
    unpriced_calls: int
    model_calls: int
    tool_calls: int
    attempt_count: int
    retry_count: int
    tt_first_signal_ms: int | None
    success: bool | None
    error_code: str | None


class UsageRecorded(TypedDict):
    """Usage that was charged."""

    event_id: str | None
    timestamp: str | None
    entity_type: Level
    entity_id: str
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    priced: bool | None
    violations: list[str]
    warnings: list[Warned]


class Snapshot(TypedDict):
    """The whole at one moment."""

    snapshot_id: str
    timestamp: str | None
    as_of_seq: int
    entity_counts: dict[str, int]
    by_state: dict[str, dict[str, int]]
    active_executions: dict[str, int]
    error_rates: dict[str, float]
    totals: dict[str, float]
    received: dict[str, int]
    prometheus_metrics: dict[str, float]
