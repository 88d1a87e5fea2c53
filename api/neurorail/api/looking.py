"""Reading one entity: 404 if nobody heard of it, 403 if it lies beyond the caller's limits."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from neurorail.api.access import Caller, out_of_scope
from neurorail.api.dependencies import ApiDependencies, Parts, Tenant
from neurorail.api.problems import unknown_entity
from neurorail.collector.access import Principal
from neurorail.collector.views import EntityView


async def must_cover(
    request: Request,
    parts: ApiDependencies,
    tenant: str,
    caller: Principal,
    mission_id: str | None,
) -> None:
    """Raise a 403 problem if a caller is limited to other missions than this one."""
    if caller.scope is None:
        return
    view = None
    if mission_id is not None and caller.scope.tags:
        view = await parts.engine.entity(tenant, mission_id)
    tags = dict(view.fields.tags) if view is not None else {}
    if mission_id is None or not caller.scope.covers(mission_id, tags):
        raise out_of_scope(request, caller, mission_id)


class Looker:
    """Looks entities up for one request."""

    def __init__(
        self, request: Request, parts: ApiDependencies, tenant: str, caller: Principal
    ) -> None:
        self._request = request
        self._parts = parts
        self._tenant = tenant
        self._caller = caller

    async def entity(self, entity_type: str, entity_id: str) -> EntityView:
        """The entity. Raises a 404 or 403 problem."""
        view = await self._parts.engine.entity(self._tenant, entity_id)
        if view is None:
            raise unknown_entity(entity_type, entity_id)
        await must_cover(self._request, self._parts, self._tenant, self._caller, view.ids[0])
        return view


async def looker(request: Request, parts: Parts, tenant: Tenant, caller: Caller) -> Looker:
    """What an endpoint that looks entities up depends on."""
    return Looker(request, parts, tenant, caller)


Looking = Annotated[Looker, Depends(looker)]
