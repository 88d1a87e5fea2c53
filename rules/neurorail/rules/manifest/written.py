"""A manifest in the names and units in which people write it, as plain values."""

from __future__ import annotations

from typing import Any, Final

from neurorail.rules.amount_text import usd_text
from neurorail.rules.manifest.condition import ALL, ANY, CEL, NOT, Source
from neurorail.rules.manifest.kinds import (
    Duration,
    Kind,
    ListOf,
    MapOf,
    Prices,
    Section,
    Usd,
    Variant,
    When,
    declared,
)
from neurorail.rules.manifest.model import Manifest
from neurorail.rules.manifest.read_condition import WRITTEN
from neurorail.rules.manifest.scalars import write_duration

_NAMES: Final = {engine: name for name, engine in WRITTEN.items()}
"""Facts in the engine's unit → how they are written."""


def written(manifest: Manifest) -> dict[str, Any]:
    """Every field that has a value, also where that is its default.

    What is filled in when a manifest is loaded (the rules of time zones) is left out; own prices
    are in the form of the price table.
    """
    return _section(manifest)


def _section(value: Any) -> dict[str, Any]:
    stated = ((one, getattr(value, one.attribute)) for one in declared(type(value)))
    return {
        one.name: _value(said, one.spec.kind)
        for one, said in stated
        if said is not None and not one.spec.hidden
    }


def _value(value: Any, kind: Kind) -> Any:
    match kind:
        case Section():
            return _section(value)
        case Variant(of):
            name = next(name for name, section in of.items() if section is type(value))
            return {name: _section(value)}
        case ListOf(item):
            return [_value(one, item) for one in value]
        case MapOf(item):
            return {key: _value(one, item) for key, one in value.items()}
        case Duration():
            return write_duration(value)
        case Usd():
            return usd_text(value)
        case When():
            return _condition(value.source)
        case Prices():
            return [dict(one) for one in value]
        case _:
            return value


def _condition(source: Source) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, said in source.items():
        if name in (ALL, ANY):
            found[name] = [_condition(one) for one in said]
        elif name == NOT:
            found[name] = _condition(said)
        elif name == CEL:
            found[name] = said
        else:
            found[_NAMES.get(name, name)] = _test(name, said)
    return found


def _test(name: str, said: Any) -> Any:
    """What is asked of one fact: a value, a list of values, or operators with theirs."""
    if isinstance(said, dict):
        return {operator: _test(name, one) for operator, one in said.items()}
    if isinstance(said, list):
        return [_test(name, one) for one in said]
    if said is None or name not in _NAMES:
        return said
    return usd_text(said) if name == "cost_usd_pico" else write_duration(said)
