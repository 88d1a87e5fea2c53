"""Directives: what agents may not do at the moment, until a time, and why.

A directive holds for a *scope*: a map from names of facts to values, all of which must be equal
(`{"provider": "openai", "model": "gpt-5"}`); the empty one is everything of the tenant. An entity
with all below it is written `{"entity_type": "mission", "entity_id": "m_1"}`. What asks (`decide`)
is answered by `blocking`, what does not ask is told by the events `directive_issued` and
`directive_lifted`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from neurorail.rules.config import MS
from neurorail.rules.entity import ID_PREFIXES, LEVEL_NAMES
from neurorail.rules.events import INFO, WARNING
from neurorail.rules.kept import Kind, Row
from neurorail.rules.manifest.actions import Throttle as Rate
from neurorail.rules.observations import Ids
from neurorail.rules.reflex.breaker import HALF_OPEN
from neurorail.rules.reflex.circuit import Circuit, circuit_named
from neurorail.rules.reflex.throttle import Throttle, burst_of
from neurorail.rules.state import State

KILL: Final = "kill"
CANCEL: Final = "cancel"
SUSPEND: Final = "suspend"
CONFIRM: Final = "confirm"
THROTTLE: Final = "throttle"
ACTIONS: Final = (KILL, CANCEL, SUSPEND, CONFIRM, THROTTLE)
"""What a directive does, strictest first."""

BUDGET_CODE: Final = "NR-E002"
DIRECTIVES_MAX: Final = 10_000
"""Directives a tenant may have; for one more the oldest that expires is lifted, and counted."""
KILLS_MAX: Final = 1_000
"""Kill switches a tenant may have; a further one is refused, since none is ever dropped."""

Scope = dict[str, str | None]
"""Facts and the values they must have; None where a fact must be absent."""


@dataclass(slots=True)
class Directive:
    """One thing that agents may not do. Times are record times in nanoseconds."""

    id: str
    action: str
    scope: Scope
    code: str
    reason: str
    rule: str
    """The manifest's rule; empty for an operator's doing and for what is built in."""
    issued: int
    expires: int = 0
    """0 for never."""
    circuit: str = ""
    """The breaker it belongs to: while that is half-open, probes pass."""
    rate: Rate | None = None
    throttle: Throttle = field(default_factory=Throttle)

    def expired(self, state: State) -> bool:
        """Whether its time is over, its timer may not have been fired yet."""
        return bool(self.expires) and state.now >= self.deadline(state)

    def deadline(self, state: State) -> int:
        """When it expires, downtimes of the server added; 0 for never."""
        return self.expires + state.shift_since(self.issued) if self.expires else 0

    def ttl_ms(self, state: State) -> int | None:
        """How long it still holds, in milliseconds; None where no time is set."""
        circuit = circuit_named(state, self.circuit)
        if circuit is not None:
            return circuit.ttl_ms(state)
        return max(self.deadline(state) - state.now, 0) // MS if self.expires else None

    def limits(self, state: State) -> dict[str, int]:
        """What still passes: a rate, or probes in flight."""
        if self.rate is not None:
            rate = self.rate
            return {"calls": rate.calls, "every_ms": rate.every_ms, "burst": burst_of(rate)}
        circuit = circuit_named(state, self.circuit)
        return {} if circuit is None else circuit.limits()


def _to_row(one: Directive) -> Row:
    rate = one.rate
    return [
        one.id,
        one.action,
        one.scope,
        one.code,
        one.reason,
        one.rule,
        one.issued,
        one.expires,
        one.circuit,
        None if rate is None else [rate.calls, rate.every_ms, rate.burst],
        one.throttle.to_row(),
    ]


def _from_row(row: Row) -> Directive:
    rate = None
    if row[9] is not None:
        calls, every_ms, burst = row[9]
        rate = Rate(calls=calls, every_ms=every_ms, burst=burst)
    directive = Directive(*row[:9])
    directive.rate, directive.throttle = rate, Throttle.from_row(row[10])
    return directive


def _fire(state: State, name: str, directive: Directive, at: int) -> None:
    deadline = directive.deadline(state)
    if deadline > at:
        state.kept.schedule(_kind(directive.action), state.tenant, name, deadline)
    else:
        lift(state, directive.id, "expired", deadline)


DIRECTIVES: Final = Kind("directive", DIRECTIVES_MAX, _to_row, _from_row, fire=_fire)
KILLS: Final = Kind("kill_switch", KILLS_MAX, _to_row, _from_row, fire=_fire)


def _kind(action: str) -> Kind[Directive]:
    return KILLS if action == KILL else DIRECTIVES


# ── finding ──────────────────────────────────────────────────────────────────────────────────


class Index:
    """The directives of one tenant by the facts they name and the values these must have."""

    def __init__(self) -> None:
        self.by_names: dict[tuple[str, ...], dict[tuple[str, ...], dict[str, Directive]]] = {}

        self.suspending: dict[str, None] = {}
        """Breakers that are not closed."""

    def add(self, directive: Directive) -> None:
        """Add one."""
        names, values = _match(directive.scope)
        self.by_names.setdefault(names, {}).setdefault(values, {})[directive.id] = directive
        if directive.circuit:
            self.suspending[directive.circuit] = None

    def remove(self, directive: Directive) -> None:
        """Remove one that was added."""
        names, values = _match(directive.scope)
        by_values = self.by_names[names]
        del by_values[values][directive.id]
        self.suspending.pop(directive.circuit, None)
        if not by_values[values]:
            del by_values[values]
        if not by_values:
            del self.by_names[names]

    def matching(self, facts: Mapping[str, str | int | bool]) -> Iterator[Directive]:
        """Those whose scope the facts fulfil."""
        for names, by_values in self.by_names.items():
            values = tuple([fact_text(facts.get(name)) for name in names])
            yield from by_values.get(values, _NOTHING).values()


_NOTHING: dict[str, Directive] = {}


def _match(scope: Scope) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The facts a scope names, sorted, and their values."""
    entity_id = scope.get("entity_id")
    if entity_id is not None:
        return (f"{scope['entity_type']}_id",), (entity_id,)
    names = tuple(sorted(scope))
    return names, tuple([fact_text(scope[name]) for name in names])


