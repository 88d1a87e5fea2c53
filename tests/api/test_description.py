"""The description of the API is whole: every operation says what it answers, with examples.

That the answers are so is looked at in every test of the API: see `tests/support/described.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from scripts.generate_docs import whole_api

from neurorail.api.description import ANSWERS, NOT_JSON

JSON = "application/json"


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    """The description of everything a whole server answers."""
    return whole_api().openapi()


def operations(spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def bodies(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What an operation is sent and answers as JSON, by what it is."""
    asked = operation.get("requestBody", {}).get("content", {}).get(JSON)
    if asked is not None:
        yield "request", asked
    for status, answer in operation["responses"].items():
        for media, content in answer.get("content", {}).items():
            if media == JSON or media.endswith("+json"):
                yield status, content


def test_every_operation_says_what_it_answers(spec: dict[str, Any]) -> None:
    for name, operation in operations(spec):
        if name not in NOT_JSON:
            described = [content["schema"] for what, content in bodies(operation) if what[0] == "2"]
            assert described, name
            assert all(described), name
    known = {name for name, _ in operations(spec)}
    assert sorted((ANSWERS.keys() | NOT_JSON) - known) == [], "described, and not there"


def test_every_request_and_answer_has_an_example_that_fits(spec: dict[str, Any]) -> None:
    wrong = []
    for name, operation in operations(spec):
        for what, content in bodies(operation):
            examples = [content["example"]] if "example" in content else []
            examples += [one["value"] for one in content.get("examples", {}).values()]
            if not examples:
                wrong.append(f"{name} {what}: no example")
            schema = {**content["schema"], "components": spec["components"]}
            validator = jsonschema_rs.validator_for(schema)
            wrong += [
                f"{name} {what}: {error.message[:200]}"
                for example in examples
                for error in validator.iter_errors(example)
            ]
    assert wrong == []


def test_errors_are_described_everywhere(spec: dict[str, Any]) -> None:
    for name, operation in operations(spec):
        assert {"401", "403", "422", "500"} <= operation["responses"].keys(), name


def test_every_request_that_does_something_takes_an_idempotency_key(spec: dict[str, Any]) -> None:
    without = {
        name
        for name, operation in operations(spec)
        if name.startswith("POST ")
        and "idempotency-key"
        not in {one["name"].lower() for one in operation.get("parameters", ())}
    }
    rail, governor = "POST /api/neurorail/v1", "POST /api/governor/v1"
    assert without == {
        # They change nothing, or make nothing that is kept.
        f"{rail}/rbac/authorize",
        f"{rail}/audit/verify",
        f"{rail}/stream/tickets",
        f"{rail}/session",
        f"{rail}/session/end",
        # The second time changes nothing by itself.
        f"{rail}/rbac/keys/{{key_id}}/revoke",
        f"{rail}/import/traces",
        f"{rail}/agents",
        # Its body has one; a reservation is settled once, by its id.
        f"{governor}/decide",
        f"{governor}/reservations/{{reservation_id}}/{{operation}}",
    }
