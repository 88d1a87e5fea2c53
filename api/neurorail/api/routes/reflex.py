"""Reflexes: what they did, and doing it by hand."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import Path
from pydantic import Field

from neurorail.api.access import Router, needs
from neurorail.api.asking import archive_answers
from neurorail.api.dependencies import Parts, Tenant
from neurorail.api.encoding import JsonResponse, iso_time
from neurorail.api.paging import Cursor, PageItems, read_cursor, write_cursor
from neurorail.api.problems import Problem, bad_field
from neurorail.api.scopes import Values, chain_named, checked_scope, scope_of_entity
from neurorail.api.writing import FREE_TEXT_MAX, Body, Outcome, Writing
from neurorail.collector.access.permissions import EXECUTE_REFLEX, READ_LIFECYCLE
from neurorail.collector.decode.people import ReflexCommand
from neurorail.collector.engine.reflex_view import BreakerView, DirectiveView
from neurorail.collector.history import EventFilter
from neurorail.rules.directives import Scope

router = Router(prefix="/reflex", tags=["reflex"])

_NS_PER_MS = 1_000_000
_TTL_MS_MAX = 400 * 86_400_000
_TARGETED = {"open": "circuit_id", "close": "circuit_id", "resume": "directive_id",
             "release": "directive_id"}  # fmt: skip
"""What can be named by its id instead of a scope."""


def directive_body(view: DirectiveView, now_unix_nano: int) -> dict[str, Any]:
    """A directive as agents read it: `ttl_ms` counts from now."""
    expires = view.expires_unix_nano
    return {
        "directive_id": view.id,
        "action": view.action,
        "scope": view.scope,
        "code": view.code,
        "reason": view.reason,
        "rule": view.rule,
        "ttl_ms": max(0, expires - now_unix_nano) // _NS_PER_MS if expires else None,
        "limits": view.limits,
        "circuit_id": view.circuit or None,
        "issued_at": iso_time(view.issued_unix_nano),
        "mission_id": view.ids[0],
    }


def _breaker_body(view: BreakerView) -> dict[str, Any]:
    return {
        "circuit_id": view.id,
        "rule": view.rule,
        "scope": view.scope,
        "state": view.state,
        "since": iso_time(view.since_unix_nano),
        "half_open_at": iso_time(view.half_open_unix_nano),
        "held": view.held,
        "reason": view.reason,
        "openings": view.openings,
        "failure_count": view.failures,
        "success_count": view.successes,
        "successes_to_close": view.successes_wanted,
        "probes_in_flight": view.probes_in_flight,
        "probes_max": view.probes_max,
        "outcomes": [
            {"minute": iso_time(begin), "ended": ended, "failed": failed}
            for begin, ended, failed in view.outcomes
        ],
    }


@router.get("/breakers")
@needs(READ_LIFECYCLE)
async def breakers(parts: Parts, tenant: Tenant) -> JsonResponse:
    """Every circuit breaker that opened and is not forgotten yet."""
    found = [_breaker_body(view) for view in await parts.reflexes.breakers(tenant)]
    return JsonResponse({"breakers": found, "total": len(found)})


@router.get("/directives")
@needs(READ_LIFECYCLE)
async def directives(parts: Parts, tenant: Tenant) -> JsonResponse:
    """Every directive that holds: what agents may not do at the moment."""
    now = parts.clock()
    found = [directive_body(view, now) for view in await parts.reflexes.directives(tenant)]
    return JsonResponse({"directives": found, "total": len(found)})


class _Action(msgspec.Struct):
    """What is shown of a `reflex_action_executed` event's data."""

    action_type: str
    reason: str | None = None
    success: bool = True
    refusal: str | None = None
    rule: str = ""
    scope: dict[str, str | None] = {}
    directive_id: str | None = None
    alert: dict[str, Any] | None = None
    mission_id: str | None = None
    job_id: str | None = None


