"""Asking the governor: decisions, and what becomes of what they reserve."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import Request

from neurorail.api.access import Caller, Router, needs
from neurorail.api.asking import archive_answers
from neurorail.api.decide_input import (
    DecideInput,
    ReportInput,
    body_schema,
    fingerprint,
    read_decide,
    read_report,
)
from neurorail.api.dependencies import ApiDependencies, Parts, Tenant
from neurorail.api.encoding import JsonResponse, iso_time
from neurorail.api.ids import ID_FIELDS
from neurorail.api.looking import must_cover
from neurorail.api.minting import DECISION, RESERVATION, digits
from neurorail.api.paging import Cursor, PageItems, read_cursor, write_cursor
from neurorail.api.problems import Problem, bad_field
from neurorail.collector.access import Denial, Principal
from neurorail.collector.access.permissions import (
    EMERGENCY_OVERRIDE,
    READ_LIFECYCLE,
    WRITE_LIFECYCLE,
)
from neurorail.collector.access.verdicts import FORBIDDEN
from neurorail.collector.decode.commands import Command, encode_command
from neurorail.collector.decode.decide import DecideCommand, ReservationCommand
from neurorail.collector.envelope import Kind, Signal, Submission
from neurorail.collector.history import EventFilter
from neurorail.collector.stream import StreamEvent

router = Router(tags=["governor"])

OPERATIONS = ("reconcile", "release")
_NULL = msgspec.Raw(b"null")


class _Decided(msgspec.Struct, gc=False):
    """What an answer shows of a decision's data, most of it as it stands."""

    decision_id: str
    mode: msgspec.Raw
    allowed: bool
    code: msgspec.Raw
    reason: msgspec.Raw
    reasons: msgspec.Raw
    matched_rules: msgspec.Raw
    recovery_strategy: msgspec.Raw
    retry_after_ms: msgspec.Raw
    reservation_id: str | None
    ttl_ms: int | None
    reserved: msgspec.Raw
    estimated: msgspec.Raw
    remaining: msgspec.Raw
    budgets: msgspec.Raw
    job_type: msgspec.Raw
    manifest_version: msgspec.Raw
    override: msgspec.Raw
    mission_id: str | None = None
    plan_id: str | None = None
    job_id: str | None = None
    attempt_id: str | None = None
    resource_id: str | None = None


_decided = msgspec.json.Decoder(_Decided)


def decision_body(data: bytes, timestamp_unix_nano: int) -> dict[str, Any]:
    """A decision as the API answers it, from its event's data."""
    found = _decided.decode(data)
    reservation = None
    if found.reservation_id is not None:
        reservation = {"id": found.reservation_id, "ttl_ms": found.ttl_ms}
    return {
        "decision_id": found.decision_id,
        "timestamp": iso_time(timestamp_unix_nano),
        "mode": found.mode,
        "allowed": found.allowed,
        "code": found.code,
        "reason": found.reason,
        "reasons": found.reasons,
        "matched_rules": found.matched_rules,
        "recovery_strategy": found.recovery_strategy,
        "reservation": reservation,
        "reserved": found.reserved,
        "estimated": found.estimated,
        "remaining": found.remaining,
        "budgets": found.budgets,
        "retry_after_ms": found.retry_after_ms,
        "job_type": found.job_type,
        "manifest_version": found.manifest_version,
        "override": found.override,
        **{name: getattr(found, name) for name in ID_FIELDS},
    }


async def _execute(
    parts: ApiDependencies, tenant: str, caller: Principal, command: Command
) -> list[StreamEvent]:
    """Make a command durable and wait for what it became."""
    body = encode_command(command)
    record = Submission(Kind.COMMAND, Signal.NONE, body, tenant, caller.name, "json")
    return (await parts.writes.write(record)).events


@router.post("/decide", openapi_extra=body_schema(DecideInput, required=True))
@needs(WRITE_LIFECYCLE, agents=True, scoped=True)
async def decide(request: Request, parts: Parts, tenant: Tenant, caller: Caller) -> JsonResponse:
    """May this be done? A refusal is an answer (200) with `allowed` false.

    What is allowed is reserved on every budget and pool it touches until usage settles it.
    """
    given = read_decide(await request.body())
    key = given.idempotency_key or request.headers.get("idempotency-key")
    if key is not None and not 1 <= len(key) <= 200:
        raise bad_field("idempotency-key", key, "an idempotency key has 1 to 200 characters")
    if given.override is not None and EMERGENCY_OVERRIDE not in caller.permissions:
        detail = f"an override needs {EMERGENCY_OVERRIDE}"
        denial = Denial(FORBIDDEN, detail, caller.name, caller.tenant, EMERGENCY_OVERRIDE)
        raise parts.access.denied(request, denial)
    await must_cover(request, parts, tenant, caller, given.mission_id)
    command = _command(given, key, caller, parts)
    return _answered(await _execute(parts, tenant, caller, command))


