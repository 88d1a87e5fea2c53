"""The raw spans of a mission, as the store holds them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any

from fastapi import Query

from neurorail.api.access import Router, needs
from neurorail.api.dependencies import Tenant
from neurorail.api.encoding import JsonResponse, iso_time
from neurorail.api.ids import check_id
from neurorail.api.paging import RowsAllowed
from neurorail.api.problems import Problem
from neurorail.collector.access.permissions import READ_LIFECYCLE
from neurorail.collector.store.errors import StoreError
from neurorail.collector.store.spans import SPANS_MAX

SPANS_DEFAULT = 1_000

SpanReader = Callable[[str, str, int], Awaitable[Sequence[Mapping[str, Any]]]]
"""Rows of `otel_traces` for a tenant, a mission and a limit, in order of their start."""


def create_router(read: SpanReader) -> Router:
    """The route that answers spans."""
    router = Router(tags=["missions"])

    @router.get("/missions/{mission_id}/spans")
    @needs(READ_LIFECYCLE)
    async def spans(
        mission_id: str,
        tenant: Tenant,
        allowed: RowsAllowed,
        limit: Annotated[
            int | None, Query(ge=1, le=SPANS_MAX, description="most spans to list")
        ] = None,
    ) -> JsonResponse:
        """The spans that name a mission, or whose trace it is, in order of their start."""
        check_id(0, "mission_id", mission_id)
        most = limit or min(SPANS_DEFAULT, allowed)
        try:
            rows = await read(tenant, mission_id, most + 1)
        except StoreError as error:
            detail = f"the archive does not answer: {error}"
            raise Problem(503, "archive-unavailable", detail, retry_after_s=5) from error
        return JsonResponse(
            {
                "mission_id": mission_id,
                "spans": [_body(row) for row in rows[:most]],
                "truncated": len(rows) > most,
            }
        )

    return router


def _body(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "trace_id": row["TraceId"],
        "span_id": row["SpanId"],
        "parent_span_id": row["ParentSpanId"] or None,
        "name": row["SpanName"],
        "kind": row["SpanKind"],
        "service": row["ServiceName"],
        "scope": row["ScopeName"],
        "start_time": iso_time(row["start_unix_nano"]),
        "duration_ns": row["Duration"],
        "status": row["StatusCode"],
        "status_message": row["StatusMessage"],
        "attributes": row["SpanAttributes"],
        "resource_attributes": row["ResourceAttributes"],
        "events": [
            {"name": name, "timestamp": str(moment), "attributes": attributes}
            for name, moment, attributes in zip(
                row["Events.Name"], row["Events.Timestamp"], row["Events.Attributes"], strict=True
            )
        ],
    }
