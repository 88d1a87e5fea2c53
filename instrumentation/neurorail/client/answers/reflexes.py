"""Breakers, directives and agents."""

from __future__ import annotations

from typing import Any

from neurorail.client.answers.common import Scope, TypedDict


class Outcomes(TypedDict):
    """What a breaker's calls came to in one minute."""

    minute: str | None
    ended: int
    failed: int


class Breaker(TypedDict):
    """A circuit breaker."""

    circuit_id: str
    rule: str
    scope: Scope
    state: str
    since: str | None
    half_open_at: str | None
    held: bool
    reason: str
    openings: int
    failure_count: int
    success_count: int
    successes_to_close: int
    probes_in_flight: int
    probes_max: int
    outcomes: list[Outcomes]


class Breakers(TypedDict):
    """Every breaker that opened and is not forgotten."""

    breakers: list[Breaker]
    total: int


class Directive(TypedDict):
    """What agents may not do."""

    directive_id: str
    action: str
    scope: Scope
    code: str
    reason: str
    rule: str
    ttl_ms: int | None
    limits: dict[str, Any] | None
    circuit_id: str | None
    issued_at: str | None
    mission_id: str | None


class Directives(TypedDict):
    """Every directive that holds."""

    directives: list[Directive]
    total: int


class ControlDirectives(Directives):
    """Directives and changed budgets that may concern the caller, and the event to go on from."""

    event_id: str | None
    budgets: list[dict[str, Any]]


class ReflexAction(TypedDict):
    """What a reflex or an operator did."""

    event_id: str
    timestamp: str | None
    principal: str
    action_type: str
    reason: str | None
    success: bool
    refusal: str | None
    rule: str
    scope: Scope
    directive_id: str | None
    alert: dict[str, Any] | None
    mission_id: str | None
    job_id: str | None


class ReflexActions(TypedDict):
    """A page of what was done, newest first."""

    actions: list[ReflexAction]
    next_cursor: str | None


class Acted(TypedDict):
    """What was done by hand."""

    action: str
    success: bool
    reason: str
    scope: Scope
    directive_id: str | None
    circuit_id: str | None
    event_id: str


class Gate(TypedDict):
    """How an agent's gate stands."""

    mode: str | None
    connected: bool
    fail: str | None
    directives: int
    refused: int


class Agent(TypedDict):
    """A process that announced itself."""

    instance_id: str
    agent: str | None
    service: str | None
    version: str | None
    sdk: str | None
    runtime: str | None
    host: str | None
    pid: int | None
    gate: Gate | None
    principal: str
    first_seen_at: str | None
    last_seen_at: str | None


class Agents(TypedDict):
    """The agents that are connected, newest sign of life first."""

    agents: list[Agent]
    total: int


class Announced(TypedDict):
    """How often a process says that it is there."""

    heartbeat_ms: int
    gone_after_ms: int
