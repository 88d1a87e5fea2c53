"""The chain: mission → plan → job → attempt → resource, each a `with`, `async with` or decorator.

with mission("weekly report", budget=Budget(max_tokens=50_000)), plan(), job("llm_call"), attempt():
    client.chat.completions.create(…)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AttributeValue

from neurorail.instrumentation.budget import Budget
from neurorail.instrumentation.current import current_entity
from neurorail.instrumentation.entity import ALL_STEPS, Entity
from neurorail.semconv import attributes as names

PlanType = Literal["sequential", "parallel", "dag", "conditional"]
Tags = Mapping[str, str]

MISSION, PLAN, JOB, ATTEMPT, RESOURCE = range(5)
ONLY_START = ("start",)


def mission(
    name: str,
    *,
    id: str | None = None,
    agent: str | None = None,
    tags: Tags | None = None,
    budget: Budget | None = None,
    attributes: Mapping[str, AttributeValue] | None = None,
) -> Entity:
    """What somebody wants done. Inside another mission it is a sub-mission.

    Args:
        name: For people; also the tag `name`.
        id: Its id, where it is known before; else it gets one.
        agent: Who does it, as `gen_ai.agent.name`.
        tags: Anything to find it by, and to make rules about.
        budget: What it may use.
        attributes: Further attributes of its span.

    >>> with mission("weekly report", tags={"team": "sales"}, budget=Budget(max_tokens=1_000)) as m:
    ...     m.id[:2]
    'm_'
    """
    own = _own(attributes, {"name": name, **(tags or {})})
    if agent is not None:
        own["gen_ai.agent.name"] = agent
    return Entity(MISSION, f"mission {name}", own, given_id=id, budget=budget)


def plan(
    plan_type: PlanType = "sequential",
    *,
    id: str | None = None,
    tags: Tags | None = None,
    budget: Budget | None = None,
    attributes: Mapping[str, AttributeValue] | None = None,
) -> Entity:
    """How the mission is to be done.

    >>> with mission("report"), plan("parallel") as p:
    ...     p.type
    'plan'
    """
    own = _own(attributes, tags)
    own[names.PLAN_TYPE] = plan_type
    return Entity(PLAN, f"plan {plan_type}", own, given_id=id, budget=budget)


def job(
    job_type: str,
    *,
    id: str | None = None,
    dependencies: Sequence[str] = (),
    agent: str | None = None,
    tags: Tags | None = None,
    budget: Budget | None = None,
    attributes: Mapping[str, AttributeValue] | None = None,
    queued: bool = False,
) -> Entity:
    """One step of the plan.

    Args:
        job_type: `llm_call`, `tool_execution`, `policy_check`, `manual_confirm`, or a name.
        id: Its id, where it is known before.
        dependencies: Ids of jobs that must have succeeded before this one starts.
        agent: Who does it.
        tags: Anything to find it by.
        budget: What it may use.
        attributes: Further attributes of its span.
        queued: Whether it was created and queued elsewhere under this id: only its start is new.

    >>> with mission("report"), plan("dag"):
    ...     with job("tool_execution") as find: pass
    ...     with job("llm_call", dependencies=[find.id]): pass
    """
    own = _own(attributes, tags)
    own[names.JOB_TYPE] = job_type
    if dependencies:
        own[names.JOB_DEPENDENCIES] = list(dependencies)
    if agent is not None:
        own["gen_ai.agent.name"] = agent
    steps = ONLY_START if queued else ALL_STEPS
    return Entity(JOB, f"job {job_type}", own, given_id=id, budget=budget, steps=steps)


def attempt(
    number: int | None = None,
    *,
    id: str | None = None,
    tags: Tags | None = None,
    budget: Budget | None = None,
    attributes: Mapping[str, AttributeValue] | None = None,
) -> Entity:
    """One try at a job; a retry is a new attempt. Without `number` tries are counted from 1.

    Raises:
        NeuroRailRefused: on entering, when it may not start.

    >>> with mission("report"), plan(), job("llm_call"), attempt() as a:
    ...     a.id[:2]
    'a_'
    """
    own = _own(attributes, tags)
    return _Attempt(number, own, given_id=id, budget=budget)


def resource(
    resource_type: str,
    *,
    name: str | None = None,
    id: str | None = None,
    tags: Tags | None = None,
    budget: Budget | None = None,
    attributes: Mapping[str, AttributeValue] | None = None,
) -> Entity:
    """One call of something outside: `llm_call`, `tool_call`, `embedding`, `retrieval`, `api_call`.

    Calls of the clients that NeuroRail instruments need none: they are resources by themselves.

    Raises:
        NeuroRailRefused: on entering, when the call may not be made.

    >>> with mission("report"), plan(), job("tool_execution"), attempt(), resource("api_call") as r:
    ...     r.type
    'resource'
    """
    own = _own(attributes, tags)
    own[names.RESOURCE_TYPE] = resource_type
    span_name = f"{resource_type} {name}" if name else resource_type
    return Entity(RESOURCE, span_name, own, given_id=id, budget=budget, kind=SpanKind.CLIENT)


def tool(name: str, *, call_id: str | None = None, id: str | None = None) -> Entity:
    """One call of a tool: a resource with the names of OpenTelemetry's GenAI conventions.

    Args:
        name: The tool's name.
        call_id: The id that the model gave the call.
        id: The resource's id.

    >>> @tool("search")
    ... def search(query: str) -> str:
    ...     return f"five documents on {query}"
    >>> search("bees")
    'five documents on bees'
    """
    own: dict[str, AttributeValue] = {
        names.RESOURCE_TYPE: "tool_call",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
    }
    if call_id is not None:
        own["gen_ai.tool.call.id"] = call_id
    return Entity(RESOURCE, f"execute_tool {name}", own, given_id=id)


class _Attempt(Entity):
    """Numbers itself when it is entered: only then is its job known."""

    def __init__(
        self,
        number: int | None,
        own: dict[str, AttributeValue],
        *,
        given_id: str | None,
        budget: Budget | None,
    ) -> None:
        if number is not None and number < 1:
            raise ValueError(f"attempt {number}: attempts are counted from 1")
        super().__init__(ATTEMPT, "attempt", own, given_id=given_id, budget=budget)
        self._number = number
        if number is not None:
            self._set_number(number)

    def _number_now(self) -> None:
        number = self._number
        job_around = current_entity()
        if number is None:
            number = 1
            if job_around is not None and job_around.level == JOB:
                number = job_around.attempts + 1
        if job_around is not None and job_around.level == JOB:
            job_around.attempts = max(job_around.attempts, number)
        self._set_number(number)

    def _set_number(self, number: int) -> None:
        self._own[names.ATTEMPT_NUMBER] = number
        self._span_name = f"attempt {number}"

    def __enter__(self) -> Entity:
        """Number it and start it."""
        self._number_now()
        return super().__enter__()

    async def __aenter__(self) -> Entity:
        """Number it and start it."""
        self._number_now()
        return await super().__aenter__()

    def again(self) -> Entity:
        """Another try."""
        return _Attempt(self._number, dict(self._own), given_id=self._give_id, budget=self.budget)


def _own(
    attributes: Mapping[str, AttributeValue] | None, tags: Tags | None
) -> dict[str, AttributeValue]:
    own: dict[str, AttributeValue] = dict(attributes) if attributes else {}
    if tags:
        for key, value in tags.items():
            own[f"{names.TAG_PREFIX}{key}"] = value
    return own
