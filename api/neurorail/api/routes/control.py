"""What agents are told: a picture of all directives, and every change from there on.

A gate reads `directives` once, then `stream` from the `event_id` that came with it, and begins anew
when the stream says that it lagged.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Query, Request
from starlette.responses import Response

from neurorail.api.access import Caller, Router, needs
from neurorail.api.dependencies import Parts, Tenant
from neurorail.api.encoding import JsonResponse
from neurorail.api.ids import check_id
from neurorail.api.looking import must_cover
from neurorail.api.problems import Problem, bad_field
from neurorail.api.routes.reflex import directive_body
from neurorail.api.sse import EventStreamResponse
from neurorail.collector.access.permissions import READ_LIFECYCLE, STREAM_EVENTS
from neurorail.collector.engine.encoding import in_usd
from neurorail.collector.stream import HubClosed, HubFull
from neurorail.collector.stream.directives import Concern, DirectiveFilter
from neurorail.rules.directives import entity_scope
from neurorail.rules.manifest.facts import ID_FACTS, find_fact

router = Router(prefix="/control", tags=["control"])

_NAMED_MAX = 100


async def concern_of(
    request: Request,
    parts: Parts,
    tenant: Tenant,
    caller: Caller,
    scope: Annotated[
        list[str],
        Query(description="repeatable, `fact=value`; several values of a fact are alternatives"),
    ] = [],  # noqa: B006 - a fresh list is made for each request.
) -> Concern:
    """What the caller says of itself, and which missions it may hear of."""
    if len(scope) > _NAMED_MAX:
        raise bad_field("scope", len(scope), f"{len(scope)} facts are more than {_NAMED_MAX}")
    facts: set[tuple[str, str]] = set()
    for one in scope:
        name, separator, value = one.partition("=")
        if not separator or find_fact(name) is None:
            raise bad_field("scope", one, f"{one[:100]!r} is no `fact=value` of a known fact")
        if name in ID_FACTS:
            check_id(ID_FACTS.index(name), name, value)
        facts.add((name, value))
    if caller.scope is None:
        return Concern(frozenset(facts))
    missions = set(caller.scope.missions)
    for name, value in facts:
        if name == "mission_id":
            await must_cover(request, parts, tenant, caller, value)
            missions.add(value)
    return Concern(frozenset(facts), frozenset(missions))


Concerned = Annotated[Concern, Depends(concern_of)]


@router.get("/directives")
@needs(READ_LIFECYCLE, agents=True, scoped=True)
async def directives(parts: Parts, tenant: Tenant, concern: Concerned) -> JsonResponse:
    """Every directive that holds and may concern the caller, with the place to go on from.

    `budgets` holds the limits that people set of open entities, in place of their own.
    """
    # Read before the picture is taken: what comes between is in the picture and comes again.
    event_id = parts.hub.head_id
    now = parts.clock()
    found = [
        directive_body(view, now)
        for view in await parts.reflexes.directives(tenant)
        if concern.includes(view.scope, tuple(one for one in view.ids if one is not None))
    ]
    changed = [
        {
            "entity_type": one.entity_type,
            "entity_id": one.entity_id,
            "limits": in_usd(one.limits),
        }
        for one in await parts.governor.changed(tenant)
        if concern.includes(
            entity_scope(one.entity_type, one.entity_id),
            tuple(part for part in one.ids if part is not None),
        )
    ]
    return JsonResponse(
        {"event_id": event_id, "directives": found, "total": len(found), "budgets": changed}
    )


@router.get(
    "/stream",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {}}, "description": "server-sent events"}},
)
@needs(READ_LIFECYCLE, STREAM_EVENTS, agents=True, scoped=True)
async def stream(
    caller: Caller,
    parts: Parts,
    tenant: Tenant,
    concern: Concerned,
    event_id: Annotated[str | None, Query(description="from the picture of directives")] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Directives as they are issued and lifted, from an event on; `Last-Event-ID` is stronger."""
    after = last_event_id or event_id or None
    try:
        subscription = parts.hub.subscribe(
            DirectiveFilter(tenant, concern=concern), named=False, last_event_id=after
        )
    except (HubFull, HubClosed) as refused:
        slug = "too-many-subscribers" if isinstance(refused, HubFull) else "stopping"
        raise Problem(503, slug, str(refused), retry_after_s=5) from None
    except ValueError as malformed:
        raise bad_field("event_id", after, str(malformed)) from None
    return EventStreamResponse(subscription, lambda: parts.access.gate.still_good(caller))