@router.get("/actions")
@needs(READ_LIFECYCLE)
async def actions(
    parts: Parts, tenant: Tenant, most: PageItems, cursor: Cursor = None
) -> JsonResponse:
    """What reflexes and operators did, newest first."""
    before = read_cursor(cursor)
    wanted = EventFilter(tenant, event_type="reflex_action_executed")
    with archive_answers():
        page = await parts.history.events(wanted, before=before, limit=most)
    found = []
    for line in page.events:
        data = msgspec.json.decode(line.data, type=_Action)
        found.append(
            {
                "event_id": line.event_id,
                "timestamp": iso_time(line.timestamp_unix_nano),
                "principal": line.principal,
                **msgspec.structs.asdict(data),
            }
        )
    return JsonResponse({"actions": found, "next_cursor": write_cursor(page.next_key)})


class ReflexBody(Body):
    """What is to be done to what. Exactly one of `scope`, `entity_id`, `everything` and an id."""

    scope: Values | None = None
    entity_id: Annotated[str | None, Field(max_length=80)] = None
    everything: Annotated[bool, Field(description="all of the tenant; never by accident")] = False
    circuit_id: Annotated[str | None, Field(min_length=1, max_length=2_048)] = None
    directive_id: Annotated[str | None, Field(min_length=1, max_length=2_048)] = None
    reason: Annotated[str, Field(max_length=FREE_TEXT_MAX)] = ""
    ttl_ms: Annotated[int | None, Field(ge=1, le=_TTL_MS_MAX)] = None

    def target(self, action: str) -> str:
        """The id of what is meant, if it is named by one. Raises a 422 problem."""
        for name in ("circuit_id", "directive_id"):
            if getattr(self, name) is not None and _TARGETED.get(action) != name:
                raise bad_field(name, getattr(self, name), f"{action} takes no {name}")
        return self.circuit_id or self.directive_id or ""

    def meant(self) -> Scope:
        """The scope that is meant. Raises a 422 problem unless it is named in exactly one way."""
        named = [self.scope is not None, self.entity_id is not None, self.everything,
                 self.circuit_id is not None, self.directive_id is not None]  # fmt: skip
        if sum(named) != 1:
            detail = "name what is meant in one way: scope, entity_id, everything or an id"
            raise bad_field("scope", self.scope, detail)
        if self.entity_id is not None:
            return scope_of_entity(self.entity_id)
        if self.scope == {}:
            raise bad_field("scope", "{}", "an empty scope is everything: say everything: true")
        return checked_scope(self.scope or {})


@router.post("/{action}")
@needs(EXECUTE_REFLEX)
async def act(
    action: Annotated[Literal["open", "close", "suspend", "resume", "kill", "release"], Path()],
    body: ReflexBody,
    writer: Writing,
) -> JsonResponse:
    """Do by hand what a reflex does, or undo it.

    `open` holds a circuit open until `close`; `suspend` stops a scope until `resume` or `ttl_ms`;
    `kill` stops everything in a scope, running work included, until `release`, and needs a reason.
    """
    scope, target = body.meant(), body.target(action)
    if action == "kill" and not body.reason.strip():
        raise bad_field("reason", "", "a kill switch needs a reason")
    if body.ttl_ms is not None and action not in ("suspend", "kill"):
        raise bad_field("ttl_ms", body.ttl_ms, f"{action} takes no ttl_ms")
    command = ReflexCommand(
        action, scope, target, body.reason, body.ttl_ms or 0, chain_named(scope)
    )
    outcome = await writer.write(command, body, f"reflex/{action}")
    return outcome.answer(_done(outcome, action), 200)


_STATUS = {"unknown": 404, "conflict": 409, "full": 429}


def _done(outcome: Outcome, action: str) -> dict[str, Any]:
    said = outcome.first("reflex_action_executed")
    assert said is not None, "every act is answered"
    refusal = said.data["refusal"]
    if refusal is not None:
        raise Problem(
            _STATUS[refusal], f"{refusal}-target", said.data["reason"],
            details={"action": action, "event_id": said.event_id},
        )  # fmt: skip
    issued = outcome.first("directive_issued")
    moved = outcome.first("circuit_state_changed")
    return {
        "action": action,
        "success": True,
        "reason": said.data["reason"],
        "scope": said.data["scope"],
        "directive_id": None if issued is None else issued.data["directive_id"],
        "circuit_id": None if moved is None else moved.data["circuit_id"],
        "event_id": said.event_id,
    }