def fact_text(value: str | int | bool | None) -> str:
    """A fact as scopes write it; a text that no fact has where it is absent."""
    if value is None:
        return "\0"
    return ("false", "true")[value] if isinstance(value, bool) else str(value)


def _index(state: State) -> Index:
    """The index of the record's tenant; after a restart it is made anew."""
    index = state.directives.get(state.tenant)
    if index is None:
        index = state.directives[state.tenant] = Index()
        for kind in (KILLS, DIRECTIVES):
            for _, directive in state.kept.of(kind, state.tenant):
                index.add(directive)
    return index


def find(state: State, directive_id: str) -> Directive | None:
    """The directive with this id, of the record's tenant."""
    found = state.kept.get(DIRECTIVES, state.tenant, directive_id)
    return found or state.kept.get(KILLS, state.tenant, directive_id)


def hold(state: State) -> bool:
    """Whether there are directives of the record's tenant."""
    kept, tenant = state.kept, state.tenant
    return bool(kept.number(DIRECTIVES, tenant) or kept.number(KILLS, tenant))


def active(state: State) -> list[Directive]:
    """Every directive of the record's tenant that holds now, kill switches first, oldest first."""
    return [
        directive
        for kind in (KILLS, DIRECTIVES)
        for _, directive in state.kept.of(kind, state.tenant)
        if not directive.expired(state)
    ]


# ── asking ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why a call may not be made now."""

    directive_id: str
    action: str
    code: str
    reason: str
    rule: str
    scope: Scope
    retry_after_ms: int | None
    """When trying again can help; None when it is not time alone that has to pass."""


def blocking(
    state: State, facts: Mapping[str, str | int | bool], *, reserved: bool = False
) -> list[Blocked]:
    """Everything that stops a call with these facts, strictest first, then oldest first.

    Args:
        state: the engine's state; `state.now` is the time, `state.tenant` the tenant.
        facts: of the call, the ids of its chain included.
        reserved: the caller holds a live reservation, which no budget directive stops.
    """
    found = [
        directive
        for directive in _index(state).matching(facts)
        if not directive.expired(state) and not (reserved and directive.code == BUDGET_CODE)
    ]
    found.sort(key=lambda one: (ACTIONS.index(one.action), one.issued, one.id))
    answers = []
    for directive in found:
        retry_after_ms = _retry_after_ms(state, directive)
        if retry_after_ms != 0:
            answers.append(
                Blocked(
                    directive.id,
                    directive.action,
                    directive.code,
                    directive.reason,
                    directive.rule,
                    directive.scope,
                    retry_after_ms,
                )
            )
    return answers


