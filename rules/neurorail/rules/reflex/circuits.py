"""How breakers move, and what is said and told to agents when they do."""

from __future__ import annotations

from typing import Final

from neurorail.rules import directives
from neurorail.rules.config import MS
from neurorail.rules.directives import SUSPEND, Directive, Scope, scope_text
from neurorail.rules.events import INFO, WARNING
from neurorail.rules.manifest.actions import Breaker as Settings
from neurorail.rules.reflex.breaker import CLOSED, HALF_OPEN, OPEN
from neurorail.rules.reflex.circuit import CIRCUITS, Circuit, circuit_named
from neurorail.rules.state import State

COOLDOWN_CODE: Final = "NR-E006"
COOLED_DOWN: Final = "the cooldown is over"
FORGOTTEN_AFTER_NS: Final = 900_000 * MS
"""A breaker that is closed for so long is forgotten: failures from before come no more."""


def circuit_id(rule: str, scope: Scope) -> str:
    """The id of the breaker of a reflex for a key."""
    return f"{rule}:{scope_text(scope)}"


def open_circuit(
    state: State,
    rule: str,
    scope: Scope,
    settings: Settings,
    reason: str,
    *,
    hold: bool = False,
    probed: bool = True,
    ended: int = 0,
    failed: int = 0,
) -> Circuit | None:
    """Open the breaker of a reflex and a key, or hold it open; None if there are too many.

    Args:
        state: the engine's state.
        rule: the reflex; empty for an operator's own.
        scope: what may no longer begin.
        settings: how it heals.
        reason: why.
        hold: until a person closes it.
        probed: whether ends of calls are observed that can close it; else the cooldown does.
        ended: ends that led to it, as far as they are known.
        failed: failures among them.
    """
    name = circuit_id(rule, scope)
    circuit = circuit_named(state, name)
    if circuit is None:
        circuit = Circuit(name, rule, scope, settings)
        if not state.kept.put(CIRCUITS, state.tenant, name, circuit):
            return None
        circuit.count(state.now, ended, failed)
    circuit.settings = settings
    circuit.probed = probed
    before = circuit.breaker.state
    failures, successes = circuit.breaker.failures, circuit.breaker.successes
    if circuit.breaker.open(state.now, settings, hold=hold):
        _moved(state, circuit, before, failures, successes, reason)
    return circuit


def close_circuit(state: State, circuit: Circuit, reason: str) -> bool:
    """Close a breaker; False if it is."""
    before = circuit.breaker.state
    failures, successes = circuit.breaker.failures, circuit.breaker.successes
    if not circuit.breaker.close(state.now):
        return False
    _moved(state, circuit, before, failures, successes, reason)
    return True


def due(state: State, circuit: Circuit, at: int) -> None:
    """A breaker's time may have come: to be tried again, or to be forgotten."""
    breaker = circuit.breaker
    if breaker.state == CLOSED:
        forgotten_at = breaker.since + FORGOTTEN_AFTER_NS
        if at >= forgotten_at:
            state.kept.remove(CIRCUITS, state.tenant, circuit.id)
        else:
            state.kept.schedule(CIRCUITS, state.tenant, circuit.id, forgotten_at)
        return
    cools_at = circuit.half_open_at(state)
    if at < cools_at:
        state.kept.schedule(CIRCUITS, state.tenant, circuit.id, cools_at)
    elif circuit.probed:
        breaker.cooled_down(at, state.shift_since(breaker.since))
        _moved(state, circuit, OPEN, 0, 0, COOLED_DOWN, cools_at)
    else:
        close_circuit(state, circuit, COOLED_DOWN)


def ended(
    state: State, circuit: Circuit, started: int, failed: bool | None, calls: tuple[str | None, ...]
) -> None:
    """Something that concerns a breaker ended.

    Args:
        state: the engine's state.
        circuit: the breaker.
        started: when it began, by its sender's clock.
        failed: None for what was cancelled or refused.
        calls: ids it may have been admitted under: its reservation's, its entity's.
    """
    breaker = circuit.breaker
    if failed is not None:
        circuit.count(state.now, 1, int(failed))
    before, failures, successes = breaker.state, breaker.failures, breaker.successes
    names = [one for one in calls if one is not None]
    probe = next((one for one in names if one in breaker.probes), "")
    probe = probe or next((circuit.called[one] for one in names if one in circuit.called), "")
    moved = breaker.ended(state.now, circuit.settings, started, failed, probe)
    state.kept.changed(CIRCUITS, state.tenant, circuit.id)
    if not moved:
        return
    if breaker.state == OPEN:
        _moved(state, circuit, before, failures + 1, successes, "a probe failed")
    else:
        _moved(state, circuit, before, failures, successes + 1, "enough probes succeeded")


def _moved(
    state: State,
    circuit: Circuit,
    before: str,
    failures: int,
    successes: int,
    reason: str,
    time: int | None = None,
) -> None:
    """A breaker moved: say so, tell agents, and see to it that it is looked at again."""
    breaker = circuit.breaker
    circuit.reason = reason
    circuit.called = {}
    kept, tenant = state.kept, state.tenant
    kept.changed(CIRCUITS, tenant, circuit.id)
    ids = directives.chain_of(state, circuit.scope)
    at = state.now if time is None else time
    state.emit(
        "circuit_state_changed",
        ids,
        at,
        {
            "circuit_id": circuit.id,
            "rule": circuit.rule,
            "scope": circuit.scope,
            "from_state": before,
            "to_state": breaker.state,
            "failure_count": failures,
            "success_count": successes,
            "openings": breaker.openings,
            "held": breaker.held,
            "reason": reason,
        },
        f"circuit {before} → {breaker.state}: {reason}",
        WARNING if breaker.state == OPEN else INFO,
    )
    if breaker.state == CLOSED:
        directives.lift(state, directive_id(circuit), reason)
        kept.schedule(CIRCUITS, tenant, circuit.id, state.now + FORGOTTEN_AFTER_NS)
        return
    kept.schedule(CIRCUITS, tenant, circuit.id, circuit.half_open_at(state))
    if breaker.state == OPEN:
        _cooldown_activated(state, circuit)
    directives.issue(
        state,
        Directive(
            directive_id(circuit),
            SUSPEND,
            circuit.scope,
            COOLDOWN_CODE,
            reason if breaker.state == HALF_OPEN else f"circuit open: {reason}",
            circuit.rule,
            state.now,
            circuit=circuit.id,
        ),
    )


def _cooldown_activated(state: State, circuit: Circuit) -> None:
    state.emit(
        "cooldown_activated",
        directives.chain_of(state, circuit.scope),
        state.now,
        {
            "circuit_id": circuit.id,
            "rule": circuit.rule,
            "scope": circuit.scope,
            "cooldown_ms": circuit.ttl_ms(state),
            "code": COOLDOWN_CODE,
        },
        "a cooldown began",
        WARNING,
    )


def directive_id(circuit: Circuit) -> str:
    """The id of the directive that holds while a breaker is not closed."""
    return f"{SUSPEND}:{circuit.id}"


def released(state: State, call: str) -> None:
    """A granted call is not made after all, or its lease ran out: its place as a probe is free."""
    for circuit in directives.half_open(state):
        if call in circuit.breaker.probes:
            circuit.breaker.release(call)
            state.kept.changed(CIRCUITS, state.tenant, circuit.id)
