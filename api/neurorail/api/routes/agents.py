"""Agents that are connected."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from neurorail.api.access import Caller, Router, needs
from neurorail.api.dependencies import Parts, Tenant
from neurorail.api.encoding import JsonResponse, iso_time
from neurorail.api.writing import Body
from neurorail.collector.access.permissions import READ_LIFECYCLE, WRITE_LIFECYCLE
from neurorail.collector.agents import GONE_AFTER_MS, HEARTBEAT_MS, Agent
from neurorail.collector.decode.system import NotedRecord

router = Router(prefix="/agents", tags=["agents"])

Text = Annotated[str | None, Field(max_length=256)]


class GateBody(Body):
    """How an agent's gate stands."""

    mode: Literal["direct", "rail"] | None = None
    connected: Annotated[bool, Field(description="whether its stream of directives is up")] = False
    fail: Annotated[
        Literal["open", "closed"] | None, Field(description="what it does without a server")
    ] = None
    directives: Annotated[int, Field(ge=0, le=2**31, description="in its table")] = 0
    refused: Annotated[int, Field(ge=0, le=2**63 - 1, description="calls since its start")] = 0


class AgentBody(Body):
    """What a process says of itself."""

    instance_id: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9._:-]{1,128}$", description="its own, made at its start")
    ]
    agent: Text = None
    service: Text = None
    version: Annotated[Text, Field(description="of the agent")] = None
    sdk: Annotated[Text, Field(description="what it reports with, name and version")] = None
    runtime: Annotated[Text, Field(description="language and version")] = None
    host: Text = None
    pid: Annotated[int | None, Field(ge=0, le=2**31)] = None
    gate: GateBody | None = None


def _body(agent: Agent) -> dict[str, Any]:
    return {
        "instance_id": agent.instance_id,
        **agent.said,
        "principal": agent.principal,
        "first_seen_at": iso_time(agent.first_unix_nano),
        "last_seen_at": iso_time(agent.last_unix_nano),
    }


@router.get("")
@needs(READ_LIFECYCLE)
async def agents(parts: Parts, tenant: Tenant) -> JsonResponse:
    """The agents that announced themselves lately, newest sign of life first."""
    found = [_body(agent) for agent in parts.agents.connected(tenant)]
    return JsonResponse({"agents": found, "total": len(found)})


@router.post("")
@needs(WRITE_LIFECYCLE, agents=True, scoped=True)
async def announce(body: AgentBody, parts: Parts, tenant: Tenant, caller: Caller) -> JsonResponse:
    """A process says that it is there, and how its gate stands; again every `heartbeat_ms`."""
    said = parts.texts.json(body.model_dump(exclude={"instance_id"}))
    instance_id = parts.texts.text(body.instance_id)
    if parts.agents.announced(tenant, instance_id, caller.name, said):
        named = body.agent or body.service or body.instance_id
        await parts.note(
            NotedRecord(
                "agent_connected",
                {
                    "instance_id": body.instance_id,
                    "agent": body.agent,
                    "service": body.service,
                    "version": body.version,
                    "sdk": body.sdk,
                    "runtime": body.runtime,
                },
                f"{named} connected",
            ),
            tenant,
            caller.name,
        )
    return JsonResponse({"heartbeat_ms": HEARTBEAT_MS, "gone_after_ms": GONE_AFTER_MS})
