"""Pictures of directives, breakers and questions, taken on the applier's thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from neurorail.collector.engine.view import Asked
from neurorail.rules import directives
from neurorail.rules.engine import Engine
from neurorail.rules.observations import Ids
from neurorail.rules.reflex.circuit import CIRCUITS
from neurorail.rules.reflex.confirmations import CONFIRMATIONS
from neurorail.rules.state import State


@dataclass(frozen=True, slots=True)
class DirectiveView:
    """A directive. Times are 0 where there is none."""

    id: str
    action: str
    scope: dict[str, str | None]
    ids: Ids
    """The chain of the entity that the scope names, as far as it is known."""
    code: str
    reason: str
    rule: str
    issued_unix_nano: int
    expires_unix_nano: int
    limits: dict[str, int]
    circuit: str


@dataclass(frozen=True, slots=True)
class BreakerView:
    """A breaker. Times are 0 where there is none."""

    id: str
    rule: str
    scope: dict[str, str | None]
    state: str
    since_unix_nano: int
    half_open_unix_nano: int
    held: bool
    reason: str
    openings: int
    failures: int
    successes: int
    probes_in_flight: int
    probes_max: int
    successes_wanted: int
    outcomes: tuple[tuple[int, int, int], ...] = ()
    """Minutes in which something ended: begin (Unix nanoseconds), ends, failures; the last 20."""


@dataclass(frozen=True, slots=True)
class ConfirmationView:
    """A question to a person."""

    id: str
    rule: str
    scope: dict[str, str | None]
    question: str
    state: str
    """`pending`, `approved` or `denied`."""
    since_unix_nano: int
    until_unix_nano: int
    """By when it is to be answered; of an answer, how long it holds."""
    unanswered: str
    reason: str


class AppliedReflexes:
    """Asks a running engine what reflexes did."""

    def __init__(self, engine: Asked) -> None:
        self._engine = engine

    async def directives(self, tenant: str) -> Sequence[DirectiveView]:
        """Every directive that holds, kill switches first, oldest first."""
        return await self._engine.ask(partial(_directives, tenant=tenant))

    async def breakers(self, tenant: str) -> Sequence[BreakerView]:
        """Every breaker, oldest first; those that never opened are not there."""
        return await self._engine.ask(partial(_breakers, tenant=tenant))

    async def confirmations(self, tenant: str) -> Sequence[ConfirmationView]:
        """Every question that is open, and every answer that holds, oldest first."""
        return await self._engine.ask(partial(_confirmations, tenant=tenant))


def _of(engine: Engine, tenant: str) -> State:
    engine.state.tenant = tenant
    return engine.state


def _directives(engine: Engine, tenant: str) -> list[DirectiveView]:
    state = _of(engine, tenant)
    found = []
    for one in directives.active(state):
        deadline = one.deadline(state)
        if one.circuit:
            deadline = directives.half_open_at(state, one)
        found.append(
            DirectiveView(
                one.id,
                one.action,
                one.scope,
                directives.chain_of(state, one.scope),
                one.code,
                one.reason,
                one.rule,
                one.issued,
                deadline,
                one.limits(state),
                one.circuit,
            )
        )
    state.absent.clear()
    return found


def _breakers(engine: Engine, tenant: str) -> list[BreakerView]:
    state = _of(engine, tenant)
    return [
        BreakerView(
            one.id,
            one.rule,
            one.scope,
            one.breaker.state,
            one.breaker.since,
            one.half_open_at(state),
            one.breaker.held,
            one.reason,
            one.breaker.openings,
            one.breaker.failures,
            one.breaker.successes,
            len(one.breaker.probes),
            one.settings.probes,
            one.settings.successes,
            tuple(one.lately(state.now)),
        )
        for _, one in state.kept.of(CIRCUITS, tenant)
    ]


def _confirmations(engine: Engine, tenant: str) -> list[ConfirmationView]:
    state = _of(engine, tenant)
    return [
        ConfirmationView(
            one.id,
            one.rule,
            one.scope,
            one.question,
            one.state,
            one.asked,
            one.deadline(state),
            one.unanswered,
            one.reason,
        )
        for _, one in state.kept.of(CONFIRMATIONS, tenant)
    ]
