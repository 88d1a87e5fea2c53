"""The state of an entity, and how it came there."""

from __future__ import annotations

from fastapi import APIRouter

from neurorail.api.dependencies import Parts, Tenant
from neurorail.api.encoding import JsonResponse, iso_time
from neurorail.api.ids import check_entity
from neurorail.api.problems import unknown_entity
from neurorail.rules.lifecycle import allowed_transitions

router = APIRouter(prefix="/lifecycle", tags=["lifecycle"])


@router.get("/state/{entity_type}/{entity_id}")
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
