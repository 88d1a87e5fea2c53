"""Events with their proofs, for somebody who does not trust this server."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any

import msgspec
from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from neurorail.api.access import Caller, Router, needs
from neurorail.api.dependencies import Parts, Tenant
from neurorail.api.encoding import JsonResponse
from neurorail.api.ids import check_id
from neurorail.api.looking import must_cover
from neurorail.api.problems import Problem, bad_field
from neurorail.collector.access.permissions import READ_AUDIT, SYSTEM_ADMIN
from neurorail.collector.audit.checkpoint import Rotation, key_id
from neurorail.collector.decode.system import NotedRecord
from neurorail.collector.stream.event import parse_event_id
from neurorail.rules.observations import MISSION

Bundle = Callable[[str, Mapping[str, str]], Iterator[bytes]]
"""The lines of a bundle of a tenant's events about something. Blocks."""
Rotate = Callable[[], Coroutine[Any, Any, Rotation]]
"""Lets another key sign from now on."""


def create_router(bundle: Bundle, rotate: Rotate) -> Router:
    """The routes over what makes bundles and what signs."""
    router = Router(prefix="/audit", tags=["audit"])

    @router.get("/export")
    @needs(READ_AUDIT, scoped=True)
    async def export(
        request: Request, parts: Parts, tenant: Tenant, caller: Caller, mission_id: str
    ) -> StreamingResponse:
        """Every event of a mission with its proof, as lines of JSON (`application/x-ndjson`)."""
        check_id(MISSION, "mission_id", mission_id)
        await must_cover(request, parts, tenant, caller, mission_id)
        lines = bundle(tenant, {"mission_id": mission_id})
        return StreamingResponse(lines, media_type="application/x-ndjson")

    @router.get("/proof/{audit_id}")
    @needs(READ_AUDIT)
    async def proof(audit_id: str, tenant: Tenant) -> JsonResponse:
        """One event, its proof, and the signed statements that the proof leads to.

        `event.proof` is null until a checkpoint covers the event.
        """
        try:
            node, (epoch, seq, index) = parse_event_id(audit_id)
        except ValueError as error:
            raise bad_field("audit_id", audit_id, str(error)) from None
        if max(epoch, index) >= 2**32 or seq >= 2**63:
            raise bad_field("audit_id", audit_id, "audit_id is not one that this server gave")
        about = {"node": node, "epoch": str(epoch), "seq": str(seq), "index": str(index)}
        lines = await run_in_threadpool(lambda: list(bundle(tenant, about)))
        told = [msgspec.json.decode(line) for line in lines]
        events = [line for line in told if line["kind"] == "event"]
        if not events:
            raise Problem(404, "unknown-event", f"no archived event with id {audit_id[:100]!r}")
        statements = [line for line in told if line["kind"] in ("checkpoint", "rotation")]
        return JsonResponse({"event": events[0], "statements": statements})

    @router.post("/rotate-key")
    @needs(SYSTEM_ADMIN)
    async def rotate_key(parts: Parts, caller: Caller) -> JsonResponse:
        """Let another key sign checkpoints from now on; the old one signs that."""
        rotation = await rotate()
        await parts.note(rotated(rotation), caller.tenant, caller.name)
        return JsonResponse(
            {"public_key": rotation.new_public_key, "key_id": key_id(rotation.new_public_key)}
        )

    return router


def rotated(rotation: Rotation) -> NotedRecord:
    """The record that another key signs from now on."""
    data = {
        "public_key": rotation.public_key,
        "new_public_key": rotation.new_public_key,
        "signature": rotation.signature,
    }
    return NotedRecord("audit_key_rotated", data, "another key signs checkpoints from now on")
