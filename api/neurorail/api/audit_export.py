"""Events with their proofs, for somebody who does not trust this server."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping
from itertools import chain
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from neurorail.api.access import Caller, Router, needs
from neurorail.api.dependencies import ApiDependencies, Parts, Tenant
from neurorail.api.encoding import JsonLinesResponse, JsonResponse
from neurorail.api.ids import check_id
from neurorail.api.looking import must_cover
from neurorail.api.once import Repeatable
from neurorail.api.paging import moment
from neurorail.api.problems import Problem, bad_field
from neurorail.api.writing import Body
from neurorail.collector.access import Principal
from neurorail.collector.access.permissions import READ_AUDIT, SYSTEM_ADMIN
from neurorail.collector.audit.bundle import NothingArchived, about_event
from neurorail.collector.audit.checkpoint import Rotation, Tombstone, key_id
from neurorail.collector.audit.checkpointer import ChainBroken
from neurorail.collector.decode.system import NotedRecord
from neurorail.collector.store.errors import StoreError
from neurorail.rules.observations import MISSION

Bundle = Callable[[str, Mapping[str, str]], Iterator[bytes]]
"""The lines of a bundle of a tenant's events about something. Blocks."""
Rotate = Callable[[], Coroutine[Any, Any, Rotation]]
"""Lets another key sign from now on."""

Form = Literal["json", "jsonl"]

Retain = Callable[[int], Coroutine[Any, Any, Tombstone | None]]
"""Removes verified events that were received before a Unix time in nanoseconds."""


class RetainBody(Body):
    """What is to be removed."""

    before: str
    """ISO 8601, or ago: `-365d`. Whole checkpoints that are older."""


def create_router(bundle: Bundle, rotate: Rotate, retain: Retain) -> Router:
    """The routes over what makes bundles and what signs."""
    router = Router(prefix="/audit", tags=["audit"])

    @router.get("/export", response_class=JsonLinesResponse)
    @needs(READ_AUDIT, scoped=True)
    async def export(
        request: Request, parts: Parts, tenant: Tenant, caller: Caller, mission_id: str
    ) -> JsonLinesResponse:
        """Every event of a mission with its proof, as lines of JSON (`application/x-ndjson`).

        404 if the archive holds none: an empty bundle would prove nothing. `event.proof` is null
        until a checkpoint covers the event.
        """
        check_id(MISSION, "mission_id", mission_id)
        await must_cover(request, parts, tenant, caller, mission_id)
        lines = bundle(tenant, {"mission_id": mission_id})
        try:
            # Before it the archive is asked what there is; errors can still be answered as such.
            first = await run_in_threadpool(next, lines)
        except NothingArchived:
            raise Problem(
                404, "unknown-entity", f"the archive holds no event of mission {mission_id!r}"
            ) from None
        except StoreError as error:
            raise Problem(503, "archive-unavailable", str(error), retry_after_s=30) from None
        return JsonLinesResponse(chain((first,), lines))

    @router.get(
        "/proof/{audit_id}", responses={200: {"content": {JsonLinesResponse.media_type: {}}}}
    )
    @needs(READ_AUDIT)
    async def proof(
        audit_id: str, tenant: Tenant, form: Annotated[Form, Query(alias="format")] = "json"
    ) -> Response:
        """One event, its proof, and the signed statements that the proof leads to.

        `event.proof` is null until a checkpoint covers the event. With `format=jsonl` it is a
        bundle, as `export` gives it: lines of JSON, byte for byte what was hashed and signed.
        """
        try:
            about = about_event(audit_id)
        except ValueError as error:
            raise bad_field("audit_id", audit_id, str(error)) from None
        try:
            lines = await run_in_threadpool(lambda: list(bundle(tenant, about)))
        except NothingArchived:
            raise Problem(
                404, "unknown-event", f"no archived event with id {audit_id[:100]!r}"
            ) from None
        told = [msgspec.json.decode(line) for line in lines]
        events = [line for line in told if line["kind"] == "event"]
        if form == "jsonl":
            root = (events[0]["proof"] or {}).get("root")
            kept = (line for line, said in zip(lines, told, strict=True) if _leads_to(said, root))
            return Response(b"".join(kept), media_type="application/x-ndjson")
        statements = [line for line in told if line["kind"] in ("checkpoint", "rotation")]
        return JsonResponse({"event": events[0], "statements": statements})

    @router.post("/rotate-key")
    @needs(SYSTEM_ADMIN)
    async def rotate_key(parts: Parts, caller: Caller, once: Repeatable) -> JsonResponse:
        """Let another key sign checkpoints from now on; the old one signs that."""

        async def change() -> JsonResponse:
            rotation = await rotate()
            await parts.note(rotated(rotation), caller.tenant, caller.name)
            return JsonResponse(
                {"public_key": rotation.new_public_key, "key_id": key_id(rotation.new_public_key)}
            )

        return await once.run("rotate-key", None, change)

    @router.post("/retain")
    @needs(SYSTEM_ADMIN)
    async def retain_events(
        body: RetainBody, parts: Parts, caller: Caller, once: Repeatable
    ) -> JsonResponse:
        """Verify old events and remove them, up to a checkpoint; a signed statement says so.

        409 with NR-E302 if they do not hold: then nothing is removed.
        """
        return await once.run("retain", body, lambda: _removed(retain, body, parts, caller))

    return router


async def _removed(
    retain: Retain, body: RetainBody, parts: ApiDependencies, caller: Principal
) -> JsonResponse:
    before = moment("before", body.before, parts.clock()) or 0
    try:
        tombstone = await retain(before)
    except ChainBroken as broken:
        raise Problem(409, "chain-broken", str(broken), code="NR-E302") from None
    except StoreError as error:
        raise Problem(503, "archive-unavailable", str(error), retry_after_s=30) from None
    if tombstone is None:
        return JsonResponse({"removed_through": None, "total": 0})
    last = f"{tombstone.node}.{'.'.join(map(str, tombstone.last))}"
    data = {
        "last": last,
        "total": tombstone.total,
        "head": tombstone.head,
        "public_key": tombstone.public_key,
        "signature": tombstone.signature,
    }
    noted = NotedRecord("audit_retained", data, f"events up to {last} were removed", "warning")
    await parts.note(noted, caller.tenant, caller.name)
    return JsonResponse({"removed_through": last, "total": tombstone.total})


def _leads_to(line: Mapping[str, Any], root: str | None) -> bool:
    """Whether a line of a bundle is needed to believe the event under a root."""
    return bool(line["kind"] != "checkpoint" or line["root"] == root)


def rotated(rotation: Rotation) -> NotedRecord:
    """The record that another key signs from now on."""
    data = {
        "public_key": rotation.public_key,
        "new_public_key": rotation.new_public_key,
        "signature": rotation.signature,
    }
    return NotedRecord("audit_key_rotated", data, "another key signs checkpoints from now on")
