"""Reads of spans: by trace and by mission, each through a look-up table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neurorail.collector.store.store import Row, Store

SPANS_MAX: Final = 10_000
"""Spans that one read returns at most."""
_ASKED_AT_ONCE: Final = 1_000
"""Spans that are looked for in one read: their ids travel in its address."""
_LAST_SECOND: Final = 4_294_967_295
"""The last second that a DateTime holds: an end that is at it may lie anywhere beyond."""

_OF_A_TRACE: Final = re.compile(r"m_([0-9a-f]{32})")
"""The mission of telemetry that names none is its trace."""

_COLUMNS: Final = """Timestamp, toUnixTimestamp64Nano(Timestamp) AS start_unix_nano, TraceId,
SpanId, ParentSpanId, SpanName, SpanKind, ServiceName, ResourceAttributes, ScopeName,
SpanAttributes, Duration, StatusCode, StatusMessage, Events.Timestamp, Events.Name,
Events.Attributes, Links.TraceId, Links.SpanId, Seq, ReceivedAt"""


async def spans_of_trace(
    store: Store, tenant: str, trace_id: str, limit: int = SPANS_MAX
) -> list[Row]:
    """The spans of a trace in order of their start; empty for an unknown one.

    Args:
        store: A started store.
        tenant: Whose spans.
        trace_id: The trace, in lower-case hex.
        limit: Spans at most.
    """
    # The look-up table says when the trace was, so that few granules are read.
    found = await store.query_async(
        "SELECT toUnixTimestamp(min(Start)) AS first, toUnixTimestamp(max(End)) AS last, "
        "count() AS parts FROM otel_traces_trace_id_ts "
        "WHERE TraceId = {trace_id:String} AND Tenant = {tenant:String}",
        {"trace_id": trace_id, "tenant": tenant},
    )
    if not found[0]["parts"]:
        return []
    seconds = (found[0]["first"], found[0]["last"])
    return await _spans(store, tenant, [trace_id], seconds, min(limit, SPANS_MAX))


async def spans_of_mission(
    store: Store, tenant: str, mission_id: str, limit: int = SPANS_MAX
) -> list[Row]:
    """The spans that name a mission, in order of their start."""
    limit = min(limit, SPANS_MAX)
    # Each of these traces has a span that counts: spans of later traces start after all of them.
    traces = await store.query_async(
        "SELECT TraceId, toUnixTimestamp(min(Start)) AS first, toUnixTimestamp(max(End)) AS last "
        "FROM otel_traces_mission_ts "
        "WHERE MissionId = {mission_id:String} AND Tenant = {tenant:String} "
        "GROUP BY TraceId ORDER BY first, TraceId LIMIT {limit:UInt32}",
        {"mission_id": mission_id, "tenant": tenant, "limit": limit},
    )
    if not traces:
        return []
    return await _spans(
        store,
        tenant,
        [row["TraceId"] for row in traces],
        (min(row["first"] for row in traces), max(row["last"] for row in traces)),
        limit,
        mission_id,
    )


async def _spans(
    store: Store,
    tenant: str,
    traces: Sequence[str],
    seconds: tuple[int, int],
    limit: int,
    mission_id: str | None = None,
) -> list[Row]:
    """The spans of traces that began within `seconds`; of one mission only, if it is given."""
    first, last = seconds
    named = "AND SpanAttributes['neurorail.mission.id'] = {mission_id:String} "
    return await store.query_async(
        f"SELECT {_COLUMNS} FROM otel_traces WHERE Tenant = {{tenant:String}} "
        "AND TraceId IN {traces:Array(String)} "
        "AND Timestamp >= fromUnixTimestamp64Nano({first:Int64}) "
        "AND Timestamp <= fromUnixTimestamp64Nano({end:Int64}) "
        f"{named if mission_id is not None else ''}"
        "ORDER BY Timestamp, SpanId LIMIT {limit:UInt32}",
        {
            "tenant": tenant,
            "traces": list(traces),
            "first": first * 1_000_000_000,
            "end": (1 << 63) - 1 if last >= _LAST_SECOND else last * 1_000_000_000 + 999_999_999,
            "limit": limit,
            "mission_id": mission_id or "",
        },
    )


async def stored_spans(
    store: Store, tenant: str, spans: Sequence[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Which of some spans are stored: (trace id, span id), both in lower-case hex."""
    found: set[tuple[str, str]] = set()
    for at in range(0, len(spans), _ASKED_AT_ONCE):
        asked = spans[at : at + _ASKED_AT_ONCE]
        rows = await store.query_async(
            "SELECT DISTINCT TraceId, SpanId FROM otel_traces WHERE Tenant = {tenant:String} "
            "AND TraceId IN {traces:Array(String)} AND SpanId IN {spans:Array(String)}",
            {
                "tenant": tenant,
                "traces": sorted({trace_id for trace_id, _ in asked}),
                "spans": sorted({span_id for _, span_id in asked}),
            },
        )
        found.update((row["TraceId"], row["SpanId"]) for row in rows)
    return found


async def spans_of(store: Store, tenant: str, mission_id: str, limit: int) -> list[Row]:
    """The spans that name a mission; for one that was derived from a trace, those of the trace."""
    named = await spans_of_mission(store, tenant, mission_id, limit)
    derived = _OF_A_TRACE.fullmatch(mission_id)
    if named or derived is None:
        return named
    return await spans_of_trace(store, tenant, derived[1], limit)
