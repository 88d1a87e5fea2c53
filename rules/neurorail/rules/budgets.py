"""Entity budgets: what a limit says, when it warns, and when it is broken.

A limit of zero is zero; an absent limit is none. What an entity consumes counts for every level
above it too, so that a child can never exceed what its ancestors have, and a retry draws on the
same mission. Exactly at the limit is within it; above is a violation.
"""

from __future__ import annotations

from typing import Any, Final

from neurorail.rules import directives, exhausted
from neurorail.rules.amount_text import amount_text
from neurorail.rules.config import MS
from neurorail.rules.directives import CANCEL, Directive, Scope, entity_scope
from neurorail.rules.entity import (
    COST,
    INPUT,
    MODEL_CALLS,
    OUTPUT,
    OVER_BUDGET,
    TOOL_CALLS,
    Entity,
)
from neurorail.rules.errors import category
from neurorail.rules.events import ERROR, WARNING
from neurorail.rules.governor import by_hand, entity_limits
from neurorail.rules.governor.codes import budget_code
from neurorail.rules.governor.scopes import OF_BUDGET
from neurorail.rules.observations import JOB, Budget
from neurorail.rules.reflex import observe
from neurorail.rules.state import State

TOKENS_BIT, COST_BIT, TOOL_BIT, RETRIES_BIT, PARALLEL_BIT, TIMEOUT_BIT = (1, 2, 4, 8, 16, 32)
INPUT_BIT, OUTPUT_BIT, MODEL_BIT = (64, 128, 256)
TIMEOUT_HOLDS_MS: Final = 3_600_000
"""How long nothing may begin below what ran past its timeout."""
INTERVALS_MAX: Final = 64
"""Finished attempts remembered an entity, to find attempts that overlapped."""


def tighten(entity: Entity, stated: Budget) -> bool:
    """Take over what a budget limits more strictly than the one in force; whether it did.

    What a person set stays: the same telemetry states its limit again and again.
    """
    if entity.budget is None:
        entity.budget = Budget()
    changed = False
    for kind, name in OF_BUDGET:
        new = getattr(stated, name)
        old = getattr(entity.budget, name)
        if new is not None and (old is None or new < old) and not by_hand.is_set(entity, kind):
            setattr(entity.budget, name, new)
            changed = True
    return changed


def check_all(state: State, entity: Entity, time: int) -> None:
    """Check everything consumed so far, because a limit became known or stricter."""
    check_usage(state, entity, time)
    check_retries(state, entity, time)
    check_parallel(state, entity, time, _peak(entity))


def check_usage(state: State, entity: Entity, time: int) -> None:
    """Check tokens, cost and calls of an entity that has a budget."""
    budget = entity.budget
    assert budget is not None, "only what has a budget is checked"
    if budget.max_tokens is not None:
        _check(state, entity, time, "tokens", TOKENS_BIT, budget.max_tokens, entity.tokens)
    if budget.max_cost_usd_pico is not None:
        _check(state, entity, time, "cost", COST_BIT, budget.max_cost_usd_pico, entity.totals[COST])
    if budget.max_tool_calls is not None:
        calls = entity.totals[TOOL_CALLS]
        _check(state, entity, time, "tool_calls", TOOL_BIT, budget.max_tool_calls, calls)
    if budget.max_input_tokens is not None:
        used = entity.totals[INPUT]
        _check(state, entity, time, "input_tokens", INPUT_BIT, budget.max_input_tokens, used)
    if budget.max_output_tokens is not None:
        used = entity.totals[OUTPUT]
        _check(state, entity, time, "output_tokens", OUTPUT_BIT, budget.max_output_tokens, used)
    if budget.max_model_calls is not None:
        calls = entity.totals[MODEL_CALLS]
        _check(state, entity, time, "model_calls", MODEL_BIT, budget.max_model_calls, calls)


