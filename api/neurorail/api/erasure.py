"""Erasing what is kept of a mission, a person or a tenant; the audit chain stays whole."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Protocol

from pydantic import Field

from neurorail.api.access import Caller, Router, needs
from neurorail.api.dependencies import ApiDependencies, Parts, Tenant
from neurorail.api.encoding import JsonResponse
from neurorail.api.ids import check_id
from neurorail.api.once import Repeatable
from neurorail.api.problems import Problem, bad_field
from neurorail.api.writing import Body
from neurorail.collector.access.permissions import SYSTEM_ADMIN
from neurorail.collector.audit.erasure import (
    Archive,
    discard_replaced,
    erase_missions,
    erase_subject,
    erase_telemetry,
    forget_states,
    missions_of_subject,
    missions_of_tenant,
    seconds_to_disk,
)
from neurorail.collector.decode.commands import EraseCommand, encode_command
from neurorail.collector.envelope import Kind, Signal, Submission
from neurorail.collector.store.errors import StoreError
from neurorail.rules.observations import MISSION

MISSIONS_A_RECORD = 1_000


class EraseBody(Body):
    """What is to be erased: exactly one of the three, and why."""

    mission_id: str | None = None
    subject: Annotated[str | None, Field(min_length=1, max_length=256)] = None
    """Missions with the tag `subject` of this value, or with `user.id` or `enduser.id` in spans."""
    everything: bool = False
    """All missions of the tenant."""
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class Files(Protocol):
    """The server's own files, beside the archive."""

    def seal(self) -> None:
        """Let what is taken in from now on be apart from what was taken in before."""
        ...

    async def archived(self) -> bool:
        """Wait until what was applied so far is in the archive; False if that takes too long."""
        ...

    async def scrubbed(self) -> Sequence[str]:
        """Remove what is archived, and the bytes of what was deleted.

        Returns:
            What is left, and until when.
        """
        ...


def create_router(store: Archive, files: Files) -> Router:
    """The route, over the archive and the server's own files."""
    router = Router(prefix="/audit", tags=["audit"])
    running = asyncio.Lock()

    async def erased(
        body: EraseBody, parts: ApiDependencies, tenant: str, principal: str
    ) -> JsonResponse:
        files.seal()
        missions = await _missions(store, body, tenant)
        scope = "tenant" if body.everything else "subject" if body.subject else "mission"
        # One record at least: an order is on record also where nothing is found.
        for at in range(0, len(missions) or 1, MISSIONS_A_RECORD):
            chunk = tuple(missions[at : at + MISSIONS_A_RECORD])
            content = encode_command(EraseCommand(chunk, scope, body.reason))
            record = Submission(
                Kind.COMMAND, Signal.NONE, content, tenant, principal, encoding="json"
            )
            await parts.writes.write(record)
        # What is on its way into the archive would come after its deletion.
        if not await files.archived():
            raise _unavailable("the archive is behind: erase again later")
        found = await asyncio.to_thread(_erase, store, body, tenant, missions)
        remains = [*await files.scrubbed(), *await asyncio.to_thread(_remains, store)]
        return JsonResponse(
            {
                "missions": len(missions) if found else 0,
                "scope": scope,
                "found": found,
                "remains": remains,
            }
        )

    @router.post("/erase")
    @needs(SYSTEM_ADMIN)
    async def erase(
        body: EraseBody, parts: Parts, tenant: Tenant, caller: Caller, once: Repeatable
    ) -> JsonResponse:
        """Erase what is kept of missions, and wait until it is gone.

        `found` is false where nothing was known of it; the order is on record all the same. What
        was decided stays: states, times, sums, and the hashes of the audit trail. `remains`
        says what is still on a disk when this is answered, and until when.
        """

        async def act() -> JsonResponse:
            if running.locked():
                raise Problem(503, "busy", "an erasure is running already", retry_after_s=5)
            async with running:
                try:
                    return await erased(body, parts, tenant, caller.name)
                except StoreError as error:
                    raise _unavailable(str(error)) from error

        return await once.run("erase", body, act)

    return router


def _unavailable(why: str) -> Problem:
    return Problem(503, "archive-unavailable", why, retry_after_s=30)


def _erase(store: Archive, body: EraseBody, tenant: str, missions: Sequence[str]) -> bool:
    """Erase, and say whether there was anything."""
    found = erase_missions(store, tenant, missions)
    if body.subject is not None:
        # Missions were found by it; what was deleted with them is not there any more.
        found = erase_subject(store, tenant, body.subject) or bool(missions)
    if body.everything:
        found |= erase_telemetry(store, tenant)
    forget_states(store)
    return found


def _remains(store: Archive) -> list[str]:
    with suppress(StoreError):  # Then it does so by itself, later.
        discard_replaced(store)
    return [
        f"parts that ClickHouse has replaced, on its disk for at most {seconds_to_disk(store)} s"
    ]


async def _missions(store: Archive, body: EraseBody, tenant: str) -> Sequence[str]:
    chosen = (body.mission_id is not None) + (body.subject is not None) + body.everything
    if chosen != 1:
        raise bad_field("mission_id", chosen, "name one of mission_id, subject and everything")
    if body.mission_id is not None:
        check_id(MISSION, "mission_id", body.mission_id)
        return [body.mission_id]
    if body.subject is not None:
        return await asyncio.to_thread(missions_of_subject, store, tenant, body.subject)
    return await asyncio.to_thread(missions_of_tenant, store, tenant)
