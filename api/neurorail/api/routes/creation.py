"""Creating missions, plans, jobs, attempts and resources."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from neurorail.api.access import Router, needs
from neurorail.api.encoding import JsonResponse
from neurorail.api.entities import entity_body
from neurorail.api.ids import ID_FIELDS, check_id, id_form
from neurorail.api.minting import mint_id
from neurorail.api.problems import Problem, bad_field, unknown_entity
from neurorail.api.writing import USD_MAX, Body, Count, Writer, Writing, json_value
from neurorail.collector.access.permissions import WRITE_LIFECYCLE
from neurorail.collector.decode.budgets import BudgetInput
from neurorail.collector.decode.commands import CreateCommand
from neurorail.rules.observations import ATTEMPT, JOB, MISSION, PLAN, RESOURCE, Ids
from neurorail.semconv.attributes import ENTITY_TYPES

router = Router(prefix="/identity", tags=["identity"])

_INT64_MAX: Final = 2**63 - 1
Name = Annotated[str, Field(min_length=1, max_length=256)]
MissionId = Annotated[str, Field(max_length=80, json_schema_extra=id_form("m"))] | None
PlanId = Annotated[str, Field(max_length=80, json_schema_extra=id_form("p"))] | None
JobId = Annotated[str, Field(max_length=80, json_schema_extra=id_form("j"))] | None
AttemptId = Annotated[str, Field(max_length=80, json_schema_extra=id_form("a"))] | None
ResourceId = Annotated[str, Field(max_length=80, json_schema_extra=id_form("r"))] | None
Tags = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=128)], Annotated[str, Field(max_length=512)]
    ],
    Field(max_length=64),
]


class BudgetBody(Body):
    """Limits of an entity and all below it; left out is unlimited, zero is zero."""

    timeout_ms: Count = None
    max_tokens: Count = None
    max_cost_usd: Annotated[Decimal | None, Field(ge=0, le=USD_MAX, decimal_places=12)] = None
    max_retries: Count = None
    max_parallel: Count = None
    max_tool_calls: Count = None


class _Creation(Body):
    tags: Tags = Field(default_factory=dict)
    metadata: dict[str, Any] = Field(default_factory=dict)
    budget: BudgetBody | None = None
    agent: Name | None = None
    service: Name | None = None


class MissionBody(_Creation):
    """A mission: what an agent, or a crew of them, was asked to do."""

    mission_id: MissionId = None
    parent_mission_id: MissionId = None


class PlanBody(_Creation):
    """A plan of a mission."""

    plan_id: PlanId = None
    mission_id: MissionId = None
    plan_type: Literal["sequential", "parallel", "dag", "conditional"] = "sequential"


class JobBody(_Creation):
    """A job of a plan."""

    job_id: JobId = None
    plan_id: PlanId = None
    mission_id: MissionId = None
    job_type: Name
    dependencies: list[Annotated[str, Field(max_length=80, json_schema_extra=id_form("j"))]] = (
        Field(default_factory=list, max_length=256)
    )


class AttemptBody(_Creation):
    """An attempt of a job. Without a number it is the next one."""

    attempt_id: AttemptId = None
    job_id: JobId = None
    plan_id: PlanId = None
    mission_id: MissionId = None
    attempt_number: Annotated[int | None, Field(ge=1, le=_INT64_MAX)] = None


class ResourceBody(_Creation):
    """A resource of an attempt: a model call, a tool call, or anything with a name."""

    resource_id: ResourceId = None
    attempt_id: AttemptId = None
    job_id: JobId = None
    plan_id: PlanId = None
    mission_id: MissionId = None
    resource_type: Name
    model: Name | None = None
    provider: Name | None = None
    tool: Name | None = None


@router.post("/mission", status_code=201)
@needs(WRITE_LIFECYCLE)
async def create_mission(body: MissionBody, writer: Writing) -> JsonResponse:
    """Create a mission, in state pending."""
    if body.parent_mission_id is not None:
        check_id(MISSION, "parent_mission_id", body.parent_mission_id)
    command = _command(MISSION, body, writer)
    command.parent_mission_id = body.parent_mission_id
    return await _create(writer, command, body)


@router.post("/plan", status_code=201)
@needs(WRITE_LIFECYCLE, scoped=True)
async def create_plan(body: PlanBody, writer: Writing) -> JsonResponse:
    """Create a plan, in state pending."""
    command = _command(PLAN, body, writer)
    command.plan_type = body.plan_type
    return await _create(writer, command, body)


@router.post("/job", status_code=201)
@needs(WRITE_LIFECYCLE, scoped=True)
async def create_job(body: JobBody, writer: Writing) -> JsonResponse:
    """Create a job, in state pending."""
    for dependency in body.dependencies:
        check_id(JOB, "dependencies", dependency)
    command = _command(JOB, body, writer)
    command.job_type = body.job_type
    command.dependencies = tuple(body.dependencies)
    return await _create(writer, command, body)


@router.post("/attempt", status_code=201)
@needs(WRITE_LIFECYCLE, scoped=True)
async def create_attempt(body: AttemptBody, writer: Writing) -> JsonResponse:
    """Create an attempt, in state pending."""
    command = _command(ATTEMPT, body, writer)
    command.attempt_number = body.attempt_number
    return await _create(writer, command, body)


@router.post("/resource", status_code=201)
@needs(WRITE_LIFECYCLE, scoped=True)
async def create_resource(body: ResourceBody, writer: Writing) -> JsonResponse:
    """Create a resource, in state pending."""
    command = _command(RESOURCE, body, writer)
    command.resource_type = body.resource_type
    command.model, command.provider, command.tool = body.model, body.provider, body.tool
    return await _create(writer, command, body)


def _command(level: int, body: _Creation, writer: Writer) -> CreateCommand:
    """The command with what all five have in common; named ids are checked."""
    named: list[str | None] = []
    for at, field in enumerate(ID_FIELDS):
        entity_id = getattr(body, field, None) if at <= level else None
        if entity_id is not None:
            check_id(at, field, entity_id)
        named.append(entity_id)
    if level > MISSION and named[level - 1] is None:
        raise Problem(
            422, "missing-parent",
            f"a {ENTITY_TYPES[level]} needs its {ENTITY_TYPES[level - 1]}: name it in"
            f" {ID_FIELDS[level - 1]}",
            code="NR-E304", details={"field": ID_FIELDS[level - 1]},
        )  # fmt: skip
    named[level] = named[level] or mint_id(level, writer.now_unix_nano)
    budget = None if body.budget is None else BudgetInput(**body.budget.model_dump())
    return CreateCommand(
        level,
        _ids(named),
        agent=body.agent,
        service=body.service,
        tags=body.tags,
        budget=budget,
        metadata=json_value("metadata", body.metadata),
    )


def _ids(named: list[str | None]) -> Ids:
    return (named[0], named[1], named[2], named[3], named[4])


async def _create(writer: Writer, command: CreateCommand, body: Body) -> JsonResponse:
    level = command.level
    warnings = await _place(writer, command)
    outcome = await writer.write(command, body, f"create-{ENTITY_TYPES[level]}")
    outcome.must_be_legal()
    entity_id = outcome.entity_id or command.ids[level]
    assert entity_id is not None, "it was named or made"
    view = await writer.parts.engine.entity(writer.tenant, entity_id)
    if view is None:
        raise unknown_entity(ENTITY_TYPES[level], entity_id)
    return outcome.answer({**entity_body(view), "warnings": warnings}, 201)


async def _place(writer: Writer, command: CreateCommand) -> list[dict[str, Any]]:
    """Complete the chain from what is known of the parent; warn, or refuse, if that is nothing."""
    level, named = command.level, list(command.ids)
    if level == MISSION:
        return []
    parent_id = named[level - 1]
    assert parent_id is not None, "checked before"
    parent = await writer.known(parent_id)
    if parent is None:
        await writer.must_cover(named[MISSION])
        if writer.strict:
            unknown = unknown_entity(ENTITY_TYPES[level - 1], parent_id)
            raise Problem(404, unknown.slug, unknown.detail, code="NR-E304",
                          details={**unknown.details, "field": ID_FIELDS[level - 1]})  # fmt: skip
        return [_orphan_candidate(level, parent_id)]
    for at in range(level - 1):
        above = parent.ids[at]
        if above is not None and named[at] not in (None, above):
            raise bad_field(
                ID_FIELDS[at],
                named[at],
                f"{ID_FIELDS[at]} {named[at]!r} is not where {ENTITY_TYPES[level - 1]}"
                f" {parent_id!r} belongs, which is {above!r}; leave it out",
            )
        named[at] = named[at] or above
    command.ids = _ids(named)
    if level == ATTEMPT and command.attempt_number is None:
        command.attempt_number = parent.totals.attempts + 1
    return []


def _orphan_candidate(level: int, parent_id: str) -> dict[str, Any]:
    parent_type = ENTITY_TYPES[level - 1]
    return {
        "code": "orphan-candidate",
        "field": ID_FIELDS[level - 1],
        "detail": f"{parent_type} {parent_id!r} is not known yet: this is an orphan unless it comes"
        " within the grace",
    }
