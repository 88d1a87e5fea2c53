"""An entity as the API shows it."""

from __future__ import annotations

from typing import Any

import msgspec

from neurorail.api.encoding import iso_time, usd_number
from neurorail.api.ids import ID_FIELDS
from neurorail.collector.views import EntityView, Totals
from neurorail.rules.observations import Budget
from neurorail.semconv.attributes import ENTITY_TYPES

_NANOS_PER_MS = 1_000_000


def duration_ms(view: EntityView) -> int | None:
    """From start to end in whole milliseconds; None while it has not both."""
    if not view.started_unix_nano or not view.ended_unix_nano:
        return None
    return max(0, view.ended_unix_nano - view.started_unix_nano) // _NANOS_PER_MS


def totals_body(totals: Totals) -> dict[str, Any]:
    """What an entity and all below it consumed."""
    return {
        "input_tokens": totals.input_tokens,
        "output_tokens": totals.output_tokens,
        "total_tokens": totals.input_tokens + totals.output_tokens,
        "cache_read_tokens": totals.cache_read_tokens,
        "cache_write_tokens": totals.cache_write_tokens,
        "reasoning_tokens": totals.reasoning_tokens,
        "cost_usd": usd_number(totals.cost_usd_pico),
        "unpriced_calls": totals.unpriced_calls,
        "model_calls": totals.model_calls,
        "tool_calls": totals.tool_calls,
        "attempt_count": totals.attempts,
        "retry_count": totals.retries,
    }


def _budget_body(budget: Budget | None) -> dict[str, Any] | None:
    if budget is None:
        return None
    cost = budget.max_cost_usd_pico
    return {
        "timeout_ms": budget.timeout_ms,
        "max_tokens": budget.max_tokens,
        "max_cost_usd": None if cost is None else usd_number(cost),
        "max_retries": budget.max_retries,
        "max_parallel": budget.max_parallel,
        "max_tool_calls": budget.max_tool_calls,
        "max_input_tokens": budget.max_input_tokens,
        "max_output_tokens": budget.max_output_tokens,
        "max_model_calls": budget.max_model_calls,
    }


def _own_fields(view: EntityView) -> dict[str, Any]:
    fields = view.fields
    match view.entity_type:
        case "mission":
            return {"parent_mission_id": fields.parent_mission_id}
        case "plan":
            return {"plan_type": fields.plan_type or "sequential"}
        case "job":
            return {"job_type": fields.job_type, "dependencies": fields.dependencies}
        case "attempt":
            return {"attempt_number": fields.attempt_number}
        case _:
            return {"resource_type": fields.resource_type}


def entity_body(view: EntityView) -> dict[str, Any]:
    """One entity: its chain, state, times, own fields and totals."""
    level = ENTITY_TYPES.index(view.entity_type)
    fields = view.fields
    metadata = fields.metadata_json
    return {
        "entity_type": view.entity_type,
        "entity_id": view.entity_id,
        "parent_id": view.ids[level - 1] if level else None,
        **{ID_FIELDS[at]: view.ids[at] for at in range(level + 1)},
        "state": view.state,
        "flags": view.flags,
        "created_at": iso_time(view.created_unix_nano),
        "started_at": iso_time(view.started_unix_nano),
        "ended_at": iso_time(view.ended_unix_nano),
        "duration_ms": duration_ms(view),
        "tt_first_signal_ms": view.first_signal_ms,
        "error_code": view.error_code,
        **_own_fields(view),
        "tags": dict(fields.tags),
        "metadata": msgspec.Raw((metadata or "{}").encode()),
        "agent": fields.agent,
        "service": fields.service,
        "model": fields.model,
        "provider": fields.provider,
        "tool": fields.tool,
        "budget": _budget_body(fields.budget),
        "totals": totals_body(view.totals),
    }


def implied_body(level: int, entity_id: str) -> dict[str, Any]:
    """An ancestor that is named by its descendants but has not reported itself yet."""
    return {
        "entity_type": ENTITY_TYPES[level],
        "entity_id": entity_id,
        ID_FIELDS[level]: entity_id,
        "state": None,
        "flags": ["implied"],
    }
