"""Facts: the closed list of names a condition may use, and how they are read.

A fact is a text, a whole number or a flag. What is not known is absent: in plain conditions and
keys an absent fact equals nothing but `null`; in CEL it is the empty text, 0 or false, and an
absent key of `tag` or `context` is an error that `on_error` decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from neurorail.rules.config import MS
from neurorail.rules.entity import COST, INPUT, MODEL_CALLS, OUTPUT, TOOL_CALLS, Entity
from neurorail.rules.errors import category
from neurorail.rules.observations import Ids, SpanObserved

if TYPE_CHECKING:
    from neurorail.rules.state import State

FactValue: TypeAlias = "str | int | bool"
Facts: TypeAlias = Mapping[str, FactValue]

TEXT: Final = "text"
NUMBER: Final = "number"
FLAG: Final = "flag"

TAG: Final = "tag."
CONTEXT: Final = "context."
FAMILIES: Final = (TAG, CONTEXT)
"""Facts with a free last part: `tag.team`, `context.region`. Always text."""

ID_FACTS: Final = ("mission_id", "plan_id", "job_id", "attempt_id", "resource_id")


@dataclass(frozen=True, slots=True)
class Fact:
    """One name."""

    name: str
    type: str
    meaning: str
    words: tuple[str, ...] = ()
    """Its only values, where they are a closed list."""
    lowest_level: int = 0
    """The highest level of the chain at which it can be known: 0 mission … 4 resource."""


_FACTS: Final = (
    Fact("tenant", TEXT, "The tenant, from the sender's credentials."),
    Fact("mission_id", TEXT, "The mission."),
    Fact("plan_id", TEXT, "The plan.", lowest_level=1),
    Fact("job_id", TEXT, "The job.", lowest_level=2),
    Fact("attempt_id", TEXT, "The attempt.", lowest_level=3),
    Fact("resource_id", TEXT, "The resource (the call).", lowest_level=4),
    Fact("entity_type", TEXT, "What is looked at.",
         ("mission", "plan", "job", "attempt", "resource")),
    Fact("agent", TEXT, "`gen_ai.agent.name`, of the nearest level that states it."),
    Fact("service", TEXT, "`service.name`."),
    Fact("environment", TEXT, "Context or tag `environment`."),
    Fact("risk_class", TEXT, "Context or tag `risk_class`."),
    Fact("uses_personal_data", FLAG, "Context or tag `uses_personal_data`."),
    Fact("idempotent", FLAG, "Context or tag `idempotent`."),
    Fact("external_dependency", FLAG, "Context or tag `external_dependency`."),
    Fact("plan_type", TEXT, "The plan's type.", ("sequential", "parallel", "dag", "conditional"),
         1),
    Fact("job_type", TEXT, "The job's type: llm_call, tool_execution or any name.",
         lowest_level=2),
    Fact("attempt_number", NUMBER, "1 for a job's first attempt.", lowest_level=3),
    Fact("resource_type", TEXT, "The resource's type: llm_call, tool_call or any name.",
         lowest_level=4),
    Fact("operation", TEXT, "What kind of call.", ("inference", "embedding", "tool"), 4),
    Fact("model", TEXT, "The model that answers, else the one asked for.", lowest_level=4),
    Fact("provider", TEXT, "Who serves the model, by its OpenTelemetry name.", lowest_level=4),
    Fact("tool", TEXT, "The tool's name.", lowest_level=4),
    Fact("outcome", TEXT, "How it ended.", ("succeeded", "failed", "timeout", "cancelled")),
    Fact("failed", FLAG, "Whether it ended otherwise than succeeded."),
    Fact("error_code", TEXT, "`neurorail.error.code`, else `error.type`."),
    Fact("error_category", TEXT, "Category of the error code.",
         ("MECHANICAL", "SYSTEM", "ETHICAL")),
    Fact("violation_type", TEXT, "Of a broken budget: tokens, cost, retries … or a transition."),
    Fact("tokens", NUMBER, "Input and output tokens: of the call, or estimated, or in total."),
    Fact("input_tokens", NUMBER, "Input tokens, cached ones included."),
    Fact("output_tokens", NUMBER, "Output tokens, reasoning included."),
    Fact("cost_usd_pico", NUMBER, "Cost in pico-USD: of the call, or estimated, or in total."),
    Fact("tool_calls", NUMBER, "Calls of tools."),
    Fact("model_calls", NUMBER, "Calls of models."),
    Fact("duration_ms", NUMBER, "From start to end, or as estimated."),
    Fact("first_signal_ms", NUMBER, "Time to the first sign of life."),
    Fact("retries", NUMBER, "Attempts after the first.", lowest_level=0),
)  # fmt: skip

FACTS: Final = MappingProxyType({fact.name: fact for fact in _FACTS})
"""Every fact of a call or an entity, by name."""

_LIFTED: Final = ("environment", "risk_class")
_LIFTED_FLAGS: Final = ("uses_personal_data", "idempotent", "external_dependency")
_FROM_CONTEXT: Final = ("agent", "service", "model", "provider", "tool", "resource_type")


def find_fact(name: str) -> Fact | None:
    """The fact with this name; a name of a family is text."""
    fact = FACTS.get(name)
    if fact is not None:
        return fact
    for family in FAMILIES:
        if name.startswith(family) and len(name) > len(family):
            return Fact(name, TEXT, "A tag." if family == TAG else "A part of decide's context.")
    return None


def as_text(value: object) -> str:
    """How a tag or a part of a context is compared: flags as `true` and `false`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


# ── reading them ─────────────────────────────────────────────────────────────────────────────


