"""Which chain a span belongs to: the ids it names, its ancestors' ids, or ids derived from it.

A span belongs to its nearest ancestor with ids. A call without any waits, for a bounded time, for
an ancestor to arrive; then it gets a chain of its own, made from the trace id and its span id, so
that the same telemetry always gives the same ids.
"""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

from neurorail.rules.entity import ID_PREFIXES
from neurorail.rules.metering import BILLABLE
from neurorail.rules.observations import (
    ATTEMPT,
    JOB,
    MISSION,
    PLAN,
    RESOURCE,
    Budget,
    Fields,
    Ids,
    SpanObserved,
    Usage,
)
from neurorail.rules.state import State
from neurorail.rules.trace import Trace

AGENT_ROLES = frozenset({"agent", "workflow"})
ROOT_ROLE = "root"
"""A root span that says nothing else: with it ends a mission that was derived from its trace."""

RESOURCE_TYPE = {"inference": "llm_call", "embedding": "embedding", "tool": "tool_call"}
"""The type of a resource whose telemetry names none, by the role of its span."""


def own_level(seen: SpanObserved) -> int | None:
    """The level of the entity whose own span this is, or None for a span below an entity."""
    if seen.entity is not None:
        return seen.entity
    if seen.role in BILLABLE and seen.ids[RESOURCE] is None:
        return RESOURCE
    if seen.role in AGENT_ROLES and seen.ids[JOB] is None:
        return JOB
    return None


def own_id(seen: SpanObserved, level: int, trace_hex: str) -> str:
    """The id of the own entity of a span that names none."""
    return f"m_{trace_hex}" if level == MISSION else ID_PREFIXES[level] + seen.span_id.hex()


def complete(state: State, trace: Trace | None, span_id: bytes, ids: Ids, level: int) -> Ids:
    """Fill the levels above `level` from known entities, then from the nearest ancestor span."""
    if None not in ids[:level]:
        return ids
    filled: list[str | None] = list(ids)
    for lower in range(level, MISSION, -1):
        entity_id = filled[lower]
        if entity_id is not None and None in filled[:lower]:
            known = state.entity(entity_id)
            if known is not None:
                _fill(filled, known.ids, lower)
    if trace is not None and None in filled[:level]:
        chain = trace.nearest_chain(span_id)
        if chain is not None and _agrees(filled, chain, level):
            _fill(filled, chain, level)
    return (filled[0], filled[1], filled[2], filled[3], filled[4])


def _fill(filled: list[str | None], source: Ids, below: int) -> None:
    for level in range(below):
        if filled[level] is None:
            filled[level] = source[level]


def _agrees(filled: list[str | None], chain: Ids, level: int) -> bool:
    return all(
        filled[at] is None or chain[at] is None or filled[at] == chain[at] for at in range(level)
    )


def derive(seen: SpanObserved, ids: Ids, level: int, trace_hex: str) -> Ids:
    """A chain of the span's own, for every level below those that are named.

    What is named has its own place: where that is, is not for this span to say.
    An agent is a job with one attempt of its own, whatever the job is part of.
    """
    if None not in ids[:level] and (level != JOB or ids[ATTEMPT] is not None):
        return ids
    span_hex = seen.span_id.hex()
    derived: list[str | None] = list(ids)
    named = max((at for at in range(level) if ids[at] is not None), default=-1)
    if named < MISSION:
        derived[MISSION] = f"m_{trace_hex}"
    for at in (PLAN, JOB, ATTEMPT):
        if at > named and derived[at] is None and (at <= level or level == JOB):
            derived[at] = ID_PREFIXES[at] + span_hex
    return (derived[0], derived[1], derived[2], derived[3], derived[4])


def is_complete(ids: Ids, level: int) -> bool:
    """Whether every level above `level` is named."""
    return None not in ids[:level]


# ── spans that wait, as plain values ─────────────────────────────────────────────────────────


def span_row(seen: SpanObserved) -> list[Any]:
    """A waiting span as plain values, for the state store."""
    return list(astuple(seen))


def span_from_row(row: list[Any]) -> SpanObserved:
    """The span that `span_row` wrote."""
    values = list(row)
    mission, plan, job, attempt, resource = values[5]
    values[5] = (mission, plan, job, attempt, resource)
    if values[13] is not None:
        fields = list(values[13])
        fields[3] = tuple(fields[3])
        fields[11] = tuple((key, value) for key, value in fields[11])
        fields[12] = None if fields[12] is None else Budget(*fields[12])
        values[13] = Fields(*fields)
    if values[14] is not None:
        values[14] = Usage(*values[14])
    return SpanObserved(*values)
