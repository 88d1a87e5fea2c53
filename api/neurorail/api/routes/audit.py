"""The audit trail: every event, newest first, and counts of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Depends, Query
from pydantic import Field

from neurorail.api.access import Router, needs
from neurorail.api.asking import archive_answers
from neurorail.api.dependencies import Parts, Tenant
from neurorail.api.encoding import JsonResponse, iso_time
from neurorail.api.ids import ID_FIELDS, check_id, level_of
from neurorail.api.paging import (
    Cursor,
    PageItems,
    Since,
    moment,
    read_cursor,
    write_cursor,
)
from neurorail.api.problems import bad_field
from neurorail.api.writing import FREE_TEXT_MAX, Body, Writer, Writing, json_value
from neurorail.collector.access.permissions import READ_AUDIT, WRITE_AUDIT
from neurorail.collector.decode.commands import AuditCommand
from neurorail.collector.history import EventFilter, EventKey, EventPage
from neurorail.collector.stream import EventLine
from neurorail.rules.events import (
    ALL,
    CATEGORIES,
    CHANNELS,
    CRITICAL,
    ERROR,
    EVENT_TYPES,
    SEVERITIES,
)

router = Router(prefix="/audit", tags=["audit"])

_RECENT_ERRORS = 10
SKIP_MAX = 1_000_000
"""Events that a page may pass over."""
Id = Annotated[str | None, Field(max_length=80)]


def _one_of(field: str, value: str | None, known: tuple[str, ...]) -> str | None:
    if value is not None and value not in known:
        raise bad_field(field, value, f"{field} {value[:100]!r} is none of {', '.join(known)}")
    return value


async def _filter(
    parts: Parts,
    tenant: Tenant,
    mission_id: str | None = None,
    plan_id: str | None = None,
    job_id: str | None = None,
    attempt_id: str | None = None,
    resource_id: str | None = None,
    entity_id: Annotated[str | None, Query(description="the entity itself, any type")] = None,
    channel: str | None = None,
    event_type: str | None = None,
    event_category: str | None = None,
    severity: str | None = None,
    start_time: Since = None,
    end_time: Since = None,
) -> EventFilter:
    levels = (mission_id, plan_id, job_id, attempt_id, resource_id)
    chain = {name: value for name, value in zip(ID_FIELDS, levels, strict=True) if value}
    for name, value in chain.items():
        check_id(ID_FIELDS.index(name), name, value)
    if entity_id is not None:
        level_of(entity_id, "entity_id")
        chain["entity_id"] = entity_id
    channel = _one_of("channel", channel, CHANNELS)
    severity = _one_of("severity", severity, SEVERITIES)
    return EventFilter(
        tenant,
        chain,
        channel=None if channel == ALL else channel,
        event_type=_one_of("event_type", event_type, tuple(EVENT_TYPES)),
        event_category=_one_of("event_category", event_category, CATEGORIES),
        severities=() if severity is None else (severity,),
        since_unix_nano=moment("start_time", start_time, parts.clock()),
        until_unix_nano=moment("end_time", end_time, parts.clock()),
    )


Wanted = Annotated[EventFilter, Depends(_filter)]


@router.get("/events")
@needs(READ_AUDIT)
async def events(
    parts: Parts,
    wanted: Wanted,
    most: PageItems,
    cursor: Cursor = None,
    order: Annotated[
        Literal["newest", "oldest"], Query(description="`oldest`: those newer than the cursor")
    ] = "newest",
    skip: Annotated[int, Query(ge=0, le=SKIP_MAX, description="pass over so many first")] = 0,
    counted: Annotated[bool, Query(description="whether `total` is wanted")] = True,
) -> JsonResponse:
    """Events that match, newest first. `total` counts all that match, on every page.

    `next_cursor` goes on; with `order=oldest`, `first_cursor` goes back from the first of a page.
    """
    key = read_cursor(cursor)
    with archive_answers():
        if order == "oldest":
            if skip:
                raise bad_field("skip", skip, "skip goes with order=newest alone")
            page = await parts.history.newer(wanted, after=key, limit=most)
        else:
            page = await parts.history.events(wanted, before=key, limit=most, skip=skip)
        total = (await parts.history.counts(wanted)).total if counted else None
    return JsonResponse(
        {
            "events": [event_body(line) for line in page.events],
            "total": total,
            "limit": most,
            "first_cursor": write_cursor(EventKey.of(page.events[0])) if page.events else None,
            "next_cursor": write_cursor(page.next_key),
        }
    )


class AuditBody(Body):
    """An entry that somebody writes into the trail."""

    event_type: Annotated[str, Field(min_length=1, max_length=128)]
    event_category: Literal["execution", "governance", "safety", "telemetry"]
    severity: Literal["info", "warning", "error", "critical"]
    message: Annotated[str, Field(min_length=1, max_length=FREE_TEXT_MAX)]
    details: dict[str, Any] = Field(default_factory=dict)
    mission_id: Id = None
    plan_id: Id = None
    job_id: Id = None
    attempt_id: Id = None
    resource_id: Id = None
    caused_by_agent: Annotated[str | None, Field(max_length=256)] = None
    caused_by_event: Annotated[str | None, Field(max_length=256)] = None


@router.post("/log", status_code=201)
@needs(WRITE_AUDIT)
async def log(body: AuditBody, writer: Writing) -> JsonResponse:
    """Write an entry into the audit trail, as an event `audit_logged`."""
    named = [getattr(body, field) for field in ID_FIELDS]
    for level, entity_id in enumerate(named):
        if entity_id is not None:
            check_id(level, ID_FIELDS[level], entity_id)
    command = AuditCommand(
        (named[0], named[1], named[2], named[3], named[4]),
        body.event_type,
        body.event_category,
        body.severity,
        body.message,
        json_value("details", body.details),
        caused_by_agent=body.caused_by_agent,
        caused_by_event=body.caused_by_event,
    )
    outcome = await writer.write(command, body, "audit-log")
    logged = outcome.first("audit_logged")
    return outcome.answer(
        {
            "audit_id": logged.event_id if logged is not None else None,
            "timestamp": iso_time(outcome.received_unix_nano),
            **dict(zip(ID_FIELDS, named, strict=True)),
            "event_type": body.event_type,
            "event_category": body.event_category,
            "severity": body.severity,
            "message": body.message,
            "warnings": await unknown_ids(writer, named),
        },
        201,
    )


async def unknown_ids(writer: Writer, named: Sequence[str | None]) -> list[dict[str, Any]]:
    """A warning for each named entity that nobody has heard of."""
    warnings = []
    for field, entity_id in zip(ID_FIELDS, named, strict=True):
        if entity_id is not None and await writer.known(entity_id) is None:
            detail = f"{field} {entity_id!r} is not known yet"
            warnings.append({"code": "unknown-entity", "field": field, "detail": detail})
    return warnings


@router.get("/stats")
@needs(READ_AUDIT)
async def stats(parts: Parts, wanted: Wanted) -> JsonResponse:
    """Counts of the events that match, and the newest errors among them."""
    severe = tuple(s for s in (ERROR, CRITICAL) if not wanted.severities or s in wanted.severities)
    with archive_answers():
        counts = await parts.history.counts(wanted)
        recent = (
            await parts.history.events(
                replace(wanted, severities=severe), before=None, limit=_RECENT_ERRORS
            )
            if severe
            else EventPage([], None)
        )
    return JsonResponse(
        {
            "total_events": counts.total,
            "events_by_type": counts.by_type,
            "events_by_severity": counts.by_severity,
            "events_by_category": counts.by_category,
            "recent_errors": [event_body(line) for line in recent.events],
        }
    )


def event_body(line: EventLine) -> dict[str, Any]:
    """An event as lists show it."""
    return {
        "audit_id": line.event_id,
        "timestamp": iso_time(line.timestamp_unix_nano),
        "event_time": iso_time(line.event_time_unix_nano),
        **{name: getattr(line, name) or None for name in ID_FIELDS},
        "entity_type": line.entity_type or None,
        "entity_id": line.entity_id or None,
        "channel": line.channel,
        "event_type": line.event_type,
        "event_category": line.event_category,
        "severity": line.severity,
        "message": _message(line),
        "principal": line.principal,
        "details": line.data,
    }


class _Entry(msgspec.Struct):
    message: str | None = None


def _message(line: EventLine) -> str:
    """What an event says: of an entry that somebody wrote, their words, unless they were erased."""
    if line.event_type != "audit_logged":
        return line.message
    return msgspec.json.decode(line.data, type=_Entry).message or line.message
