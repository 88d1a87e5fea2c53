"""The state of an entity, and how it came there."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from pydantic import Field

from neurorail.api.access import Caller, Router, needs
from neurorail.api.asking import archive_answers
from neurorail.api.dependencies import Parts, Tenant
from neurorail.api.encoding import JsonResponse, iso_time
from neurorail.api.ids import check_entity
from neurorail.api.looking import Looking
from neurorail.api.paging import Cursor, PageItems, read_cursor, write_cursor
from neurorail.api.problems import bad_field, unknown_entity
from neurorail.api.writing import FREE_TEXT_MAX, Body, Writing, json_value
from neurorail.collector.access.permissions import READ_LIFECYCLE, WRITE_LIFECYCLE
from neurorail.collector.decode.commands import NO_JSON, TransitionCommand
from neurorail.collector.stream import EventLine
from neurorail.rules.lifecycle import TRANSITION_NAMES, allowed_transitions

router = Router(prefix="/lifecycle", tags=["lifecycle"])


@router.get("/state/{entity_type}/{entity_id}")
@needs(READ_LIFECYCLE, scoped=True)
async def state(entity_type: str, entity_id: str, look: Looking) -> JsonResponse:
    """The state now and the transitions that the table allows from it."""
    check_entity(entity_type, entity_id)
    view = await look.entity(entity_type, entity_id)
    return JsonResponse(
        {
            "entity_type": entity_type,
            "entity_id": entity_id,
            "state": view.state,
            "current_state": view.state,
            "last_transition_at": iso_time(view.last_transition_unix_nano),
            "allowed_transitions": allowed_transitions(view.state),
            "flags": view.flags,
            "error_code": view.error_code,
        }
    )


class TransitionBody(Body):
    """A step that somebody reports, to be judged at once."""

    entity_id: Annotated[str, Field(max_length=80)]
    transition: Annotated[str, Field(max_length=20)]
    reason: Annotated[str | None, Field(max_length=FREE_TEXT_MAX)] = None
    error_code: Annotated[str | None, Field(max_length=64)] = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    caused_by: Annotated[str | None, Field(max_length=256)] = None


@router.post("/transition/{entity_type}")
@needs(WRITE_LIFECYCLE, scoped=True)
async def transition(entity_type: str, body: TransitionBody, writer: Writing) -> JsonResponse:
    """Move an entity along the lifecycle table.

    409 with NR-E301 and the allowed transitions if the table does not list the step.
    """
    level = check_entity(entity_type, body.entity_id)
    name = body.transition.lower()
    if name not in TRANSITION_NAMES:
        known = ", ".join(TRANSITION_NAMES)
        raise bad_field("transition", name, f"transition {name!r} is none of {known}")
    view = await writer.known(body.entity_id)
    if view is None:
        raise unknown_entity(entity_type, body.entity_id)
    command = TransitionCommand(
        level,
        view.ids,
        name,
        reason=body.reason,
        error_code=body.error_code,
        metadata=json_value("metadata", body.metadata) if body.metadata else NO_JSON,
        caused_by=body.caused_by,
    )
    outcome = await writer.write(command, body, f"transition-{entity_type}")
    outcome.must_be_legal()
    moved = outcome.first("state_changed", body.entity_id)
    told = moved.data if moved is not None else {}
    now = await writer.parts.engine.entity(writer.tenant, body.entity_id)
    state_now = now.state if now is not None else view.state
    answer = {
        "transition_id": told.get("transition_id"),
        "entity_type": entity_type,
        "entity_id": body.entity_id,
        "from_state": told.get("from_state"),
        "to_state": told.get("to_state", state_now),
        "transition": name,
        "timestamp": iso_time(outcome.received_unix_nano),
        "event_id": moved.event_id if moved is not None else None,
        "confirmed": moved is None,
        "state": state_now,
        "allowed_transitions": allowed_transitions(state_now),
    }
    return outcome.answer(answer, 200)


class _Transition(msgspec.Struct):
    """What a history shows of a `state_changed` event's data."""

    transition: str | None = None
    """None where the details were erased."""
    to_state: str | None = None
    from_state: str | None = None
    transition_id: str | None = None
    inferred: bool = False
    gap: bool = False
    reason: str | None = None
    error_code: str | None = None
    metadata: dict[str, Any] | None = None


@router.get("/history/{entity_type}/{entity_id}")
@needs(READ_LIFECYCLE, scoped=True)
async def history(
    entity_type: str,
    entity_id: str,
    parts: Parts,
    tenant: Tenant,
    most: PageItems,
    caller: Caller,
    look: Looking,
    cursor: Cursor = None,
) -> JsonResponse:
    """The transitions of an entity in the order they took effect, oldest first.

    `timestamp` is when a transition happened, `received_at` when its report came.
    `total_transitions` counts those of this page.
    """
    check_entity(entity_type, entity_id)
    after = read_cursor(cursor)
    with archive_answers():
        page = await parts.history.transitions(tenant, entity_id, after=after, limit=most)
    if not page.events or caller.scope is not None:
        await look.entity(entity_type, entity_id)
    transitions = [_body(line) for line in page.events]
    return JsonResponse(
        {
            "entity_type": entity_type,
            "entity_id": entity_id,
            "transitions": transitions,
            "total_transitions": len(transitions),
            "next_cursor": write_cursor(page.next_key),
        }
    )


def _body(line: EventLine) -> dict[str, Any]:
    data = msgspec.json.decode(line.data, type=_Transition)
    return {
        "transition_id": data.transition_id or line.event_id,
        "entity_type": line.entity_type,
        "entity_id": line.entity_id,
        "from_state": data.from_state or None,
        "to_state": data.to_state,
        "transition": data.transition,
        "timestamp": iso_time(line.event_time_unix_nano),
        "received_at": iso_time(line.timestamp_unix_nano),
        "inferred": data.inferred,
        "gap": data.gap,
        "reason": data.reason,
        "error_code": data.error_code,
        "principal": line.principal,
        "event_id": line.event_id,
        "metadata": data.metadata or {},
    }
