"""Changing the budget of what runs: raising it so that work goes on, or lowering it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from neurorail.api.access import Router, needs
from neurorail.api.encoding import JsonResponse, iso_time, usd_number
from neurorail.api.ids import check_entity
from neurorail.api.problems import Problem, bad_field, unknown_entity
from neurorail.api.writing import FREE_TEXT_MAX, USD_MAX, Body, Count, Outcome, Writer, Writing
from neurorail.collector.access.permissions import MANAGE_ENFORCEMENT
from neurorail.collector.decode.budgets import BudgetCommand, BudgetInput
from neurorail.rules.manifest.limits import ENFORCE

router = Router(prefix="/budgets", tags=["budgets"])


class LimitsBody(Body):
    """Limits to be set; what is left out, or null, stays. Zero is zero; none can be removed."""

    timeout_ms: Count = None
    max_tokens: Count = None
    max_input_tokens: Count = None
    max_output_tokens: Count = None
    max_cost_usd: Annotated[Decimal | None, Field(ge=0, le=USD_MAX, decimal_places=12)] = None
    max_tool_calls: Count = None
    max_model_calls: Count = None
    max_retries: Count = None
    max_parallel: Count = None


class ChangeBody(Body):
    """New limits of an entity, and why."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"limits": {"max_cost_usd": "5.00"}, "reason": "the customer agreed to go on"}
            ]
        },
    )

    limits: LimitsBody
    reason: Annotated[str, Field(min_length=1, max_length=FREE_TEXT_MAX, pattern=r"\S")]


class Bound(BaseModel):
    """What one limit of the entity leaves, alone and together with all others that hold."""

    kind: str
    limit: float
    consumed: float
    reserved: float
    unsettled: float
    left: float
    least_left: float
    """What is left of this kind in the tightest of all budgets and pools that hold."""
    bound_by: dict[str, str] | None
    """That budget or pool, where it is not this limit."""


class Changed(BaseModel):
    """A budget that was changed."""

    entity_type: str
    entity_id: str
    mission_id: str | None
    before: dict[str, float | None]
    """The limits that were in force before, the strictest of all that stated one."""
    limits: dict[str, float]
    reason: str
    timestamp: str
    event_id: str
    lifted: list[str]
    """Directives that held because of the old limits."""
    remaining: list[Bound]


NO_LIMIT: Final = (
    "name at least one limit, with a number; null is as left out: a limit can be raised as far as "
    "you like, and not removed"
)
_EXAMPLE: Final = {
    "entity_type": "mission",
    "entity_id": "m_42",
    "mission_id": "m_42",
    "before": {"max_cost_usd": 1},
    "limits": {"max_cost_usd": 5},
    "reason": "the customer agreed to go on",
    "timestamp": "2026-03-01T12:00:00.000000000Z",
    "event_id": "n1.1.815.0",
    "lifted": ["budget:m_42:cost:"],
    "remaining": [
        {
            "kind": "cost",
            "limit": 5,
            "consumed": 1.02,
            "reserved": 0,
            "unsettled": 0,
            "left": 3.98,
            "least_left": 0.5,
            "bound_by": {"pool": "spend-per-agent", "key": '["researcher"]'},
        }
    ],
}


@router.post(
    "/{entity_type}/{entity_id}",
    responses={
        200: {
            "model": Changed,
            "description": "the limits hold from now on",
            "content": {"application/json": {"example": _EXAMPLE}},
        }
    },
)
@needs(MANAGE_ENFORCEMENT, scoped=True)
async def change_budget(
    entity_type: Annotated[Literal["mission", "plan", "job", "attempt"], Path()],
    entity_id: str,
    body: ChangeBody,
    writer: Writing,
) -> JsonResponse:
    """Set limits of a mission, plan, job or attempt that has not ended; each with its reason.

    They hold in place of what telemetry and the manifest say of the same kinds. Budgets above and
    pools hold as before: `remaining` says what is still left, and by which of them it is bound.
    A limit below what is consumed already is used up at once. 409 where the entity has ended.
    """
    level = check_entity(entity_type, entity_id)
    limits = body.limits.model_dump(exclude_none=True)
    if not limits:
        raise bad_field("limits", "{}", NO_LIMIT)
    view = await writer.known(entity_id)
    if view is None:
        raise unknown_entity(entity_type, entity_id)
    command = BudgetCommand(level, view.ids, BudgetInput(**limits), body.reason)
    outcome = await writer.write(command, body, f"budgets/{entity_type}/{entity_id}")
    _must_be_done(outcome)
    return outcome.answer(await _answer(writer, outcome), 200)


def _must_be_done(outcome: Outcome) -> None:
    """Raise a 409 problem (404 where it is not known) if the engine refused."""
    refused = outcome.first("budget_change_refused")
    if refused is None:
        return
    said = refused.data
    if said["refusal"] == "unknown":
        raise unknown_entity(said["entity_type"], said["entity_id"])
    details = {name: said[name] for name in ("entity_type", "entity_id", "current_state")}
    raise Problem(
        409, "entity-ended", said["reason"], code=said["code"],
        details={**details, "event_id": refused.event_id},
        headers={"Idempotent-Replayed": "true"} if outcome.repeated else None,
    )  # fmt: skip


async def _answer(writer: Writer, outcome: Outcome) -> dict[str, Any]:
    said = outcome.first("budget_changed")
    assert said is not None, "what is not refused is done"
    data = said.data
    books = await writer.parts.governor.budgets(writer.tenant, data["entity_id"])
    lifted = [
        one.data["directive_id"] for one in outcome.said if one.event_type == "directive_lifted"
    ]
    return {
        "entity_type": data["entity_type"],
        "entity_id": data["entity_id"],
        "mission_id": data["mission_id"],
        "before": data["before"],
        "limits": data["limits"],
        "reason": data["reason"],
        "timestamp": iso_time(said.timestamp_unix_nano),
        "event_id": said.event_id,
        "lifted": lifted,
        "remaining": [] if books is None else _bounds(books.scopes, data["entity_id"]),
    }


def _bounds(scopes: list[dict[str, Any]], entity_id: str) -> list[dict[str, Any]]:
    """Each limit of the entity, beside the tightest of its kind in all that holds for it."""
    every = [one for scope in scopes for one in scope["limits"] if one["severity"] == ENFORCE]
    own = {"entity_id": entity_id}
    found = []
    for one in every:
        if one["scope"].items() >= own.items():
            same = (other for other in every if other["kind"] == one["kind"])
            found.append(_bound(one, min(same, key=lambda other: int(other["left"]))))
    return found


def _bound(one: dict[str, Any], tightest: dict[str, Any]) -> dict[str, Any]:
    amounts = {name: one[name] for name in ("limit", "consumed", "reserved", "unsettled", "left")}
    amounts["least_left"] = tightest["left"]
    if one["kind"] == "cost":
        amounts = {name: usd_number(amount) for name, amount in amounts.items()}
    bound_by = tightest["scope"] if tightest["left"] < one["left"] else None
    return {"kind": one["kind"], **amounts, "bound_by": bound_by}
