"""Numbers: of the whole at this moment, and of one entity."""

from __future__ import annotations

from collections.abc import Mapping

from neurorail.api.access import Router, needs
from neurorail.api.dependencies import Parts, Tenant
from neurorail.api.encoding import JsonResponse, iso_time, usd_number
from neurorail.api.entities import duration_ms
from neurorail.api.ids import level_of
from neurorail.api.problems import unknown_entity
from neurorail.collector.access.permissions import READ_METRICS
from neurorail.collector.views import Counts
from neurorail.rules import errors
from neurorail.rules.lifecycle import QUEUED, RUNNING, SUCCEEDED, TERMINAL
from neurorail.semconv.attributes import ENTITY_TYPES

router = Router(prefix="/telemetry", tags=["telemetry"])


@router.get("/metrics/{entity_id}")
@needs(READ_METRICS)
async def entity_metrics(entity_id: str, parts: Parts, tenant: Tenant) -> JsonResponse:
    """What an entity and everything below it took: time, tokens, money, calls, attempts."""
    entity_type = ENTITY_TYPES[level_of(entity_id, "entity_id")]
    view = await parts.engine.entity(tenant, entity_id)
    if view is None:
        raise unknown_entity(entity_type, entity_id)
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


@router.get("/snapshot")
@needs(READ_METRICS)
async def snapshot(parts: Parts, tenant: Tenant) -> JsonResponse:
    """The whole at this moment: what there is, what runs, how much fails."""
    counts = await parts.engine.counts(tenant)
    parts.health.governance.set_active(counts.by_state)
    now = parts.clock()
    return JsonResponse(
        {
            "snapshot_id": f"snap_{parts.node}_{counts.as_of_seq}_{now}",
            "timestamp": iso_time(now),
            "as_of_seq": counts.as_of_seq,
            "entity_counts": {f"{t}s": _created(counts, t) for t in ENTITY_TYPES},
            "by_state": counts.by_state,
            "active_executions": {
                "running_missions": _in_state(counts, "mission", RUNNING),
                "running_jobs": _in_state(counts, "job", RUNNING),
                "running_attempts": _in_state(counts, "attempt", RUNNING),
                "queued_jobs": _in_state(counts, "job", QUEUED),
            },
            "error_rates": _error_rates(parts.health.governance.failures_by_category(),
                                        parts.health.governance.attempts_ended()),
            "totals": {
                name.removesuffix("_pico"): usd_number(value) if name.endswith("_pico") else value
                for name, value in counts.sums.items()
            },
            "prometheus_metrics": parts.health.values("neurorail_"),
        }
    )  # fmt: skip


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
