"""Holds what an API answers against its description, strictly: nothing missing, nothing besides."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema_rs

JSON = "application/json"


class Described:
    """The description of one application."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._components = {"components": _closed(spec["components"])}
        self._operations: list[tuple[re.Pattern[str], str, dict[str, Any]]] = []
        for path, operations in spec["paths"].items():
            pattern = re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))
            for method, operation in operations.items():
                self._operations.append((pattern, method.upper(), operation))
        self._operations.sort(key=lambda one: one[0].pattern.count("+"))
        self._validators: dict[tuple[str, str, str], Any] = {}

    def must_allow(self, method: str, path: str, status: int, body: bytes) -> None:
        """Raise AssertionError if an answer in JSON is not as it is described."""
        found = next(
            (one for one in self._operations if one[1] == method and one[0].fullmatch(path)), None
        )
        if found is None:
            return
        pattern, _, operation = found
        key = (pattern.pattern, method, str(status))
        if key not in self._validators:
            answer = operation["responses"].get(str(status))
            assert answer is not None, f"{method} {path}: {status} is not described"
            schema = answer.get("content", {}).get(JSON, {}).get("schema")
            assert schema, f"{method} {path}: what {status} answers is not described"
            self._validators[key] = jsonschema_rs.validator_for(
                {**_closed(schema), **self._components}
            )
        errors = [
            f"{'/'.join(map(str, error.instance_path))}: {error.message}"
            for error in self._validators[key].iter_errors(json.loads(body))
        ]
        told = "; ".join(errors)
        assert not errors, f"{method} {path} answers {status} otherwise than described: {told}"


def _closed(schema: Any) -> Any:
    """A schema whose objects hold nothing but what they name."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _closed(part) for name, part in schema.items()}
    if isinstance(made.get("properties"), dict) and "type" in made:
        made.setdefault("additionalProperties", False)
    return made
