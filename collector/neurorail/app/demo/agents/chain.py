"""The trace chain with plain OpenTelemetry: one span per entity, ids in baggage, a start event.

with mission(name="research") as m, plan() as p, job("llm_call") as j, attempt(1):
    client.chat.completions.create(…)
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from opentelemetry import _logs, baggage, context, trace
from opentelemetry.trace import Span, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from neurorail.semconv import attributes as names

Attributes = dict[str, AttributeValue]


class Failed(Exception):
    """A step failed; NeuroRail's code says why."""

    def __init__(self, code: str, reason: str) -> None:
        """`code` is one of NeuroRail's, for example NR-E004."""
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True)
class Entity:
    """A running entity: its id and its span."""

    id: str
    span: Span


def new_id(prefix: str) -> str:
    """The prefix and a UUIDv7: ids sort by the time they were made."""
    value = (time.time_ns() // 1_000_000) << 80 | 0x7 << 76 | secrets.randbits(76)
    value = value & ~(0x3 << 62) | 0x2 << 62
    return f"{prefix}{value:032x}"


def chain_attributes() -> Attributes:
    """The ids of the chain we are in."""
    found = ((name, baggage.get_baggage(name)) for name in names.CHAIN_IDS)
    return {name: value for name, value in found if isinstance(value, str)}


def report(entity_type: str, **attributes: AttributeValue) -> None:
    """Send a lifecycle event about the entity of this type in whose chain we are."""
    _logs.get_logger("neurorail.demo").emit(
        timestamp=time.time_ns(),
        event_name=names.TRANSITION_EVENT,
        attributes={**chain_attributes(), names.ENTITY_TYPE: entity_type, **attributes},
    )


def mission(
    name: str, tags: Mapping[str, str] | None = None, budget: Mapping[str, float] | None = None
) -> AbstractContextManager[Entity]:
    """What somebody wants done."""
    own: Attributes = {f"{names.TAG_PREFIX}name": name}
    own |= {f"{names.TAG_PREFIX}{key}": value for key, value in (tags or {}).items()}
    return _entity("mission", f"mission {name}", own, budget)


def plan(
    plan_type: str = "sequential", budget: Mapping[str, float] | None = None
) -> AbstractContextManager[Entity]:
    """How it is to be done."""
    return _entity("plan", f"plan {plan_type}", {names.PLAN_TYPE: plan_type}, budget)


def job(
    job_type: str,
    dependencies: Sequence[str] = (),
    budget: Mapping[str, float] | None = None,
) -> AbstractContextManager[Entity]:
    """One step of the plan."""
    own: Attributes = {names.JOB_TYPE: job_type}
    if dependencies:
        own[names.JOB_DEPENDENCIES] = list(dependencies)
    return _entity("job", f"job {job_type}", own, budget)


def attempt(
    number: int = 1, budget: Mapping[str, float] | None = None
) -> AbstractContextManager[Entity]:
    """One try at a job; a retry is a new attempt."""
    return _entity("attempt", f"attempt {number}", {names.ATTEMPT_NUMBER: number}, budget)


def tool(name: str) -> AbstractContextManager[Entity]:
    """One call of a tool. Calls of a model need nothing: the instrumented client reports them."""
    own: Attributes = {
        names.RESOURCE_TYPE: "tool_call",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
    }
    return _entity("resource", f"execute_tool {name}", own, None)


@contextmanager
def _entity(
    kind: str, span_name: str, own: Attributes, budget: Mapping[str, float] | None
) -> Iterator[Entity]:
    level = names.ENTITY_TYPES.index(kind)
    entity_id = new_id(names.ID_PREFIXES[level])
    own = own | {f"{names.BUDGET_PREFIX}{key}": limit for key, limit in (budget or {}).items()}
    token = context.attach(baggage.set_baggage(names.CHAIN_IDS[level], entity_id))
    try:
        tracer = trace.get_tracer("neurorail.demo")
        # We say ourselves what a failure means, below.
        with tracer.start_as_current_span(
            span_name,
            attributes={**own, names.ENTITY_TYPE: kind},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            now = time.time_ns()
            # A span is exported when it ends. This event tells at once that work runs, with what
            # has to be known while it runs: type, tags and budget.
            started: Attributes = {
                names.TRANSITIONS: ["create", "enqueue", "start"],
                names.TRANSITION_TIMES: [now, now, now],
            }
            report(kind, **own, **started)
            try:
                yield Entity(entity_id, span)
            except Exception as error:
                span.set_status(Status(StatusCode.ERROR, str(error)))
                span.set_attribute(names.OUTCOME, "failed")
                if isinstance(error, Failed):
                    span.set_attribute(names.ERROR_CODE, error.code)
                raise
    finally:
        context.detach(token)