def _retry_after_ms(state: State, directive: Directive) -> int | None:
    """When a call may be tried again: 0 when it may pass now, None when nobody can say."""
    if directive.rate is not None:
        return -(-directive.throttle.retry_after_ns(state.now, directive.rate) // MS)
    circuit = circuit_named(state, directive.circuit)
    if circuit is not None:
        return circuit.retry_after_ms(state)
    if directive.action in (KILL, CANCEL, CONFIRM):
        return None
    return directive.ttl_ms(state)


def passed(state: State, facts: Mapping[str, str | int | bool], call: str) -> None:
    """A call was granted: it takes its tokens, and is a probe where a breaker is half-open.

    Args:
        state: the engine's state.
        facts: those that `blocking` was asked with.
        call: the id by which its end is known again: its reservation's.
    """
    for directive in _index(state).matching(facts):
        if directive.rate is not None:
            directive.throttle.take(state.now, directive.rate)
            state.kept.changed(DIRECTIVES, state.tenant, directive.id)
        circuit = circuit_named(state, directive.circuit)
        if circuit is not None:
            entity_id = facts.get("resource_id") or facts.get("attempt_id") or ""
            circuit.passed(state, str(entity_id), call)


def half_open_at(state: State, directive: Directive) -> int:
    """When the breaker that a directive belongs to lets probes pass; 0 if no time is set."""
    circuit = circuit_named(state, directive.circuit)
    return circuit.half_open_at(state) if circuit is not None else 0


def half_open(state: State) -> list[Circuit]:
    """The record's tenant's breakers that let probes pass."""
    found = [circuit_named(state, name) for name in _index(state).suspending]
    return [one for one in found if one is not None and one.breaker.state == HALF_OPEN]


# ── issuing and lifting ──────────────────────────────────────────────────────────────────────


def issue(
    state: State, directive: Directive, ids: Ids | None = None, time: int | None = None
) -> bool:
    """Let a directive hold, in place of one with the same id; False if there are too many.

    None comes of what is imported: whoever it would stop has long ended.
    """
    if state.history:
        return False
    kept, kind = state.kept, _kind(directive.action)
    before = find(state, directive.id)
    if before is not None:
        _forget(state, before)
    elif kind is DIRECTIVES and kept.number(kind, state.tenant) >= DIRECTIVES_MAX:
        state.count("directives_dropped")
        lift(state, _gives_way(state), "there are too many directives")
    index = _index(state)
    if not kept.put(kind, state.tenant, directive.id, directive):
        return False
    index.add(directive)
    kept.schedule(kind, state.tenant, directive.id, directive.deadline(state))
    state.emit(
        "directive_issued",
        ids or chain_of(state, directive.scope),
        state.now if time is None else time,
        {
            "directive_id": directive.id,
            "action": directive.action,
            "scope": directive.scope,
            "code": directive.code,
            "reason": directive.reason,
            "rule": directive.rule,
            "ttl_ms": directive.ttl_ms(state),
            "limits": directive.limits(state),
        },
        f"{directive.action}: {directive.reason}",
        WARNING,
    )
    return True


def _gives_way(state: State) -> str:
    """The oldest directive that would expire anyway; the oldest of all if none would."""
    every = list(state.kept.of(DIRECTIVES, state.tenant))
    return next((name for name, one in every if one.expires), every[0][0])


def lift(state: State, directive_id: str, reason: str, time: int | None = None) -> bool:
    """Let a directive no longer hold; False if there is none with this id."""
    directive = find(state, directive_id)
    if directive is None:
        return False
    _forget(state, directive)
    state.emit(
        "directive_lifted",
        chain_of(state, directive.scope),
        state.now if time is None else time,
        {
            "directive_id": directive.id,
            "action": directive.action,
            "scope": directive.scope,
            "reason": reason,
        },
        f"{directive.action} no longer holds: {reason}",
        INFO,
    )
    return True


def _forget(state: State, directive: Directive) -> None:
    _index(state).remove(directive)
    state.kept.remove(_kind(directive.action), state.tenant, directive.id)


def entity_scope(entity_type: str, entity_id: str) -> Scope:
    """The scope of an entity and everything below it."""
    return {"entity_type": entity_type, "entity_id": entity_id}


def scope_ids(scope: Scope) -> Ids:
    """The chain ids that a scope itself names."""
    ids: list[str | None] = [None] * 5
    for level, name in enumerate(LEVEL_NAMES):
        named = scope.get(f"{name}_id")
        ids[level] = named if named and named.startswith(ID_PREFIXES[level]) else None
    entity_id = scope.get("entity_id")
    if entity_id is not None:
        ids[ID_PREFIXES.index(entity_id[:2])] = entity_id
    return (ids[0], ids[1], ids[2], ids[3], ids[4])


def chain_of(state: State, scope: Scope) -> Ids:
    """The chain of the entity that a scope names, as far as it is known."""
    ids = scope_ids(scope)
    entity_id = next((one for one in reversed(ids) if one is not None), None)
    entity = state.entity(entity_id) if entity_id is not None else None
    return ids if entity is None else entity.ids


def scope_text(scope: Mapping[str, Any]) -> str:
    """A scope in one line, the same for equal scopes: `model=gpt-5,provider=openai`."""
    return ",".join(f"{name}={scope[name]}" for name in sorted(scope)) or "*"
