"""Where an entity stands: its ancestors and everything below it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from neurorail.api.access import Router, needs
from neurorail.api.dependencies import Parts, Tenant
from neurorail.api.encoding import JsonResponse
from neurorail.api.entities import entity_body, implied_body
from neurorail.api.ids import check_entity
from neurorail.api.looking import Looking
from neurorail.api.paging import RowsAllowed
from neurorail.collector.access.permissions import READ_LIFECYCLE
from neurorail.collector.views import EngineView, EntityView
from neurorail.rules.observations import RESOURCE
from neurorail.semconv.attributes import ENTITY_TYPES

router = Router(prefix="/identity", tags=["identity"])


@router.get("/trace/{entity_type}/{entity_id}")
@needs(READ_LIFECYCLE, scoped=True)
async def trace(
    entity_type: str,
    entity_id: str,
    parts: Parts,
    tenant: Tenant,
    look: Looking,
    shown: RowsAllowed,
) -> JsonResponse:
    """The chain above an entity, one level each, and all its descendants, parents first.

    `resources` are those of the descendants that are resources. `truncated` says that there are
    more descendants than `limit`.
    """
    level = check_entity(entity_type, entity_id)
    view = await look.entity(entity_type, entity_id)
    # One more is for the entity itself, one to see whether there are more.
    found = await parts.engine.subtree(tenant, entity_id, shown + 2)
    below = [entity for entity in found if entity.entity_id != entity_id]
    ancestors = await _ancestors(parts.engine, tenant, view, level)
    return JsonResponse(_body(view, ancestors, below, shown))


def _body(
    view: EntityView,
    ancestors: Sequence[dict[str, Any] | None],
    below: Sequence[EntityView],
    shown: int,
) -> dict[str, Any]:
    own = entity_body(view)
    level = len(ancestors)
    descendants = [entity_body(entity) for entity in below[:shown]]
    levels = [*ancestors, own, *([None] * (RESOURCE - level))]
    resources = [body for body in descendants if body["entity_type"] == ENTITY_TYPES[RESOURCE]]
    return {
        **dict(zip(ENTITY_TYPES, levels, strict=True)),
        "resources": [own] if level == RESOURCE else resources,
        "descendants": descendants,
        "truncated": len(below) > shown,
    }


async def _ancestors(
    engine: EngineView, tenant: str, view: EntityView, level: int
) -> list[dict[str, Any] | None]:
    async def one(at: int) -> dict[str, Any] | None:
        ancestor_id = view.ids[at]
        if ancestor_id is None:
            return None
        known = await engine.entity(tenant, ancestor_id)
        return implied_body(at, ancestor_id) if known is None else entity_body(known)

    return list(await asyncio.gather(*(one(at) for at in range(level))))
