"""Numbers: of the whole at this moment, and of one entity."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field

from neurorail.api.access import Router, needs
from neurorail.api.dependencies import Parts, Tenant
from neurorail.api.encoding import JsonResponse, iso_time, usd_number
from neurorail.api.entities import duration_ms
from neurorail.api.ids import check_entity, level_of
from neurorail.api.looking import Looking
from neurorail.api.problems import unknown_entity
from neurorail.api.writing import USD_MAX, Body, Count, Writing, json_value
from neurorail.collector.access.permissions import READ_METRICS, WRITE_METRICS
from neurorail.collector.decode.commands import UsageCommand
from neurorail.collector.health.governance import GovernanceMetrics
from neurorail.collector.views import Counts
from neurorail.rules import errors
from neurorail.rules.lifecycle import QUEUED, RUNNING, SUCCEEDED, TERMINAL
from neurorail.rules.observations import MISSION
from neurorail.semconv.attributes import ENTITY_TYPES

router = Router(prefix="/telemetry", tags=["telemetry"])


@router.get("/metrics/{entity_id}")
@needs(READ_METRICS, scoped=True)
async def entity_metrics(entity_id: str, look: Looking) -> JsonResponse:
    """What an entity and everything below it took: time, tokens, money, calls, attempts."""
    entity_type = ENTITY_TYPES[level_of(entity_id, "entity_id")]
    view = await look.entity(entity_type, entity_id)
    totals = view.totals
    return JsonResponse(
        {
            "entity_id": entity_id,
            "entity_type": entity_type,
            "started_at": iso_time(view.started_unix_nano),
            "completed_at": iso_time(view.ended_unix_nano),
            "duration_ms": duration_ms(view),
            "input_tokens": totals.input_tokens,
            "output_tokens": totals.output_tokens,
            "cache_read_tokens": totals.cache_read_tokens,
            "cache_write_tokens": totals.cache_write_tokens,
            "reasoning_tokens": totals.reasoning_tokens,
            "cost_usd": usd_number(totals.cost_usd_pico),
            "unpriced_calls": totals.unpriced_calls,
            "model_calls": totals.model_calls,
            "tool_calls": totals.tool_calls,
            "attempt_count": totals.attempts,
            "retry_count": totals.retries,
            "tt_first_signal_ms": view.first_signal_ms,
            "success": view.state == SUCCEEDED if view.state in TERMINAL else None,
            "error_code": view.error_code,
        }
    )


class UsageBody(Body):
    """What one call of an entity consumed."""

    entity_type: Literal["mission", "plan", "job", "attempt", "resource"]
    entity_id: Annotated[str, Field(max_length=80)]
    duration_ms: Count = None
    input_tokens: Count = None
    output_tokens: Count = None
    cost_usd: Annotated[Decimal | None, Field(ge=0, le=USD_MAX, decimal_places=12)] = None
    success: bool | None = None
    error_code: Annotated[str | None, Field(max_length=64)] = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    operation: Literal["inference", "embedding", "tool"] = "inference"
    provider: Annotated[str | None, Field(max_length=256)] = None
    model: Annotated[str | None, Field(max_length=256)] = None


@router.post("/record", status_code=201)
@needs(WRITE_METRICS, scoped=True)
async def record(body: UsageBody, writer: Writing) -> JsonResponse:
    """Charge what a call consumed to an entity and all above it.

    A cost that is not stated comes from the prices. For usage that no telemetry reports: what is
    reported both ways is charged twice.
    """
    level = check_entity(body.entity_type, body.entity_id)
    view = await writer.known(body.entity_id)
    warnings = []
    ids: list[str | None] = [None] * 5
    ids[level] = body.entity_id
    if view is None:
        await writer.must_cover(body.entity_id if level == MISSION else None)
        if writer.strict:
            raise unknown_entity(body.entity_type, body.entity_id)
        detail = f"{body.entity_type} {body.entity_id!r} is not known yet"
        warnings.append({"code": "unknown-entity", "field": "entity_id", "detail": detail})
    else:
        ids = list(view.ids)
    command = UsageCommand(
        level,
        (ids[0], ids[1], ids[2], ids[3], ids[4]),
        duration_ms=body.duration_ms,
        input_tokens=body.input_tokens,
        output_tokens=body.output_tokens,
        cost_usd=body.cost_usd,
        success=body.success,
        error_code=body.error_code,
        metadata=json_value("metadata", body.metadata),
        operation=body.operation,
        provider=body.provider,
        model=body.model,
    )
    outcome = await writer.write(command, body, "telemetry-record")
    tracked = outcome.first("cost_tracked")
    told = tracked.data if tracked is not None else {}
    cost = told.get("cost_usd_pico")
    answer = {
        "event_id": tracked.event_id if tracked is not None else None,
        "timestamp": iso_time(outcome.received_unix_nano),
        "entity_type": body.entity_type,
        "entity_id": body.entity_id,
        "input_tokens": told.get("input_tokens"),
        "output_tokens": told.get("output_tokens"),
        "cost_usd": None if cost is None else usd_number(cost),
        "priced": told.get("priced"),
        "violations": [
            one.data.get("violation_type")
            for one in outcome.said
            if one.event_type == "budget_violation"
        ],
        "warnings": warnings,
    }
    return outcome.answer(answer, 201)


@router.get("/snapshot")
@needs(READ_METRICS)
async def snapshot(parts: Parts, tenant: Tenant) -> JsonResponse:
    """The whole at this moment: what there is, what runs, how much fails.

    `received` counts spans, log records and metric points that this server took in since it
    started, of all tenants.
    """
    counts = await parts.engine.counts(tenant)
    parts.health.governance.set_active(counts.by_state)
    now = parts.clock()
    return JsonResponse(
        {
            "snapshot_id": f"snap_{parts.node}_{counts.as_of_seq}_{now}",
            "timestamp": iso_time(now),
            "as_of_seq": counts.as_of_seq,
            **snapshot_body(counts, parts.health.governance),
            "received": parts.health.received(),
            "prometheus_metrics": parts.health.values("neurorail_"),
        }
    )


def snapshot_body(counts: Counts, governance: GovernanceMetrics) -> dict[str, Any]:
    """What a snapshot holds besides its name and time."""
    return {
        "entity_counts": {f"{t}s": _created(counts, t) for t in ENTITY_TYPES},
        "by_state": counts.by_state,
        "active_executions": {
            "running_missions": _in_state(counts, "mission", RUNNING),
            "running_jobs": _in_state(counts, "job", RUNNING),
            "running_attempts": _in_state(counts, "attempt", RUNNING),
            "queued_jobs": _in_state(counts, "job", QUEUED),
        },
        "error_rates": _error_rates(governance.failures_by_category(), governance.attempts_ended()),
        "totals": {
            name.removesuffix("_pico"): usd_number(value) if name.endswith("_pico") else value
            for name, value in counts.sums.items()
        },
    }


def _created(counts: Counts, entity_type: str) -> int:
    held = sum(counts.by_state.get(entity_type, {}).values())
    return counts.sums.get(f"{entity_type}s", held)


def _in_state(counts: Counts, entity_type: str, state: str) -> int:
    return counts.by_state.get(entity_type, {}).get(state, 0)


def _error_rates(failed: Mapping[str, float], ended: float) -> dict[str, float]:
    """Failed attempts of each kind to all that ended since start, 0 to 1."""
    ended = ended or 1.0
    return {
        "mechanical_errors": failed.get(errors.MECHANICAL, 0.0) / ended,
        "ethical_errors": failed.get(errors.ETHICAL, 0.0) / ended,
        "system_errors": failed.get(errors.SYSTEM, 0.0) / ended,
    }
