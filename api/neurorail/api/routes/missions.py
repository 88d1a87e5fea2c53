"""Lists of missions, jobs and attempts, filtered and page by page; two missions side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final

from fastapi import Depends, Query

from neurorail.api.access import Router, needs
from neurorail.api.asking import archive_answers
from neurorail.api.dependencies import ApiDependencies, Parts, Tenant
from neurorail.api.encoding import JsonResponse, iso_time, usd_number
from neurorail.api.entities import entity_body
from neurorail.api.ids import check_id
from neurorail.api.looking import Looking
from neurorail.api.paging import (
    Cursor,
    PageItems,
    Since,
    moment,
    read_list_cursor,
    write_list_cursor,
)
from neurorail.api.problems import bad_field
from neurorail.collector.access.permissions import READ_LIFECYCLE
from neurorail.collector.history import EntityFilter, EntityRow
from neurorail.collector.views import EntityView
from neurorail.rules.lifecycle import STATES
from neurorail.rules.observations import JOB, MISSION

router = Router(tags=["missions"])

_PICO: Final = 10**12
_TAGS_MAX: Final = 10
_COMPARED_MAX: Final = 10_000
_SKIP_MAX: Final = 1_000_000
Skip = Annotated[int, Query(ge=0, le=_SKIP_MAX, description="pass over so many first")]
Filters = dict[str, Any]


def _filters(
    parts: Parts,
    state: Annotated[list[str] | None, Query(description="repeatable: any of these")] = None,
    since: Since = None,
    until: Since = None,
    tag: Annotated[
        list[str] | None, Query(description="`KEY=VALUE` of its own tags; repeatable: all of them")
    ] = None,
    agent: Annotated[str | None, Query(max_length=256)] = None,
    model: Annotated[str | None, Query(max_length=256)] = None,
    error_code: Annotated[str | None, Query(max_length=64)] = None,
    cost_above: Annotated[str | None, Query(max_length=40, description="USD")] = None,
    duration_above_ms: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None,
) -> Filters:
    now = parts.clock()
    return {
        "states": _states(state or []),
        "since_unix_nano": moment("since", since, now),
        "until_unix_nano": moment("until", until, now),
        "tags": _tags(tag or []),
        "agent": agent,
        "model": model,
        "error_code": error_code,
        "cost_above_usd_pico": _pico(cost_above),
        "duration_above_ms": duration_above_ms,
    }


Wanted = Annotated[Filters, Depends(_filters)]


@router.get("/missions")
@needs(READ_LIFECYCLE)
async def missions(
    parts: Parts,
    tenant: Tenant,
    most: PageItems,
    wanted: Wanted,
    cursor: Cursor = None,
    paged: Annotated[bool, Query(description="in pages, without a filter")] = False,
    skip: Skip = 0,
) -> JsonResponse:
    """Missions, newest first.

    Without a filter these are the ones that began last, at this moment, and there is one page;
    `truncated` says that there are more. With a filter, with a cursor or with `paged`, they are all
    there ever were, and `skip` leads to any of them.
    """
    if not paged and not skip and cursor is None and not any(wanted.values()):
        found = await parts.engine.recent_missions(tenant, most + 1)
        body = [entity_body(view) for view in found[:most]]
        cut = len(found) > most
        return JsonResponse(
            {
                "missions": body,
                "limit": most,
                "first_cursor": None,
                "next_cursor": None,
                "truncated": cut,
            }
        )
    return await _page(parts, EntityFilter(tenant, "mission", **wanted), most, cursor, skip)


@router.get("/jobs")
@needs(READ_LIFECYCLE)
async def jobs(
    parts: Parts,
    tenant: Tenant,
    most: PageItems,
    wanted: Wanted,
    job_type: Annotated[str | None, Query(max_length=256)] = None,
    mission_id: str | None = None,
    cursor: Cursor = None,
    skip: Skip = 0,
) -> JsonResponse:
    """Jobs, newest first."""
    if mission_id is not None:
        check_id(MISSION, "mission_id", mission_id)
    asked = EntityFilter(tenant, "job", kind=job_type, mission_id=mission_id, **wanted)
    return await _page(parts, asked, most, cursor, skip)


@router.get("/attempts")
@needs(READ_LIFECYCLE)
async def attempts(
    parts: Parts,
    tenant: Tenant,
    most: PageItems,
    wanted: Wanted,
    mission_id: str | None = None,
    job_id: str | None = None,
    cursor: Cursor = None,
    skip: Skip = 0,
) -> JsonResponse:
    """Attempts, newest first."""
    for level, field, value in ((MISSION, "mission_id", mission_id), (JOB, "job_id", job_id)):
        if value is not None:
            check_id(level, field, value)
    asked = EntityFilter(tenant, "attempt", mission_id=mission_id, job_id=job_id, **wanted)
    return await _page(parts, asked, most, cursor, skip)


@router.get("/missions/{mission_id}/compare/{other_id}")
@needs(READ_LIFECYCLE, scoped=True)
async def compare(
    mission_id: str, other_id: str, parts: Parts, tenant: Tenant, look: Looking
) -> JsonResponse:
    """Two missions side by side: totals, what is below them by type and state, and the difference.

    `difference` is the other minus the first, where both have a number.
    """
    sides = []
    for field, wanted in (("mission_id", mission_id), ("other_id", other_id)):
        check_id(MISSION, field, wanted)
        sides.append(await look.entity("mission", wanted))
    below = await asyncio.gather(
        *(parts.engine.subtree(tenant, view.entity_id, _COMPARED_MAX + 1) for view in sides)
    )
    first, other = (_side(view, found) for view, found in zip(sides, below, strict=True))
    return JsonResponse(
        {
            "mission": first,
            "other": other,
            "difference": _difference(first, other),
            "truncated": any(len(found) > _COMPARED_MAX for found in below),
        }
    )


async def _page(
    parts: ApiDependencies, wanted: EntityFilter, most: int, cursor: str | None, skip: int
) -> JsonResponse:
    """A page; `first_cursor` goes on after its first entity, `next_cursor` after its last."""
    after = read_list_cursor(cursor)
    with archive_answers():
        page = await parts.lists.page(wanted, after=after, limit=most, skip=skip)
    return JsonResponse(
        {
            f"{wanted.entity_type}s": [row_body(row) for row in page.rows],
            "limit": most,
            "first_cursor": write_list_cursor(page.rows[0].key if page.rows else None),
            "next_cursor": write_list_cursor(page.next_key),
        }
    )


def row_body(row: EntityRow) -> dict[str, Any]:
    """An entity as lists show it."""
    kind = {"plan": "plan_type", "job": "job_type"}.get(row.entity_type)
    return {
        "entity_type": row.entity_type,
        "entity_id": row.entity_id,
        "mission_id": row.mission_id or None,
        "plan_id": row.plan_id or None,
        "job_id": row.job_id or None,
        "state": row.state,
        "created_at": iso_time(row.created_unix_nano),
        "started_at": iso_time(row.started_unix_nano),
        "ended_at": iso_time(row.ended_unix_nano),
        "duration_ms": row.duration_ms,
        "error_code": row.error_code or None,
        **({kind: row.kind or None} if kind else {}),
        "tags": row.tags,
        "agent": row.agent or None,
        "service": row.service or None,
        "model": row.model or None,
        "totals": {
            "input_tokens": row.input_tokens,
            "output_tokens": row.output_tokens,
            "total_tokens": row.input_tokens + row.output_tokens,
            "cost_usd": usd_number(row.cost_usd_pico),
            "tool_calls": row.tool_calls,
            "attempt_count": row.attempt_count,
            "retry_count": row.retry_count,
        },
    }


def _side(view: EntityView, found: Sequence[EntityView]) -> dict[str, Any]:
    below: dict[str, dict[str, int]] = {}
    for entity in found:
        if entity.entity_id != view.entity_id:
            states = below.setdefault(f"{entity.entity_type}s", {})
            states[entity.state] = states.get(entity.state, 0) + 1
    return {**entity_body(view), "below": below}


_COMPARED: Final = (
    "input_tokens", "output_tokens", "total_tokens", "model_calls", "tool_calls", "attempt_count",
    "retry_count", "unpriced_calls",
)  # fmt: skip


def _difference(first: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    one, two = first["totals"], other["totals"]
    durations = first["duration_ms"], other["duration_ms"]
    cost = Decimal(bytes(two["cost_usd"]).decode()) - Decimal(bytes(one["cost_usd"]).decode())
    return {
        **{name: two[name] - one[name] for name in _COMPARED},
        "cost_usd": usd_number(int(cost * _PICO)),
        "duration_ms": None if None in durations else durations[1] - durations[0],
    }


def _states(given: Sequence[str]) -> tuple[str, ...]:
    for state in given:
        if state.lower() not in STATES:
            raise bad_field("state", state, f"state {state[:50]!r} is none of {', '.join(STATES)}")
    return tuple(dict.fromkeys(state.lower() for state in given))


def _tags(given: Sequence[str]) -> dict[str, str]:
    if len(given) > _TAGS_MAX:
        raise bad_field("tag", len(given), f"{len(given)} tags are more than {_TAGS_MAX}")
    tags = {}
    for text in given:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise bad_field("tag", text, f"tag {text[:100]!r} is not KEY=VALUE")
        tags[key] = value
    return tags


def _pico(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        usd = Decimal(text)
    except InvalidOperation:
        usd = Decimal("NaN")
    if not usd.is_finite() or not 0 <= usd <= 10**6:
        raise bad_field("cost_above", text, f"cost_above {text!r} is no amount of USD up to 10^6")
    return int(usd * _PICO)
