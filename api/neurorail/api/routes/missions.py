"""The missions that began last, for lists."""

from __future__ import annotations

from neurorail.api.access import Router, needs
from neurorail.api.dependencies import Parts, Tenant
from neurorail.api.encoding import JsonResponse
from neurorail.api.entities import entity_body
from neurorail.api.paging import Limit, page_limit
from neurorail.collector.access.permissions import READ_LIFECYCLE

router = Router(tags=["missions"])


@router.get("/missions")
@needs(READ_LIFECYCLE)
async def missions(parts: Parts, tenant: Tenant, limit: Limit = None) -> JsonResponse:
    """Recent missions, newest first, with state, times, tokens and cost in `totals`."""
    most = page_limit(limit, parts.config)
    found = await parts.engine.recent_missions(tenant, most)
    return JsonResponse({"missions": [entity_body(view) for view in found], "limit": most})
