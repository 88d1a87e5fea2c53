"""What was consumed, grouped; and what went against the rules."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Query

from neurorail.api.access import Router, needs
from neurorail.api.asking import archive_answers
from neurorail.api.dependencies import Parts, Tenant
from neurorail.api.encoding import JsonResponse, iso_time, usd_number
from neurorail.api.ids import check_id
from neurorail.api.paging import Cursor, PageItems, Since, moment, read_cursor, write_cursor
from neurorail.api.problems import bad_field
from neurorail.api.routes.audit import event_body
from neurorail.collector.access.permissions import READ_LIFECYCLE, READ_METRICS
from neurorail.collector.history import EventFilter, UsageFilter
from neurorail.collector.history.usage import GROUPS
from neurorail.rules.observations import MISSION

router = Router(tags=["usage"])

VIOLATIONS: Final = (
    "transition_rejected", "orphan_detected", "heartbeat_missed", "budget_violation",
    "timeout_enforced", "retry_exhausted", "parallelism_rejected", "record_failed",
)  # fmt: skip
"""Types of event that something went against a rule."""

_TIMES: Final = ("hour", "day")
_Name = Annotated[str | None, Query(max_length=256)]


@router.get("/usage")
@needs(READ_METRICS)
async def usage(
    parts: Parts,
    tenant: Tenant,
    most: PageItems,
    group_by: Annotated[
        list[str] | None, Query(description=f"repeatable: {', '.join(GROUPS)}")
    ] = None,
    tag: Annotated[str | None, Query(max_length=128, description="key of the group `tag`")] = None,
    since: Since = "-24h",
    until: Since = None,
    agent: _Name = None,
    model: _Name = None,
    provider: _Name = None,
    mission_id: str | None = None,
) -> JsonResponse:
    """Calls, tokens and cost of what ended from `since` (a day ago) to `until`, by group.

    The most expensive group is first; with `hour` or `day` they are in the order of time. What was
    moved or taken back later is counted where it belongs. It follows the archive: seconds behind.
    `truncated` says that there are more groups than `limit`.
    """
    groups = list(dict.fromkeys(group_by or []))
    for name in groups:
        if name not in GROUPS:
            known = ", ".join(GROUPS)
            raise bad_field("group_by", name, f"group_by {name[:50]!r} is none of {known}")
    if ("tag" in groups) != (tag is not None):
        raise bad_field("tag", tag, "group_by=tag and tag=KEY need each other")
    if mission_id is not None:
        check_id(MISSION, "mission_id", mission_id)
    now = parts.clock()
    begin, end = moment("since", since, now) or 0, moment("until", until, now)
    wanted = UsageFilter(
        tenant, begin, now if end is None else end, agent, model, provider, mission_id
    )
    with archive_answers():
        rows = await parts.usage.grouped(wanted, groups, tag, most + 1)
    return JsonResponse(
        {
            "since": iso_time(wanted.since_unix_nano),
            "until": iso_time(wanted.until_unix_nano),
            "group_by": groups,
            "limit": most,
            "groups": [_group(row, groups) for row in rows[:most]],
            "truncated": len(rows) > most,
        }
    )


def _group(row: dict[str, Any], groups: list[str]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name in groups:
        value = row[f"{name}_group"]
        shown[name] = f"{value:%Y-%m-%dT%H:%M:%SZ}" if name in _TIMES else value or None
    return {
        **shown,
        "calls": row["calls"],
        "unpriced_calls": row["unpriced_calls"],
        "input_tokens": row["input_tokens"],
        "output_tokens": row["output_tokens"],
        "total_tokens": row["input_tokens"] + row["output_tokens"],
        "cost_usd": usd_number(row["cost_usd_pico"]),
    }


@router.get("/violations")
@needs(READ_LIFECYCLE)
async def violations(
    parts: Parts,
    tenant: Tenant,
    most: PageItems,
    mission_id: str | None = None,
    event_type: Annotated[
        list[str] | None, Query(description=f"repeatable: {', '.join(VIOLATIONS)}")
    ] = None,
    since: Since = None,
    until: Since = None,
    cursor: Cursor = None,
) -> JsonResponse:
    """What went against the rules, newest first."""
    for name in event_type or ():
        if name not in VIOLATIONS:
            known = ", ".join(VIOLATIONS)
            raise bad_field("event_type", name, f"event_type {name[:50]!r} is none of {known}")
    if mission_id is not None:
        check_id(MISSION, "mission_id", mission_id)
    now = parts.clock()
    wanted = EventFilter(
        tenant,
        {} if mission_id is None else {"mission_id": mission_id},
        event_types=tuple(event_type or VIOLATIONS),
        since_unix_nano=moment("since", since, now),
        until_unix_nano=moment("until", until, now),
    )
    with archive_answers():
        page = await parts.history.events(wanted, before=read_cursor(cursor), limit=most)
    return JsonResponse(
        {
            "violations": [event_body(line) for line in page.events],
            "limit": most,
            "next_cursor": write_cursor(page.next_key),
        }
    )
