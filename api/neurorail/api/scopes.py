"""Scopes as requests name them: an entity, or facts and their values."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from neurorail.api.ids import level_of
from neurorail.api.problems import bad_field
from neurorail.rules.directives import Scope, entity_scope, scope_ids
from neurorail.rules.manifest.facts import ID_FACTS, find_fact
from neurorail.rules.observations import Ids
from neurorail.rules.reflex.scope import known_before
from neurorail.semconv.attributes import ENTITY_TYPES

FACTS_MAX = 8
VALUE_MAX = 256

Values = Annotated[
    dict[str, Annotated[str, Field(max_length=VALUE_MAX)] | None], Field(max_length=FACTS_MAX)
]
"""`{"provider": "openai"}`; null where the fact must be absent."""


def scope_of_entity(entity_id: str) -> Scope:
    """The scope of an entity and all below it. Raises a 422 problem for what is no id."""
    return entity_scope(ENTITY_TYPES[level_of(entity_id, "entity_id")], entity_id)


def checked_scope(values: Scope) -> Scope:
    """A scope of facts. Raises a 422 problem for a name that no call has when it asks."""
    for name, value in values.items():
        if find_fact(name) is None or not known_before(name):
            raise bad_field("scope", name, f"{name!r} is no fact that a call has before it is made")
        if name in ID_FACTS and value is not None:
            level_of(value, f"scope.{name}")
    return values


def chain_named(scope: Scope) -> Ids:
    """The chain ids that a scope names."""
    return scope_ids(scope)
