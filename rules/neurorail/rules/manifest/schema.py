"""The JSON Schema of manifests, for editors: the same declarations that reading goes by."""

from __future__ import annotations

from typing import Any, Final

from neurorail.rules.manifest.condition import COMPARISONS, LOGIC
from neurorail.rules.manifest.facts import FACTS, FLAG, NUMBER, Fact
from neurorail.rules.manifest.kinds import (
    INT64_MAX,
    Choice,
    Duration,
    FactName,
    Flag,
    Kind,
    ListOf,
    MapOf,
    Prices,
    Scalar,
    Section,
    Text,
    Usd,
    Variant,
    When,
    Whole,
    declared,
)
from neurorail.rules.manifest.model import Manifest
from neurorail.rules.manifest.read_condition import WRITTEN

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_DURATION: Final = {"type": ["string", "integer"], "pattern": r"^(\d{1,15}(ms|s|m|h|d)|0)$"}
_USD: Final = {"type": ["number", "string"], "minimum": 0}
_CONDITION: Final = {"$ref": "#/$defs/condition"}


def json_schema(
    document: type[Any] = Manifest, title: str = "NeuroRail manifest"
) -> dict[str, Any]:
    """The whole schema of a document."""
    definitions: dict[str, Any] = {"condition": _condition()}
    root = _section(document, definitions)
    return {
        "$schema": DIALECT,
        "title": title,
        **root,
        "$defs": definitions,
    }


def _section(section: type[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    fields = [one for one in declared(section) if not one.spec.hidden]
    return {
        "type": "object",
        "description": (section.__doc__ or "").splitlines()[0],
        "properties": {
            one.name: {**_kind(one.spec.kind, definitions), "description": one.spec.doc}
            for one in fields
        },
        "required": [one.name for one in fields if one.required],
        "additionalProperties": False,
    }


def _reference(section: type[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    name = section.__name__
    if name not in definitions:
        definitions[name] = {}
        definitions[name] = _section(section, definitions)
    return {"$ref": f"#/$defs/{name}"}


def _kind(kind: Kind, definitions: dict[str, Any]) -> dict[str, Any]:
    match kind:
        case Section(of):
            return _reference(of, definitions)
        case Variant(of):
            return _variant(kind, definitions)
        case ListOf(item, most, least):
            return {
                "type": "array",
                "items": _kind(item, definitions),
                "minItems": least,
                "maxItems": most,
            }
        case MapOf(item, pattern, most):
            return {
                "type": "object",
                "propertyNames": {"pattern": f"^{pattern}$"},
                "additionalProperties": _kind(item, definitions),
                "maxProperties": most,
            }
        case When():
            return dict(_CONDITION)
        case Prices():
            return {"type": "array", "items": {"type": "object"}}
        case _:
            return _scalar(kind)


def _scalar(
    kind: Text | Whole | Flag | Duration | Usd | Choice | Scalar | FactName,
) -> dict[str, Any]:
    match kind:
        case Text(pattern, most):
            text = {"type": ["string", "number"], "maxLength": most}
            return text if pattern is None else {**text, "pattern": f"^{pattern}$"}
        case Whole(least, most):
            bounds = (
                {"minimum": least} if most == INT64_MAX else {"minimum": least, "maximum": most}
            )
            return {"type": "integer", **bounds}
        case Flag():
            return {"type": "boolean"}
        case Duration():
            return dict(_DURATION)
        case Usd():
            return dict(_USD)
        case Choice(words):
            return {"enum": list(words)}
        case Scalar():
            return {"type": ["string", "number", "boolean", "null"]}
        case _:
            return {"anyOf": [{"enum": list(FACTS)}, {"pattern": r"^(tag|context)\.\S+$"}]}


def _variant(kind: Variant, definitions: dict[str, Any]) -> dict[str, Any]:
    """One key that says what it is; its name alone where nothing has to be said."""
    named = [
        {
            "type": "object",
            "properties": {name: _reference(section, definitions)},
            "required": [name],
            "additionalProperties": False,
        }
        for name, section in kind.of.items()
    ]
    alone = [
        name
        for name, section in kind.of.items()
        if not any(one.required for one in declared(section))
    ]
    return {"oneOf": [*([{"enum": alone}] if alone else []), *named]}


def _condition() -> dict[str, Any]:
    conditions = {"type": "array", "items": _CONDITION, "minItems": 1}
    logic = {"all": conditions, "any": conditions, "not": _CONDITION, "cel": {"type": "string"}}
    assert tuple(logic) == LOGIC, "every word of logic has its schema"
    names = {engine: written for written, engine in WRITTEN.items()}
    facts = {
        names.get(fact.name, fact.name): {**_test(fact), "description": fact.meaning}
        for fact in FACTS.values()
    }
    text: dict[str, Any] = {"type": ["string", "number", "boolean", "null"]}
    return {
        "type": "object",
        "description": "Everything in it has to hold.",
        "properties": {**logic, **facts},
        "patternProperties": {r"^(tag|context)\.\S+$": _tests(text, text, ("prefix",))},
        "additionalProperties": False,
    }


def _test(fact: Fact) -> dict[str, Any]:
    if fact.name == "cost_usd_pico":
        return _tests(_USD, _USD, COMPARISONS)
    if fact.name in WRITTEN.values():
        return _tests(_DURATION, _DURATION, COMPARISONS)
    if fact.type == NUMBER:
        return _tests({"type": "integer"}, {"type": "integer"}, COMPARISONS)
    if fact.type == FLAG:
        return _tests({"type": "boolean"}, {}, ())
    text = {"enum": list(fact.words)} if fact.words else {"type": ["string", "number"]}
    return _tests(text, {"type": ["string", "number"]}, ("prefix",))


def _tests(
    value: dict[str, Any], bound: dict[str, Any], operators: tuple[str, ...]
) -> dict[str, Any]:
    """A value or null, a list of them, or operators."""
    one = {"anyOf": [value, {"type": "null"}]}
    either = {"anyOf": [*one["anyOf"], {"type": "array", "items": one, "minItems": 1}]}
    properties = {"not": either, **dict.fromkeys(operators, bound)}
    operations = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "minProperties": 1,
    }
    return {"anyOf": [*either["anyOf"], operations]}
