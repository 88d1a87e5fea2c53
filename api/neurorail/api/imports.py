"""Importing spans out of an archive: counted and on record like all others, but nothing is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from typing import Annotated, Final

from fastapi import Query, Request
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from neurorail.api.access import Caller, Router, needs
from neurorail.api.dependencies import Tenant
from neurorail.api.encoding import JsonResponse
from neurorail.api.problems import Problem
from neurorail.collector.access.permissions import MANAGE_GOVERNOR
from neurorail.collector.engine.applier import Busy
from neurorail.collector.envelope import IMPORTED_ENCODING, Kind, Signal, Submission
from neurorail.collector.inbox.errors import InboxError
from neurorail.collector.otlp.admission import Admission
from neurorail.collector.otlp.auth import Caller as Sender
from neurorail.collector.otlp.refusal import Refusal
from neurorail.collector.otlp.status import Encoding
from neurorail.collector.store.errors import StoreError

SpanKey = tuple[str, str]
Stored = Callable[[str, Sequence[SpanKey]], Awaitable[Collection[SpanKey]]]
"""Which of a tenant's spans, by trace and span id in hex, are stored already."""
_BODY: Final = {
    "requestBody": {
        "required": True,
        "description": "`ExportTraceServiceRequest` of OTLP, in protobuf",
        "content": {"application/x-protobuf": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def create_router(
    admission: Admission,
    append: Callable[[list[Submission]], Awaitable[object]],
    stored: Stored,
    archived: Callable[[], Awaitable[bool]],
) -> Router:
    """The route. `archived` waits until what was applied so far is in the archive."""
    router = Router(prefix="/import", tags=["import"])

    @router.post("/traces", openapi_extra=_BODY)
    @needs(MANAGE_GOVERNOR)
    async def import_traces(
        request: Request,
        tenant: Tenant,
        caller: Caller,
        after_archived: Annotated[
            bool,
            Query(description="first wait until what was sent before can be recognised"),
        ] = False,
    ) -> JsonResponse:
        """Take in spans that an archive holds; those that are stored here already are left out.

        They are counted and put on record by their own times. No reflex, directive or alert comes
        of them.
        """
        try:
            if after_archived and not await archived():
                raise _behind("the archive is behind")
            body, known = await _new_ones(await request.body(), tenant, stored)
        except StoreError as error:
            raise _behind(f"the archive does not answer: {error}") from error
        admitted = admission.admit(
            Signal.TRACES, Encoding.PROTOBUF, body, Sender(tenant, caller.name)
        )
        if isinstance(admitted, Refusal):
            raise Problem(422, "bad-telemetry", admitted.message, details={"field": "body"})
        records = [
            replace(one, encoding=IMPORTED_ENCODING) if one.kind == Kind.TELEMETRY else one
            for one in admitted.submissions
        ]
        if records:
            try:
                await append(records)
            except InboxError as error:
                raise Busy(f"the spans could not be stored: {error}") from None
        return JsonResponse(
            {
                "accepted": admitted.items,
                "known": known,
                "rejected": admitted.items_rejected,
                "message": admitted.message,
            }
        )

    return router


async def _new_ones(body: bytes, tenant: str, stored: Stored) -> tuple[bytes, int]:
    """The request without the spans that are stored already, and how many these are."""
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise Problem(
            422, "bad-telemetry", f"the body is no ExportTraceServiceRequest: {error}",
            details={"field": "body"},
        ) from None  # fmt: skip
    spans = [span for group in request.resource_spans for scope in group.scope_spans
             for span in scope.spans]  # fmt: skip
    if not spans:
        return body, 0
    known = await stored(tenant, [_key(span) for span in spans])
    if not known:
        return body, 0
    left_out = 0
    for group in request.resource_spans:
        for scope in group.scope_spans:
            kept = [span for span in scope.spans if _key(span) not in known]
            left_out += len(scope.spans) - len(kept)
            del scope.spans[:]
            scope.spans.extend(kept)
    return request.SerializeToString(deterministic=True), left_out


def _key(span: Span) -> SpanKey:
    return (span.trace_id.hex(), span.span_id.hex())


def _behind(detail: str) -> Problem:
    return Problem(503, "archive-unavailable", detail, retry_after_s=5)
