"""The chain we are in: its ids in baggage, the innermost entity of this process in the context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry import baggage, context
from opentelemetry.context import Context
from opentelemetry.util.types import AttributeValue

from neurorail.semconv.attributes import CHAIN_IDS

if TYPE_CHECKING:
    from neurorail.instrumentation.entity import Entity

_ENTITY: Final = context.create_key("neurorail-entity")

_ambient: dict[str, str] = {}
"""The chain of the process itself, for work in whose context there is none."""


_ambient_entity: list[Entity] = []
"""Its innermost entity, if this process entered it."""


def set_ambient(ids: dict[str, str], entity: Entity | None = None) -> None:
    """Set the chain that holds wherever the context names none; empty for no such chain."""
    _ambient.clear()
    _ambient.update(ids)
    _ambient_entity[:] = [] if entity is None else [entity]


def chain_ids(within: Context | None = None) -> dict[str, str]:
    """The ids of the chain, by attribute name, from the mission down; missing levels are absent.

    >>> chain_ids()
    {}
    """
    known = baggage.get_all(within)
    if not known:
        return dict(_ambient)
    found: dict[str, str] = {}
    for name in CHAIN_IDS:
        value = known.get(name)
        if type(value) is str:
            found[name] = value
    return found or dict(_ambient)


def current_entity(within: Context | None = None) -> Entity | None:
    """The innermost entity that this process entered, if any.

    >>> with mission("report") as m:
    ...     current_entity() is m
    True
    """
    found = context.get_value(_ENTITY, within)
    if found is None and _ambient_entity and not baggage.get_all(within):
        return _ambient_entity[0]
    return found  # type: ignore[return-value]


def with_entity(entity: Entity, within: Context) -> Context:
    """A context in which the entity is the innermost."""
    return context.set_value(_ENTITY, entity, within)


def with_ids(ids: dict[str, str], within: Context) -> Context:
    """A context whose chain is exactly `ids`; other baggage stays."""
    known = baggage.get_all(within)
    for name in CHAIN_IDS:
        wanted = ids.get(name)
        if wanted is not None:
            if known.get(name) != wanted:
                within = baggage.set_baggage(name, wanted, within)
        elif name in known:
            within = baggage.remove_baggage(name, within)
    return within


def as_attributes(ids: dict[str, str]) -> dict[str, AttributeValue]:
    """Ids as attributes; the same mapping, for the type checker."""
    return dict(ids)
