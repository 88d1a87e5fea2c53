"""What the API answers, for its reference page: every type with its fields and an example."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from neurorail.api.examples import example_of

REFERENCE = "#/components/schemas/"


def type_text(schema: dict[str, Any]) -> str:
    """A type in short, as Markdown: `integer`, `text or null`, a list of another type."""
    if "$ref" in schema:
        return linked(schema["$ref"].removeprefix(REFERENCE))
    if "anyOf" in schema:
        return " or ".join(type_text(part) for part in schema["anyOf"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {type_text(schema.get('items', {}))}"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"map to {type_text(inner)}" if isinstance(inner, dict) and inner else "object"
    return {"string": "text", "boolean": "true or false"}.get(kind, str(kind))


def linked(name: str) -> str:
    """A type's name, leading to its section."""
    return f"[{name}](#{name.lower()})"


def answer_type(operation: dict[str, Any]) -> str:
    """The name of the type that an operation answers; empty if that is no JSON."""
    for status, answer in operation["responses"].items():
        schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
        if status.startswith("2") and "$ref" in schema:
            return str(schema["$ref"].removeprefix(REFERENCE))
    return ""


def sections(spec: dict[str, Any], names: list[str]) -> Iterator[str]:
    """A section for each type: what it is, its fields, an example."""
    schemas = spec["components"]["schemas"]
    for name in names:
        schema = schemas[name]
        required = schema.get("required", ())
        meaning = schema.get("description", "").strip()
        lines = [f"### {name}\n", meaning + "\n"] if meaning else [f"### {name}\n"]
        lines += ["| field | type |", "|---|---|"]
        for field, part in schema.get("properties", {}).items():
            told = type_text(part) + ("" if field in required else ", where it applies")
            lines.append(f"| `{field}` | {told} |")
        example = json.dumps(example_of(schema, schemas))
        lines += ["", "```json", example, "```", ""]
        yield "\n".join(lines)


def reached(spec: dict[str, Any], names: list[str]) -> list[str]:
    """These types and all they refer to, each once, in the order in which they are met."""
    found: dict[str, None] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found[name] = None
            waiting += _named(spec["components"]["schemas"][name])
    return list(found)


def _named(schema: Any) -> list[str]:
    if isinstance(schema, list):
        return [name for part in schema for name in _named(part)]
    if not isinstance(schema, dict):
        return []
    own = [schema["$ref"].removeprefix(REFERENCE)] if isinstance(schema.get("$ref"), str) else []
    return own + [name for part in schema.values() for name in _named(part)]
