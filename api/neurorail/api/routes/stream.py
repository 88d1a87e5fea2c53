"""Live events as server-sent events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import Header, Query, Request
from starlette.responses import Response

from neurorail.api.access import Caller, Router, needs
from neurorail.api.dependencies import ApiDependencies, Parts, Tenant
from neurorail.api.encoding import JsonResponse, iso_time
from neurorail.api.ids import level_of
from neurorail.api.problems import Problem, bad_field
from neurorail.api.sse import EventStreamResponse
from neurorail.collector.access import Denial, Principal
from neurorail.collector.access.permissions import (
    CHANNEL_PERMISSIONS,
    READ_METRICS,
    STREAM_EVENTS,
)
from neurorail.collector.access.sessions import TICKET
from neurorail.collector.access.verdicts import FORBIDDEN
from neurorail.collector.stream import HubClosed, HubFull, StreamFilter
from neurorail.collector.stream.filters import UnknownName
from neurorail.rules.events import ALL

router = Router(prefix="/stream", tags=["stream"])

_ENTITY_IDS_MAX = 100
TICKET_S = 60


@router.get(
    "/events",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {}}, "description": "server-sent events"}},
)
@needs(STREAM_EVENTS, tickets=True)
async def events(
    request: Request,
    caller: Caller,
    parts: Parts,
    tenant: Tenant,
    channels: Annotated[list[str], Query(description="repeatable; none means all")] = [],  # noqa: B006 - a fresh list is made for each request.
    event_types: Annotated[list[str], Query(description="repeatable")] = [],  # noqa: B006
    entity_ids: Annotated[list[str], Query(description="repeatable; any level of the chain")] = [],  # noqa: B006
    replay_buffer: Annotated[bool, Query(description="send what is in memory first")] = True,
    named_events: Annotated[bool, Query(description="write `event:` with the type")] = False,
    ticket: Annotated[str | None, Query(description="instead of a credential")] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Every event that matches, once, from now on.

    With `Last-Event-ID` the stream resumes after that event, also across restarts of the server.
    """
    if len(entity_ids) > _ENTITY_IDS_MAX:
        detail = f"{len(entity_ids)} entity_ids are more than {_ENTITY_IDS_MAX}; open two streams"
        raise bad_field("entity_ids", len(entity_ids), detail)
    for entity_id in entity_ids:
        level_of(entity_id, "entity_ids")
    try:
        wanted = StreamFilter.of(tenant, channels, event_types, entity_ids)
    except UnknownName as unknown:
        raise bad_field(unknown.field, unknown.value, str(unknown)) from None
    _check_channels(request, caller, parts, channels)
    try:
        subscription = parts.hub.subscribe(
            wanted,
            named=named_events,
            replay_buffer=replay_buffer,
            last_event_id=last_event_id or None,
        )
    except (HubFull, HubClosed) as refused:
        slug = "too-many-subscribers" if isinstance(refused, HubFull) else "stopping"
        raise Problem(503, slug, str(refused), retry_after_s=5) from None
    except ValueError as malformed:
        raise bad_field("Last-Event-ID", last_event_id, str(malformed)) from None
    return EventStreamResponse(subscription, lambda: parts.access.gate.still_good(caller))


@router.post("/tickets", status_code=201)
@needs(STREAM_EVENTS)
async def tickets(parts: Parts, caller: Caller) -> JsonResponse:
    """A ticket that opens streams for a minute, as `?ticket=`, with the caller's permissions."""
    if parts.access.sessions is None or parts.access.gate.open:
        raise Problem(409, "not-needed", "no credentials are configured: streams are open")
    made = parts.access.sessions.issue(TICKET, caller, parts.access.clock(), TICKET_S)
    body = {"ticket": made.text, "expires_at": iso_time(made.expires_unix_nano)}
    return JsonResponse(body, 201, {"Cache-Control": "no-store"})


def _check_channels(
    request: Request, caller: Principal, parts: ApiDependencies, channels: Sequence[str]
) -> None:
    """Refuse a channel whose read permission the caller lacks."""
    needed = dict.fromkeys(
        name for channel in channels or (ALL,) for name in CHANNEL_PERMISSIONS[channel]
    )
    missing = caller.missing(tuple(needed))
    if missing:
        detail = f"these channels need {' and '.join(missing)} besides {STREAM_EVENTS}"
        lacks = " ".join(missing)
        raise parts.access.denied(
            request, Denial(FORBIDDEN, detail, caller.name, caller.tenant, lacks)
        )


@router.get("/stats")
@needs(READ_METRICS)
async def stats(parts: Parts) -> JsonResponse:
    """The streams at this moment: who listens to what, and what memory holds."""
    now = parts.hub.stats()
    return JsonResponse(
        {
            "total_events_published": now.published,
            "total_subscribers": now.subscribers,
            "subscribers_by_channel": now.subscribers_by_channel,
            "buffer_sizes": now.buffer_sizes,
            "buffer_bytes": now.buffer_bytes,
            "events_evicted": now.evicted,
            "events_missed": now.missed,
            "subscribers_refused": now.refused,
        }
    )
