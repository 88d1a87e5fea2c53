"""Transitions of entities that no block of this process stands for, for example in a queue."""

from __future__ import annotations

from typing import Final

from opentelemetry import trace
from opentelemetry.util.types import AttributeValue

from neurorail.instrumentation.current import chain_ids
from neurorail.instrumentation.ids import checked_id
from neurorail.instrumentation.process import process
from neurorail.semconv import attributes as names

TRANSITIONS: Final = ("create", "enqueue", "start", "succeed", "fail", "timeout", "cancel")


def report(entity_id: str, *transitions: str, reason: str = "", code: str = "") -> None:
    """Report transitions of an entity, below the chain we are in.

    Args:
        entity_id: Whose.
        transitions: In order: `create`, `enqueue`, `start`, `succeed`, `fail`, `timeout`, `cancel`.
        reason: Why, for people.
        code: An error code, where it did not end well.

    Raises:
        ValueError: an id or a transition is none.

    >>> report("j_index-0042", "create", "enqueue")
    """
    level = "mpjar".find(entity_id[:1])
    checked_id(max(level, 0), entity_id)
    unknown = [name for name in transitions if name not in TRANSITIONS]
    if unknown or not transitions:
        raise ValueError(f"{unknown or 'nothing'}: write one or more of {', '.join(TRANSITIONS)}")
    around = chain_ids()
    attributes: dict[str, AttributeValue] = {
        name: around[name] for name in names.CHAIN_IDS[:level] if name in around
    }
    attributes[names.CHAIN_IDS[level]] = entity_id
    attributes[names.ENTITY_TYPE] = names.ENTITY_TYPES[level]
    if reason:
        attributes[names.REASON] = reason
    if code:
        attributes[names.ERROR_CODE] = code
    span = trace.get_current_span().get_span_context()
    process().events.transitions(transitions, attributes, span)
