"""Questions to people, and their answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import Field

from neurorail.api.access import Router, needs
from neurorail.api.dependencies import Parts, Tenant
from neurorail.api.encoding import JsonResponse, iso_time
from neurorail.api.problems import Problem
from neurorail.api.writing import FREE_TEXT_MAX, Body, Writing
from neurorail.collector.access.permissions import MANAGE_GOVERNOR, READ_LIFECYCLE
from neurorail.collector.decode.people import AnswerCommand
from neurorail.collector.engine.reflex_view import ConfirmationView

router = Router(prefix="/confirmations", tags=["governor"])


def _body(view: ConfirmationView) -> dict[str, Any]:
    return {
        "confirmation_id": view.id,
        "rule": view.rule,
        "scope": view.scope,
        "question": view.question,
        "state": view.state,
        "since": iso_time(view.since_unix_nano),
        "until": iso_time(view.until_unix_nano),
        "unanswered": view.unanswered,
        "reason": view.reason,
    }


@router.get("")
@needs(READ_LIFECYCLE)
async def confirmations(
    parts: Parts,
    tenant: Tenant,
    state: Annotated[Literal["pending", "approved", "denied"] | None, Query()] = None,
) -> JsonResponse:
    """Questions that are open, and answers that still hold, oldest first."""
    found = [
        _body(view)
        for view in await parts.reflexes.confirmations(tenant)
        if state in (None, view.state)
    ]
    return JsonResponse({"confirmations": found, "total": len(found)})


@router.get("/{confirmation_id}")
@needs(READ_LIFECYCLE)
async def confirmation(confirmation_id: str, parts: Parts, tenant: Tenant) -> JsonResponse:
    """One question."""
    for view in await parts.reflexes.confirmations(tenant):
        if view.id == confirmation_id:
            return JsonResponse(_body(view))
    raise _unknown(confirmation_id)


class AnswerBody(Body):
    """What the person who answers says besides."""

    reason: Annotated[str, Field(max_length=FREE_TEXT_MAX)] = ""


@router.post("/{confirmation_id}/{answer}")
@needs(MANAGE_GOVERNOR)
async def resolve(
    confirmation_id: str,
    answer: Literal["approve", "deny"],
    writer: Writing,
    body: AnswerBody | None = None,
) -> JsonResponse:
    """Approve or deny. A question is answered once: 409 afterwards."""
    said = body or AnswerBody()
    command = AnswerCommand(confirmation_id, answer == "approve", said.reason)
    outcome = await writer.write(command, said, f"confirmations/{confirmation_id}/{answer}")
    resolved = outcome.first("confirmation_resolved")
    if resolved is not None:
        return outcome.answer(
            {
                "confirmation_id": confirmation_id,
                "state": resolved.data["answer"],
                "reason": resolved.data["reason"],
                "event_id": resolved.event_id,
            },
            200,
        )
    for view in await writer.parts.reflexes.confirmations(writer.tenant):
        if view.id == confirmation_id:
            raise Problem(
                409, "answered", f"{confirmation_id} is {view.state} already",
                details={"state": view.state},
            )  # fmt: skip
    raise _unknown(confirmation_id)


def _unknown(confirmation_id: str) -> Problem:
    return Problem(
        404, "unknown-confirmation", f"no question {confirmation_id[:100]!r} is open or answered"
    )
