"""Writes: a request becomes a record, and what the engine says to it is the answer.

With an `Idempotency-Key` a request may be sent again: the engine remembers the key, changes nothing
the second time, and the first answer is given again, with `Idempotent-Replayed: true`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Annotated, Any, Final

import msgspec
from fastapi import Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from neurorail.api.access import Caller
from neurorail.api.asking import archive_answers
from neurorail.api.dependencies import ApiDependencies, Parts, Tenant
from neurorail.api.encoding import JsonResponse
from neurorail.api.looking import must_cover
from neurorail.api.once import IdempotencyKey, key_reused
from neurorail.api.problems import Problem
from neurorail.collector.access import Principal
from neurorail.collector.decode.commands import OnceCommand, encode_command
from neurorail.collector.decode.once import OnceInput
from neurorail.collector.envelope import Kind, Signal, Submission
from neurorail.collector.history import EventFilter
from neurorail.collector.views import EntityView
from neurorail.rules.events import EVENT_TYPES

REPEATED: Final = "write_repeated"
REJECTED: Final = "transition_rejected"
FREE_TEXT_MAX: Final = 4_096
JSON_BYTES_MAX: Final = 64 << 10
"""Largest `metadata` or `details` of a write."""
USD_MAX: Final = Decimal(10) ** 6
Count = Annotated[int | None, Field(ge=0, le=2**63 - 1)]
"""A whole number that the engine can hold."""
_EVENTS_MAX: Final = 1_000


def _as_written(number: str) -> msgspec.Raw:
    """A decimal number of an event, exactly as it is there: an amount of money is no float."""
    return msgspec.Raw(number.encode())


_DECODER: Final = msgspec.json.Decoder(float_hook=_as_written)


class Body(BaseModel):
    """A request's body: a misspelt field is an error."""

    model_config = ConfigDict(extra="forbid")


class Said:
    """One event of the engine, as its answer."""

    __slots__ = ("data", "event_id", "event_type", "timestamp_unix_nano")

    def __init__(self, event_id: str, event_type: str, unix_nano: int, data: bytes) -> None:
        self.event_id = event_id
        self.event_type = event_type
        self.timestamp_unix_nano = unix_nano
        self.data: dict[str, Any] = _DECODER.decode(data)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the engine said to a write."""

    said: Sequence[Said]
    received_unix_nano: int
    repeated: bool = False
    entity_id: str | None = None
    """Of a repeated write: the entity that the first one named or made."""

    def first(self, event_type: str, entity_id: str | None = None) -> Said | None:
        """The first event of a type, about an entity if one is named."""
        for one in self.said:
            if one.event_type == event_type and entity_id in (None, one.data.get("entity_id")):
                return one
        return None

    def answer(self, body: dict[str, Any], status: int) -> JsonResponse:
        """The answer to the client."""
        headers = {"Idempotent-Replayed": "true"} if self.repeated else {}
        return JsonResponse(body, status, headers)

    def must_be_legal(self) -> None:
        """Raise a 409 problem with the allowed transitions if the engine refused."""
        refused = self.first(REJECTED)
        if refused is not None:
            names = ("entity_type", "entity_id", "current_state", "transition", "reason",
                     "allowed_transitions")  # fmt: skip
            details = {name: refused.data.get(name) for name in names}
            raise Problem(
                409, "illegal-transition", str(refused.data.get("reason")), code="NR-E301",
                details={**details, "event_id": refused.event_id},
                headers={"Idempotent-Replayed": "true"} if self.repeated else None,
            )  # fmt: skip


class Writer:
    """Writes for one request."""

    def __init__(
        self,
        request: Request,
        parts: ApiDependencies,
        tenant: str,
        caller: Principal,
        key: str | None,
        *,
        strict: bool,
    ) -> None:
        self.parts = parts
        self.tenant = tenant
        self.caller = caller
        self.strict = strict
        self._request = request
        self._key = key

    @property
    def now_unix_nano(self) -> int:
        """The time at the edge, for ids that are made here."""
        return self.parts.clock()

    async def known(self, entity_id: str) -> EntityView | None:
        """An entity, if it was ever heard of. Raises 403 if it lies beyond the caller's limits."""
        view = await self.parts.engine.entity(self.tenant, entity_id)
        if view is not None:
            await self.must_cover(view.ids[0])
        return view

    async def must_cover(self, mission_id: str | None) -> None:
        """Raise 403 if the caller is limited to other missions."""
        await must_cover(self._request, self.parts, self.tenant, self.caller, mission_id)

    async def write(self, command: OnceCommand, body: Body, operation: str) -> Outcome:
        """Make a command durable and let the engine judge it.

        Args:
            command: what the record says.
            body: the request's own, by which a repetition is recognised.
            operation: names the endpoint and what its path holds.

        Raises:
            Problem: 422 if the idempotency key was used with another body.
            Busy: it could not be stored, or not be answered in time.
        """
        if self._key is not None:
            # Without what may not be stored: its plain hash would let guesses be tested.
            said = self.parts.texts.json(body.model_dump(mode="json"))
            digest = sha256(msgspec.json.encode(said)).hexdigest()
            command.once = OnceInput(f"{operation} {self._key}", digest)
        written = await self.parts.writes.write(
            Submission(
                Kind.COMMAND,
                Signal.NONE,
                encode_command(command),
                self.tenant,
                self.caller.name,
                encoding="json",
            )
        )
        said = [
            Said(one.event_id, one.event_type, one.timestamp_unix_nano, one.data)
            for one in written.events
        ]
        outcome = Outcome(said, written.stamp.received_unix_nano)
        repeated = outcome.first(REPEATED)
        return outcome if repeated is None else await self._first_time(repeated)

    async def _first_time(self, repeated: Said) -> Outcome:
        """What the engine said to the same write the first time."""
        if not repeated.data["same_body"]:
            raise key_reused()
        received = int(repeated.data["first_received_unix_nano"])
        wanted = EventFilter(self.tenant, since_unix_nano=received, until_unix_nano=received + 1)
        with archive_answers():
            page = await self.parts.history.events(wanted, before=None, limit=_EVENTS_MAX)
        said = [
            Said(line.event_id, line.event_type, line.timestamp_unix_nano, bytes(line.data))
            for line in reversed(page.events)
        ]
        return Outcome(said, received, repeated=True, entity_id=repeated.data["entity_id"])


async def writer(
    request: Request,
    parts: Parts,
    tenant: Tenant,
    caller: Caller,
    idempotency_key: IdempotencyKey = None,
    strict: Annotated[
        bool, Query(description="refuse a parent that is not known, instead of warning")
    ] = False,
) -> Writer:
    """What an endpoint that writes depends on."""
    return Writer(request, parts, tenant, caller, idempotency_key, strict=strict)


Writing = Annotated[Writer, Depends(writer)]


def json_value(field: str, value: dict[str, Any]) -> msgspec.Raw:
    """A free object as JSON. Raises a 422 problem above its limit."""
    encoded = msgspec.json.encode(value)
    if len(encoded) > JSON_BYTES_MAX:
        raise Problem(
            422, "bad-field", f"{field} has {len(encoded)} bytes: use at most {JSON_BYTES_MAX}",
            details={"field": field},
        )  # fmt: skip
    return msgspec.Raw(encoded)


assert {REPEATED, REJECTED} <= set(EVENT_TYPES), "the engine says these"