def entity_facts(state: State, entity: Entity) -> dict[str, FactValue]:
    """The facts of an entity: what it is and consumed in total, and what its ancestors say."""
    facts = _chain_facts(state, entity.ids)
    facts["entity_type"] = entity.type
    totals = entity.totals
    facts["input_tokens"] = totals[INPUT]
    facts["output_tokens"] = totals[OUTPUT]
    facts["tokens"] = totals[INPUT] + totals[OUTPUT]
    facts["cost_usd_pico"] = totals[COST]
    facts["tool_calls"] = totals[TOOL_CALLS]
    facts["model_calls"] = totals[MODEL_CALLS]
    facts["retries"] = entity.retries
    if entity.first_signal_ms is not None:
        facts["first_signal_ms"] = entity.first_signal_ms
    if entity.terminal:
        _ended(facts, entity.state, entity.error_code)
        if entity.started:
            facts["duration_ms"] = max(0, entity.ended - entity.started) // MS
    return facts


def call_facts(
    state: State, seen: SpanObserved, ids: Ids, amounts: list[int], outcome: str
) -> dict[str, FactValue]:
    """The facts of one finished call, with what it alone consumed (`Entity.totals` order).

    Reflexes, pools and modes all ask for them while one call is charged: they are made once.
    """
    known = state.facts_of_call
    if known is not None and known[0] is seen and known[1] is amounts:
        return dict(known[2])
    facts = _call_facts(state, seen, ids, amounts, outcome)
    state.facts_of_call = (seen, amounts, facts)
    return dict(facts)


def _call_facts(
    state: State, seen: SpanObserved, ids: Ids, amounts: list[int], outcome: str
) -> dict[str, FactValue]:
    facts = _chain_facts(state, ids)
    facts["entity_type"] = "resource"
    usage = seen.usage
    facts["operation"] = usage.operation if usage is not None else seen.role
    if usage is not None:
        _put(facts, "provider", usage.provider)
        _put(facts, "model", usage.model)
    if seen.fields is not None:
        _own_fields(facts, seen.fields.tags, seen.fields)
    facts["input_tokens"] = amounts[INPUT]
    facts["output_tokens"] = amounts[OUTPUT]
    facts["tokens"] = amounts[INPUT] + amounts[OUTPUT]
    facts["cost_usd_pico"] = amounts[COST]
    facts["tool_calls"] = amounts[TOOL_CALLS]
    facts["model_calls"] = amounts[MODEL_CALLS]
    if seen.first_signal_ms is not None:
        facts["first_signal_ms"] = seen.first_signal_ms
    facts["duration_ms"] = max(0, seen.end_unix_nano - seen.start_unix_nano) // MS
    _ended(facts, outcome, seen.error_code)
    return facts


def request_facts(
    state: State,
    ids: Ids,
    job_type: str | None,
    context: Mapping[str, FactValue],
    estimates: Mapping[str, int],
) -> dict[str, FactValue]:
    """The facts of a `decide` request.

    Args:
        state: the engine's state; what is known of the chain counts too.
        ids: the chain that the request names.
        job_type: the request's own, stronger than the job's.
        context: the request's `context`.
        estimates: `tokens`, `cost_usd_pico`, `tool_calls`, `duration_ms`, where they are given.
    """
    facts = _chain_facts(state, ids)
    named = [level for level, entity_id in enumerate(ids) if entity_id is not None]
    if named:
        facts["entity_type"] = ID_FACTS[named[-1]].removesuffix("_id")
    _put(facts, "job_type", job_type)
    for key, value in context.items():
        facts[CONTEXT + key] = as_text(value)
        _lift(facts, key, value)
        if key in _FROM_CONTEXT:
            facts[key] = as_text(value)
    for name in ("tokens", "cost_usd_pico", "tool_calls", "duration_ms"):
        if name in estimates:
            facts[name] = estimates[name]
    return facts


def _chain_facts(state: State, ids: Ids) -> dict[str, FactValue]:
    """What the chain says, from the mission down: the nearest level wins."""
    facts: dict[str, FactValue] = {"tenant": state.tenant}
    for level, entity_id in enumerate(ids):
        if entity_id is None:
            continue
        facts[ID_FACTS[level]] = entity_id
        entity = state.entity(entity_id)
        if entity is not None and entity.fields is not None:
            _own_fields(facts, entity.fields.tags, entity.fields)
    return facts


def _own_fields(facts: dict[str, FactValue], tags: tuple[tuple[str, str], ...], own: Any) -> None:
    for key, value in tags:
        facts[TAG + key] = value
        _lift(facts, key, value)
    for name in _FIELD_NAMES:
        value = getattr(own, name)
        if value is not None:
            facts[name] = value


_FIELD_NAMES: Final = (
    "agent",
    "service",
    "plan_type",
    "job_type",
    "attempt_number",
    "resource_type",
    "model",
    "provider",
    "tool",
)


def _put(facts: dict[str, FactValue], name: str, value: str | None) -> None:
    if value is not None:
        facts[name] = value


def _lift(facts: dict[str, FactValue], key: str, value: FactValue) -> None:
    """Some tags and parts of a context are facts of their own."""
    if key in _LIFTED:
        facts[key] = as_text(value)
    elif key in _LIFTED_FLAGS:
        facts[key] = as_text(value).lower() in ("true", "1", "yes")


def _ended(facts: dict[str, FactValue], outcome: str, error_code: str | None) -> None:
    facts["outcome"] = outcome
    facts["failed"] = outcome != "succeeded"
    if error_code is not None:
        facts["error_code"] = error_code
        facts["error_category"] = category(error_code)
