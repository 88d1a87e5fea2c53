"""Forgetting what entities said about themselves, on somebody's order."""

from __future__ import annotations

from typing import Any

from neurorail.rules.entity import Entity
from neurorail.rules.observations import NO_IDS, ErasureOrdered, Fields
from neurorail.rules.state import State


def erase(state: State, seen: ErasureOrdered) -> None:
    """Forget tags, metadata and names of missions and all below them; states and totals stay."""
    entities = 0
    for mission_id in seen.mission_ids:
        waiting = [mission_id]
        while waiting:
            entity = state.entity(waiting.pop())
            if entity is not None:
                _forget(state, entity)
                entities += 1
                waiting += entity.children
    data: dict[str, Any] = {
        "missions": len(seen.mission_ids),
        "entities": entities,
        "scope": seen.scope,
        "reason": seen.reason,
    }
    count = len(seen.mission_ids)
    message = f"what is known of {count} mission{'' if count == 1 else 's'} is erased"
    state.emit("data_erased", NO_IDS, state.now, data, message)


def _forget(state: State, entity: Entity) -> None:
    fields = entity.fields
    if fields is not None:
        entity.fields = Fields(
            parent_mission_id=fields.parent_mission_id,
            plan_type=fields.plan_type,
            job_type=fields.job_type,
            dependencies=fields.dependencies,
            attempt_number=fields.attempt_number,
            resource_type=fields.resource_type,
        )
        state.touch(entity)
