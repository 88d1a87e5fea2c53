"""The missions that began last, for lists."""

from __future__ import annotations

from fastapi import APIRouter

from neurorail.api.dependencies import Parts, Tenant
from neurorail.api.encoding import JsonResponse
from neurorail.api.entities import entity_body
from neurorail.api.paging import Limit, page_limit

router = APIRouter(tags=["missions"])


@router.get("/missions")
async def missions(parts: Parts, tenant: Tenant, limit: Limit = None) -> JsonResponse:
    """Recent missions, newest first, with state, times, tokens and cost in `totals`."""
    most = page_limit(limit, parts.config)
    found = await parts.engine.recent_missions(tenant, most)
    return JsonResponse({"missions": [entity_body(view) for view in found], "limit": most})
