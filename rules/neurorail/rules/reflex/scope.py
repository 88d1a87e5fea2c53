"""What a reflex stops: the facts of a call that are known before it is made."""

from __future__ import annotations

from typing import Any, Final

from neurorail.rules.directives import Scope
from neurorail.rules.manifest.condition import ALL, Condition
from neurorail.rules.manifest.facts import FACTS, FAMILIES, TEXT, Facts, as_text
from neurorail.rules.manifest.model import ReflexRule

_AFTERWARDS: Final = frozenset(
    {
        "tenant",
        "entity_type",
        "outcome",
        "error_code",
        "error_category",
        "violation_type",
    }
)
"""Texts that a call does not have before it is made, or that say nothing about it."""


def known_before(name: str) -> bool:
    """Whether a call has this fact already when it asks."""
    if name.startswith(FAMILIES):
        return True
    fact = FACTS[name]
    return (fact.type == TEXT and name not in _AFTERWARDS) or name in _FLAGS


_FLAGS: Final = frozenset({"uses_personal_data", "idempotent", "external_dependency"})


def scope_of(rule: ReflexRule, facts: Facts) -> Scope:
    """What is stopped when a rule acts on what has these facts.

    The values of `per`, and what `when` asks plainly (`provider: openai`). Other conditions of
    `when` say what is watched, not what is stopped: agents could not decide them.
    """
    scope: Scope = {}
    _plain(rule.when.source, scope)
    for name in rule.per:
        if known_before(name):
            value = facts.get(name)
            scope[name] = None if value is None else as_text(value)
    return scope


def _plain(source: dict[str, Any], scope: Scope) -> None:
    for name, said in source.items():
        if name == ALL:
            for part in said:
                _plain(part, scope)
        elif isinstance(said, str | int) and known_before_or_logic(name):
            scope[name] = as_text(said)


def plain_scope(when: Condition) -> Scope | None:
    """A condition as a scope; None if it asks for more than equal facts."""
    scope: Scope = {}
    return scope if _plain_whole(when.source, scope) else None


def _plain_whole(source: dict[str, Any], scope: Scope) -> bool:
    for name, said in source.items():
        if name == ALL:
            if not all(_plain_whole(part, scope) for part in said):
                return False
        elif isinstance(said, str | int) and known_before_or_logic(name):
            scope[name] = as_text(said)
        else:
            return False
    return True


def known_before_or_logic(name: str) -> bool:
    """Whether a part of a condition names a fact that a call has when it asks."""
    return (name in FACTS or name.startswith(FAMILIES)) and known_before(name)
