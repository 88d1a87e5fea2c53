"""What is left of budgets and pools."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query

from neurorail.api.access import Router, needs
from neurorail.api.dependencies import Parts, Tenant
from neurorail.api.encoding import JsonResponse, iso_time
from neurorail.api.ids import level_of
from neurorail.api.paging import PageItems
from neurorail.api.problems import bad_field, unknown_entity
from neurorail.collector.access.permissions import READ_METRICS
from neurorail.collector.engine.encoding import in_usd
from neurorail.semconv.attributes import ENTITY_TYPES

router = Router(tags=["budgets"])


@router.get("/budgets")
@needs(READ_METRICS)
async def budgets(
    parts: Parts,
    tenant: Tenant,
    most: PageItems,
    entity_id: Annotated[
        str | None, Query(description="its budgets, those above it, and its pools")
    ] = None,
    entity_type: Annotated[
        Literal["mission"] | None, Query(description="the newest open missions that are limited")
    ] = None,
) -> JsonResponse:
    """What is consumed, reserved, unsettled and left: of an entity, of missions, or of pools.

    Without `entity_id` and `entity_type` it is all pools. `truncated` says that there are more than
    `limit`.
    """
    if entity_id is not None and entity_type is not None:
        raise bad_field("entity_type", entity_type, "name entity_id or entity_type, not both")
    if entity_type is not None:
        books = await parts.governor.missions(tenant, most + 1)
    elif entity_id is None:
        books = await parts.governor.pools(tenant, most + 1)
    else:
        level = level_of(entity_id, "entity_id")
        found = await parts.governor.budgets(tenant, entity_id)
        if found is None:
            raise unknown_entity(ENTITY_TYPES[level], entity_id)
        books = found
    return JsonResponse(
        {
            "as_of": iso_time(books.as_of_unix_nano),
            "budgets": [_body(scope) for scope in books.scopes[:most]],
            "truncated": len(books.scopes) > most,
        }
    )


def _body(scope: dict[str, Any]) -> dict[str, Any]:
    begins, ends = scope.pop("begins_unix_nano"), scope.pop("ends_unix_nano")
    limits = [
        {name: value for name, value in one.items() if name != "scope"}
        for one in in_usd(scope.pop("limits"))
    ]
    return {**scope, "begins_at": iso_time(begins), "ends_at": iso_time(ends), "limits": limits}