def _check(
    state: State, entity: Entity, time: int, kind: str, bit: int, limit: int, consumed: int
) -> None:
    if consumed >= limit:
        exhausted.entity_checked(state, entity, kind, exhausted=True)
    if consumed > limit:
        if not entity.violated & bit:
            violate(state, entity, time, kind, bit, limit, consumed)
    elif (
        limit
        and consumed * 100 >= limit * state.config.warn_percent
        and not (entity.warned | entity.violated) & bit
    ):
        entity.warned |= bit
        state.emit(
            "budget_warning",
            entity.ids,
            time,
            {
                "violation_type": kind,
                "limit": limit,
                "consumed": consumed,
                "reserved": 0,
                "percent": consumed * 100 // limit,
                "scope": _scope(entity),
            },
            f"{entity.type} used {consumed * 100 // limit} % of its {kind} budget",
            WARNING,
        )


def usage_left(state: State, entity: Entity) -> None:
    """Usage of an entity was taken back: what it used up may be free again."""
    for kind, limit, consumed in _uses(entity):
        if limit is not None and consumed < limit:
            exhausted.entity_checked(state, entity, kind, exhausted=False)


def used_up(entity: Entity) -> list[str]:
    """The kinds of which an entity's own budget has nothing left."""
    return [kind for kind, limit, used in _uses(entity) if limit is not None and used >= limit]


def _uses(entity: Entity) -> tuple[tuple[str, int | None, int], ...]:
    """What calls use up: kind, limit, consumed."""
    budget = entity.budget
    assert budget is not None, "only what has a budget is checked"
    return (
        ("tokens", budget.max_tokens, entity.tokens),
        ("cost", budget.max_cost_usd_pico, entity.totals[COST]),
        ("tool_calls", budget.max_tool_calls, entity.totals[TOOL_CALLS]),
        ("input_tokens", budget.max_input_tokens, entity.totals[INPUT]),
        ("output_tokens", budget.max_output_tokens, entity.totals[OUTPUT]),
        ("model_calls", budget.max_model_calls, entity.totals[MODEL_CALLS]),
    )


def violate(
    state: State,
    entity: Entity,
    time: int,
    kind: str,
    bit: int,
    limit: int,
    consumed: int,
    evidence: dict[str, Any] | None = None,
) -> None:
    """A limit was passed: say so once, with evidence."""
    entity.violated |= bit
    entity.flags |= OVER_BUDGET
    state.count("violations")
    code = budget_code(kind)
    state.emit(
        "budget_violation",
        entity.ids,
        time,
        {
            "violation_type": kind,
            "limit": limit,
            "consumed": consumed,
            "reserved": 0,
            "scope": _scope(entity),
            "code": code,
            "category": category(code),
            "overshoot": consumed - limit,
            "evidence": evidence or {"totals": list(entity.totals), "attempts": entity.attempts},
        },
        f"{entity.type} broke its {kind} budget: {amount_text(kind, consumed)} of"
        f" {amount_text(kind, limit)}",
        ERROR,
    )
    observe.violated(state, entity, kind)


def _scope(entity: Entity) -> Scope:
    return entity_scope(entity.type, entity.id)


# ── attempts: retries and parallelism ────────────────────────────────────────────────────────


def attempt_started(state: State, attempt: Entity) -> int:
    """An attempt runs: count it, its retry and its company on every level above.

    Returns:
        How many retries it is: 1 if it repeats another attempt, more if telemetry missed some.
    """
    job_id = attempt.ids[JOB]
    job = state.entity(job_id) if job_id else None
    retry = 0
    number = attempt.fields.attempt_number if attempt.fields is not None else None
    if job is not None:
        retry = max(job.attempts, (number or 1) - 1) - job.retries
        retry = max(retry, 0)
    for level in range(JOB, -1, -1):
        entity_id = attempt.ids[level]
        entity = state.entity(entity_id) if entity_id else None
        if entity is None:
            continue
        entity.attempts += 1
        entity.retries += retry
        entity.attempts_running += 1
        state.touch(entity)
        if level == JOB and retry:
            state.emit(
                "retry_attempted",
                attempt.ids,
                attempt.started,
                {"attempt_number": number or entity.attempts, "retries": entity.retries},
                f"attempt {number or entity.attempts} of a job",
            )
        check_retries(state, entity, attempt.started)
        check_parallel(state, entity, attempt.started, entity.attempts_running)
    return retry


