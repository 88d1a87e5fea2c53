"""The state of an entity, and how it came there."""

from __future__ import annotations

from typing import Any

import msgspec

from neurorail.api.access import Router, needs
from neurorail.api.asking import archive_answers
from neurorail.api.dependencies import Parts, Tenant
from neurorail.api.encoding import JsonResponse, iso_time
from neurorail.api.ids import check_entity
from neurorail.api.paging import Cursor, Limit, page_limit, read_cursor, write_cursor
from neurorail.api.problems import unknown_entity
from neurorail.collector.access.permissions import READ_LIFECYCLE
from neurorail.collector.stream import EventLine
from neurorail.rules.lifecycle import allowed_transitions

router = Router(prefix="/lifecycle", tags=["lifecycle"])


@router.get("/state/{entity_type}/{entity_id}")
@needs(READ_LIFECYCLE)
async def state(entity_type: str, entity_id: str, parts: Parts, tenant: Tenant) -> JsonResponse:
    """The state now and the transitions that the table allows from it."""
    check_entity(entity_type, entity_id)
    view = await parts.engine.entity(tenant, entity_id)
    if view is None:
        raise unknown_entity(entity_type, entity_id)
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


class _Transition(msgspec.Struct):
    """What a history shows of a `state_changed` event's data."""

    transition: str
    to_state: str
    from_state: str | None = None
    transition_id: str | None = None
    inferred: bool = False
    gap: bool = False
    reason: str | None = None
    error_code: str | None = None
    metadata: dict[str, Any] | None = None


@router.get("/history/{entity_type}/{entity_id}")
@needs(READ_LIFECYCLE)
async def history(
    entity_type: str,
    entity_id: str,
    parts: Parts,
    tenant: Tenant,
    limit: Limit = None,
    cursor: Cursor = None,
) -> JsonResponse:
    """The transitions of an entity in the order they took effect, oldest first.

    `timestamp` is when a transition happened, `received_at` when its report came.
    `total_transitions` counts those of this page.
    """
    check_entity(entity_type, entity_id)
    after = read_cursor(cursor)
    most = page_limit(limit, parts.config)
    with archive_answers():
        page = await parts.history.transitions(tenant, entity_id, after=after, limit=most)
    if not page.events and await parts.engine.entity(tenant, entity_id) is None:
        raise unknown_entity(entity_type, entity_id)
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
