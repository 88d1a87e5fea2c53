"""Facts: the closed list of names a condition may use, and how they are read.

A fact is a text, a whole number or a flag. What is not known is absent: in plain conditions and
keys an absent fact equals nothing but `null`; in CEL it is the empty text, 0 or false, and an
absent key of `tag` or `context` is an error that `on_error` decides.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from neurorail.rules.config import MS
from neurorail.rules.entity import COST, INPUT, MODEL_CALLS, OUTPUT, TOOL_CALLS, Entity
from neurorail.rules.errors import category
from neurorail.rules.lifecycle import outcome_of
from neurorail.rules.observations import RESOURCE, Fields, Ids, SpanObserved

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


class Lookup(dict[str, "FactValue | None"]):
    """Facts by name, None where there is none: what was not asked for yet is looked up.

    Reading several at once by `operator.itemgetter` is quick where they are known already.
    """

    __slots__ = ("_fields", "_state", "ids", "own", "tenant")

    def __init__(self, state: State, ids: Ids, own: dict[str, FactValue]) -> None:
        super().__init__(own)
        self._state = state
        self.tenant = state.tenant
        self.ids = ids
        self.own = own
        """What it does not have from its chain; stronger than that."""
        self._fields: list[Fields] | None = None

    def __missing__(self, name: str) -> FactValue | None:
        value = self[name] = self.above(name)
        return value

    def above(self, name: str) -> FactValue | None:
        """What the chain says of this name, whatever is its own."""
        if name in _FIELD_NAMES:
            for fields in self.levels():
                value: FactValue | None = getattr(fields, name)
                if value is not None:
                    return value
            return None
        if name.startswith(TAG):
            return self._tag(name[len(TAG) :])
        if name in _LIFTED:
            return self._tag(name)
        if name in _LIFTED_FLAGS:
            said = self._tag(name)
            return None if said is None else _is_yes(said)
        if name in _LEVEL_OF_ID:
            return self.ids[_LEVEL_OF_ID[name]]
        return self.tenant if name == "tenant" else None

    def _tag(self, key: str) -> str | None:
        for fields in self.levels():
            for name, value in reversed(fields.tags):
                if name == key:
                    return value
        return None

    def levels(self) -> list[Fields]:
        """What each level says of itself, the nearest first."""
        if self._fields is not None:
            return self._fields
        state, found = self._state, []
        for entity_id in self.ids[::-1]:
            if entity_id is None:
                continue
            entity = state.entity(entity_id)
            if entity is not None and entity.fields is not None:
                found.append(entity.fields)
        self._fields = found
        return found

    def whole(self) -> dict[str, FactValue]:
        """All facts: gathered at once."""
        facts: dict[str, FactValue] = {"tenant": self.tenant}
        facts |= {
            name: own for name, own in zip(ID_FACTS, self.ids, strict=True) if own is not None
        }
        for fields in reversed(self.levels()):
            _say(facts, fields)
        return facts | self.own

    def without(self, names: Iterable[str]) -> Lookup:
        """The same, some of its own aside; what the chain says is known already."""
        left = Lookup(self._state, self.ids, dict(self.own))
        left.update(self)
        left._fields = self._fields
        for name in names:
            left.own.pop(name, None)
            left.pop(name, None)
        return left


class _EntityLookup(Lookup):
    """What an entity consumed is gathered when a rule asks for it."""

    __slots__ = ("_entity",)

    def __init__(self, state: State, entity: Entity, more: Mapping[str, FactValue]) -> None:
        super().__init__(state, entity.ids, {"entity_type": entity.type, **more})
        self._entity: Entity | None = entity

    def __missing__(self, name: str) -> FactValue | None:
        if self._entity is not None and name in _OF_ENTITY:
            self._gather(self._entity)
            if name in self.own:
                return self.own[name]
        return super().__missing__(name)

    def _gather(self, entity: Entity) -> None:
        self._entity = None
        self.own = _consumed(entity) | self.own
        self.update(self.own)

    def whole(self) -> dict[str, FactValue]:
        if self._entity is not None:
            self._gather(self._entity)
        return super().whole()


class ChainFacts(Mapping[str, FactValue]):
    """The facts of something in a chain: its own, and from above what the nearest level says.

    What the chain says is looked up when a rule asks for it. They are facts of the moment: ask them
    while that lasts.
    """

    __slots__ = ("lookup",)

    def __init__(self, lookup: Lookup) -> None:
        self.lookup = lookup

    def get(self, name: str, default: Any = None) -> Any:
        """The fact with this name."""
        value = self.lookup[name]
        return default if value is None else value

    def without(self, names: Iterable[str]) -> ChainFacts:
        """The same facts, some of its own aside."""
        return ChainFacts(self.lookup.without(names))

    def items(self) -> ItemsView[str, FactValue]:
        """All facts: gathered at once."""
        return self.lookup.whole().items()

    def __getitem__(self, name: str) -> FactValue:
        value: FactValue | None = self.lookup[name]
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self.lookup.whole())

    def __len__(self) -> int:
        return len(self.lookup.whole())


_LEVEL_OF_ID: Final = {name: level for level, name in enumerate(ID_FACTS)}


def entity_facts(
    state: State, entity: Entity, more: Mapping[str, FactValue] = MappingProxyType({})
) -> ChainFacts:
    """The facts of an entity: what it is and consumed in total, and what its ancestors say.

    Args:
        state: the engine's state.
        entity: the entity.
        more: what else is known of the occasion.
    """
    return ChainFacts(_EntityLookup(state, entity, more))


def _consumed(entity: Entity) -> dict[str, FactValue]:
    """What an entity consumed, and how it ended."""
    totals = entity.totals
    own: dict[str, FactValue] = {
        "input_tokens": totals[INPUT],
        "output_tokens": totals[OUTPUT],
        "tokens": totals[INPUT] + totals[OUTPUT],
        "cost_usd_pico": totals[COST],
        "tool_calls": totals[TOOL_CALLS],
        "model_calls": totals[MODEL_CALLS],
        "retries": entity.retries,
    }
    if entity.first_signal_ms is not None:
        own["first_signal_ms"] = entity.first_signal_ms
    if entity.terminal:
        _ended(own, entity.state, entity.error_code)
        if entity.started:
            own["duration_ms"] = max(0, entity.ended - entity.started) // MS
    return own


_ENDED: Final = ("outcome", "failed", "error_code", "error_category")
_OF_ENTITY: Final = frozenset(
    {name for name, fact in FACTS.items() if fact.type == NUMBER} - {"attempt_number"} | {*_ENDED}
)
"""Names of what an entity consumed, and how it ended."""


def call_facts(
    state: State, seen: SpanObserved, ids: Ids, amounts: list[int], outcome: str | None = None
) -> ChainFacts:
    """The facts of one finished call, with what it alone consumed (`Entity.totals` order).

    Reflexes, pools and modes all ask for them while one call is charged: they are made once.
    """
    known = state.facts_of_call
    if known is not None and known[0] is seen and known[1] is amounts:
        return known[2]
    if outcome is None:
        outcome = outcome_of(seen.outcome, seen.error)
    own = _said(seen)
    _measure(own, seen, amounts, outcome)
    facts = ChainFacts(Lookup(state, ids, own))
    state.facts_of_call = (seen, amounts, facts)
    return facts


def _said(seen: SpanObserved) -> dict[str, FactValue]:
    """What a call says of itself."""
    facts: dict[str, FactValue] = {"entity_type": "resource"}
    usage = seen.usage
    facts["operation"] = usage.operation if usage is not None else seen.role
    if usage is not None:
        if usage.provider is not None:
            facts["provider"] = usage.provider
        if usage.model is not None:
            facts["model"] = usage.model
    if seen.fields is not None:
        _say(facts, seen.fields)
    return facts


def _measure(
    facts: dict[str, FactValue], seen: SpanObserved, amounts: list[int], outcome: str
) -> None:
    """Add what a call used, and how it ended."""
    facts["input_tokens"] = amounts[INPUT]
    facts["output_tokens"] = amounts[OUTPUT]
    facts["tokens"] = amounts[INPUT] + amounts[OUTPUT]
    facts["cost_usd_pico"] = amounts[COST]
    facts["tool_calls"] = amounts[TOOL_CALLS]
    facts["model_calls"] = amounts[MODEL_CALLS]
    facts["duration_ms"] = max(0, seen.end_unix_nano - seen.start_unix_nano) // MS
    if seen.first_signal_ms is not None:
        facts["first_signal_ms"] = seen.first_signal_ms
    _ended(facts, outcome, seen.error_code)


_OF_CALL: Final = ("operation", "provider", "model", "tool")


def facts_apart(facts: ChainFacts) -> dict[str, FactValue]:
    """What a call says and measured itself, and does not only have from its chain."""
    lookup = facts.lookup
    own = lookup.own
    apart = own.copy()
    for name in own.keys() & _FROM_ABOVE | {name for name in own if name[:4] == TAG}:
        if lookup.above(name) == own[name]:
            del apart[name]
    if lookup.ids[RESOURCE] is not None:
        del apart["entity_type"]
    for name in _OF_CALL:
        if name not in apart:
            value = lookup[name]
            if value is not None:
                apart[name] = value
    return apart


def entity_type_of(level: int) -> str:
    """`mission`, `plan`, `job`, `attempt` or `resource`."""
    return ID_FACTS[level].removesuffix("_id")


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
    facts = Lookup(state, ids, {}).whole()
    named = [level for level, entity_id in enumerate(ids) if entity_id is not None]
    if named:
        facts["entity_type"] = entity_type_of(named[-1])
    if job_type is not None:
        facts["job_type"] = job_type
    for key, value in context.items():
        facts[CONTEXT + key] = as_text(value)
        _lift(facts, key, value)
        if key in _FROM_CONTEXT:
            facts[key] = as_text(value)
    for name in ("tokens", "cost_usd_pico", "tool_calls", "duration_ms"):
        if name in estimates:
            facts[name] = estimates[name]
    return facts


def _say(facts: dict[str, FactValue], fields: Fields) -> None:
    """Add what something says of itself."""
    for key, value in fields.tags:
        facts[TAG + key] = value
        _lift(facts, key, value)
    for name in _FIELD_NAMES:
        said: FactValue | None = getattr(fields, name)
        if said is not None:
            facts[name] = said


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
_SAID: Final = frozenset({*_FIELD_NAMES, *_LIFTED, *_LIFTED_FLAGS})


def is_said(name: str) -> bool:
    """Whether a fact is what something says of itself, or what is above it in its chain."""
    return name in _SAID or name.startswith(TAG)


_FROM_ABOVE: Final = frozenset({*_FIELD_NAMES, *_LIFTED, *_LIFTED_FLAGS}) - {*_OF_CALL}
"""Names that a call may only have from its chain, besides tags."""


def _lift(facts: dict[str, FactValue], key: str, value: FactValue) -> None:
    """Some tags and parts of a context are facts of their own."""
    if key in _LIFTED:
        facts[key] = as_text(value)
    elif key in _LIFTED_FLAGS:
        facts[key] = _is_yes(as_text(value))


def _is_yes(said: str) -> bool:
    return said.lower() in ("true", "1", "yes")


def _ended(facts: dict[str, FactValue], outcome: str, error_code: str | None) -> None:
    facts["outcome"] = outcome
    facts["failed"] = outcome != "succeeded"
    if error_code is not None:
        facts["error_code"] = error_code
        facts["error_category"] = category(error_code)
