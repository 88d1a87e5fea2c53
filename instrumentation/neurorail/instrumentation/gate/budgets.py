"""Limits held in the process itself, with or without a server: of entities that run here."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from neurorail.instrumentation.errors import BUDGET_EXCEEDED, RETRIES_EXHAUSTED, TIMEOUT
from neurorail.instrumentation.errors import NeuroRailRefused as Refused

if TYPE_CHECKING:
    from neurorail.instrumentation.entity import Entity

ATTEMPT_LEVEL: Final = 3
_lock: Final = threading.Lock()


@dataclass(slots=True)
class Used:
    """What calls below an entity used, as this process saw it."""

    tokens: int = 0
    tool_calls: int = 0
    in_flight_tokens: int = 0
    """Upper bounds of calls that are under way."""
    children: int = 0
    """Direct children that run."""


def above(entity: Entity | None) -> Iterator[Entity]:
    """The entity and its ancestors in this process, from below."""
    while entity is not None:
        yield entity
        entity = entity.parent


def _used_above(entity: Entity) -> Iterator[Used]:
    return (one.used for one in above(entity) if one.used is not None)


def entity_starts(entity: Entity) -> Refused | None:
    """Count a child that is to run; or why it may not, by the limits of those above it."""
    parent = entity.parent
    if parent is None or not parent.limited:
        return None
    with _lock:
        refused = _child_refused(parent, entity) or _deadline_passed(parent)
        if refused is None and parent.used is not None:
            parent.used.children += 1
            entity.counted = True
    return refused


def entity_ends(entity: Entity) -> None:
    """A child that was counted runs no more."""
    entity.counted = False
    parent = entity.parent
    if parent is not None and parent.used is not None:
        with _lock:
            parent.used.children -= 1


def _child_refused(parent: Entity, entity: Entity) -> Refused | None:
    limits, used = parent.budget, parent.used
    if limits is None or used is None:
        return None
    if limits.max_parallel is not None and used.children >= limits.max_parallel:
        return _over(parent, f"{limits.max_parallel} run at once already")
    retries = limits.max_retries
    if entity.level == ATTEMPT_LEVEL and retries is not None and parent.attempts > retries + 1:
        return Refused(
            RETRIES_EXHAUSTED, f"{retries} retries are over", rule="budget", scope=parent.id
        )
    return None


def call_begins(
    entity: Entity | None, tokens: int, is_tool: bool, *, must_fit: bool
) -> Refused | None:
    """Count a call as under way; or why it may not be made.

    Args:
        entity: The innermost entity.
        tokens: An upper bound of what the call will use; 0 where nobody knows.
        is_tool: Whether it calls a tool.
        must_fit: Whether the upper bound has to fit. Else only what is used already counts.
    """
    if entity is None or not entity.limited:
        return None
    with _lock:
        for one in above(entity):
            refused = _call_refused(one, tokens if must_fit else 0, is_tool)
            if refused is not None:
                return refused
        refused = _deadline_passed(entity)
        if refused is None:
            for used in _used_above(entity):
                used.in_flight_tokens += tokens
                used.tool_calls += is_tool
    return refused


def call_ends(entity: Entity | None, tokens_held: int, tokens_used: int) -> None:
    """A call is over, with what it used."""
    if entity is None or not entity.limited:
        return
    with _lock:
        for used in _used_above(entity):
            used.in_flight_tokens -= tokens_held
            used.tokens += tokens_used


def _call_refused(one: Entity, tokens: int, is_tool: bool) -> Refused | None:
    limits, used = one.budget, one.used
    if limits is None or used is None:
        return None
    if is_tool:
        if limits.max_tool_calls is not None and used.tool_calls >= limits.max_tool_calls:
            return _over(one, f"{used.tool_calls} calls of tools are made")
    elif limits.max_tokens is not None:
        held = used.in_flight_tokens if tokens else 0
        if used.tokens >= limits.max_tokens or used.tokens + held + tokens > limits.max_tokens:
            more = f", {held + tokens} more may follow" if tokens else ""
            return _over(one, f"{used.tokens} of {limits.max_tokens} tokens are used{more}")
    return None


def _deadline_passed(entity: Entity | None) -> Refused | None:
    for one in above(entity):
        limits = one.budget
        if limits is None or limits.timeout_ms is None or not one.started_monotonic_ns:
            continue
        if time.monotonic_ns() - one.started_monotonic_ns >= limits.timeout_ms * 1_000_000:
            return timeout_of(one)
    return None


def timeout_of(entity: Entity) -> Refused:
    """What is raised when an entity's time is over."""
    limit = entity.budget.timeout_ms if entity.budget is not None else None
    return Refused(
        TIMEOUT,
        f"the {limit} ms of the {entity.type} are over",
        rule="budget",
        scope=entity.id,
        cancelled=True,
    )


def _over(entity: Entity, reason: str) -> Refused:
    return Refused(BUDGET_EXCEEDED, f"{entity.type}: {reason}", rule="budget", scope=entity.id)


def fails_closed(entity: Entity | None) -> bool:
    """Whether a budget above says that nothing is done while the server cannot be asked."""
    return any(one.budget is not None and one.budget.fail_closed for one in above(entity))