def attempt_ended(state: State, attempt: Entity) -> None:
    """An attempt ended: free its place, and find attempts that ran at the same time."""
    if not attempt.started:
        return
    for level in range(JOB, -1, -1):
        entity_id = attempt.ids[level]
        entity = state.entity(entity_id) if entity_id else None
        if entity is None:
            continue
        entity.attempts_running = max(entity.attempts_running - 1, 0)
        entity.intervals.append((attempt.started, attempt.ended))
        del entity.intervals[:-INTERVALS_MAX]
        state.touch(entity)
        if entity.budget is not None:
            check_parallel(state, entity, attempt.ended, _peak(entity))


def _peak(entity: Entity) -> int:
    """The most attempts that ran at one moment, among those remembered."""
    edges = sorted(
        [(start, 1) for start, end in entity.intervals if end > start]
        + [(end, -1) for start, end in entity.intervals if end > start],
        key=lambda edge: (edge[0], edge[1]),
    )
    running = peak = 0
    for _, step in edges:
        running += step
        peak = max(peak, running)
    return max(peak, entity.attempts_running)


def check_retries(state: State, entity: Entity, time: int) -> None:
    """Check an entity's retries against its own budget."""
    limit = entity.budget.max_retries if entity.budget is not None else None
    if limit is None or entity.retries <= limit or entity.violated & RETRIES_BIT:
        return
    violate(state, entity, time, "retries", RETRIES_BIT, limit, entity.retries)
    state.emit(
        "retry_exhausted",
        entity.ids,
        time,
        {"max_retries": limit, "retries": entity.retries, "code": budget_code("retries")},
        f"{entity.type} retried {entity.retries} times, {limit} allowed",
        ERROR,
    )


def check_parallel(state: State, entity: Entity, time: int, running: int) -> None:
    """Check how many attempts ran at once against the entity's own budget."""
    limit = entity.budget.max_parallel if entity.budget is not None else None
    if limit is None or running <= limit or entity.violated & PARALLEL_BIT:
        return
    violate(state, entity, time, "parallel", PARALLEL_BIT, limit, running)
    state.emit(
        "parallelism_rejected",
        entity.ids,
        time,
        {
            "limit": limit,
            "running": running,
            "scope": _scope(entity),
            "code": budget_code("parallel"),
        },
        f"{running} attempts ran at once, {limit} allowed",
        ERROR,
    )


# ── time ─────────────────────────────────────────────────────────────────────────────────────


def timed_out(state: State, entity: Entity, elapsed_ms: int, deadline: int) -> None:
    """An entity ran past its timeout: enforced once, whether a timer or its span shows it."""
    timeout_ms = entity_limits.timeout_ms(state, entity)
    if timeout_ms is None or entity.timeout_enforced:
        return
    entity.timeout_enforced = True
    evidence = {"elapsed_ms": elapsed_ms, "started_at_unix_nano": entity.started}
    violate(state, entity, deadline, "timeout", TIMEOUT_BIT, timeout_ms, elapsed_ms, evidence)
    state.emit(
        "timeout_enforced",
        entity.ids,
        deadline,
        {
            "entity_type": entity.type,
            "entity_id": entity.id,
            "timeout_ms": timeout_ms,
            "code": budget_code("timeout"),
            "deadline_unix_nano": deadline,
        },
        f"{entity.type} ran past its {timeout_ms} ms",
        ERROR,
    )


def timeout_name(entity: Entity) -> str:
    """The id of the directive that stops what ran past its timeout."""
    return f"timeout:{entity.id}"


def timeout_directive(state: State, entity: Entity, deadline: int) -> None:
    """Tell agents to stop what ran past its timeout."""
    directives.issue(
        state,
        Directive(
            timeout_name(entity),
            CANCEL,
            _scope(entity),
            budget_code("timeout"),
            "ran past its timeout",
            "",
            state.now,
            state.now + TIMEOUT_HOLDS_MS * MS,
        ),
        entity.ids,
        deadline,
    )


def timeout_deadline(state: State, entity: Entity) -> int:
    """When the entity runs past its timeout, in nanoseconds; 0 if it has none."""
    timeout_ms = entity_limits.timeout_ms(state, entity) if entity.started else None
    if timeout_ms is None:
        return 0
    return entity.started + timeout_ms * MS + state.shift_since(entity.started)