def _command(
    given: DecideInput, key: str | None, caller: Principal, parts: ApiDependencies
) -> DecideCommand:
    ids, estimates = given.ids(), given.estimates.known("estimates")
    own, sha256 = digits(parts.clock()), ""
    if key is not None:
        meaning = [
            *ids, given.job_type, given.context, estimates, given.parent_reservation_id,
            given.override,
        ]  # fmt: skip
        sha256 = fingerprint(parts.texts.json(meaning))
    return DecideCommand(
        DECISION + own,
        RESERVATION + own,
        ids,
        given.job_type,
        given.context,
        estimates,
        given.parent_reservation_id,
        key,
        sha256,
        given.override,
        caller.name,
    )


def _answered(events: list[StreamEvent]) -> JsonResponse:
    for event in events:
        if event.event_type in ("mode_decided", "decision_repeated"):
            return JsonResponse(decision_body(event.data, event.timestamp_unix_nano))
        if event.event_type == "idempotency_conflict":
            raise Problem(
                422,
                "idempotency-conflict",
                "this idempotency key was used for another request: use a new one",
            )
    raise Problem(500, "internal-error", "the request could not be decided; see record_failed")


@router.post(
    "/reservations/{reservation_id}/{operation}",
    openapi_extra=body_schema(ReportInput, required=False),
)
@needs(WRITE_LIFECYCLE, agents=True, scoped=True)
async def report(
    reservation_id: str,
    operation: str,
    request: Request,
    parts: Parts,
    tenant: Tenant,
    caller: Caller,
) -> JsonResponse:
    """Say what a reservation was used for (`reconcile`), or that it is not needed (`release`)."""
    if operation not in OPERATIONS:
        raise bad_field("operation", operation, f"operation {operation[:100]!r} is none of "
                        f"{', '.join(OPERATIONS)}")  # fmt: skip
    if not 1 <= len(reservation_id) <= 200:
        raise bad_field(
            "reservation_id", reservation_id, "a reservation id has 1 to 200 characters"
        )
    given = read_report(await request.body())
    usage = given.usage.known("usage")
    if operation == "release" and usage:
        raise bad_field("usage", usage, "a release states no usage: reconcile instead")
    own_only = caller.agent or caller.scope is not None
    owner = caller.name if own_only else None
    command = ReservationCommand(
        operation, reservation_id, usage, owner, given.provider, given.model
    )
    return _reported(await _execute(parts, tenant, caller, command), reservation_id)


class _Settled(msgspec.Struct, gc=False):
    reservation_id: str
    how: msgspec.Raw
    reserved: msgspec.Raw
    used: msgspec.Raw
    overshoot: msgspec.Raw
    corrected: msgspec.Raw


_settled = msgspec.json.Decoder(_Settled)


def _reported(events: list[StreamEvent], reservation_id: str) -> JsonResponse:
    for event in events:
        if event.event_type == "reservation_settled":
            found = _settled.decode(event.data)
            return JsonResponse({name: getattr(found, name) for name in found.__struct_fields__})
    raise Problem(
        404,
        "unknown-reservation",
        f"no reservation with id {reservation_id[:100]!r} is known",
        details={"reservation_id": reservation_id[:100]},
    )


# ── what was decided ─────────────────────────────────────────────────────────────────────────


@router.get("/decisions")
@needs(READ_LIFECYCLE)
async def decisions(
    parts: Parts, tenant: Tenant, most: PageItems, mission_id: str | None = None,
    cursor: Cursor = None,
) -> JsonResponse:  # fmt: skip
    """Decisions, newest first."""
    wanted = EventFilter(
        tenant, {"mission_id": mission_id} if mission_id else {}, event_type="mode_decided"
    )
    before = read_cursor(cursor)
    with archive_answers():
        page = await parts.history.events(wanted, before=before, limit=most)
    return JsonResponse(
        {
            "decisions": [
                decision_body(bytes(line.data), line.timestamp_unix_nano) for line in page.events
            ],
            "limit": most,
            "next_cursor": write_cursor(page.next_key),
        }
    )


@router.get("/stats")
@needs(READ_LIFECYCLE)
async def stats(parts: Parts, tenant: Tenant) -> JsonResponse:
    """How much was decided since the data directory was made, and the newest decisions."""
    return JsonResponse(await _stats(parts, tenant))


async def _stats(parts: ApiDependencies, tenant: str) -> dict[str, Any]:
    found = await parts.governor.decided(tenant)
    return {
        "total_decisions": found.total,
        "direct_mode_count": found.by_mode.get("direct", 0),
        "rail_mode_count": found.by_mode.get("rail", 0),
        "allowed_count": found.total - found.refused,
        "refused_count": found.refused,
        "refused_by_code": found.by_code,
        "recent_decisions": [
            {
                "timestamp": iso_time(one["timestamp_unix_nano"]),
                **{name: value for name, value in one.items() if name != "timestamp_unix_nano"},
            }
            for one in reversed(found.recent)
        ],
    }
