"""Every operation of the API has a call, and every call is an operation."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest
from scripts.generate_docs import whole_api

from neurorail.api.description import NOT_JSON
from neurorail.client import calls
from neurorail.client.errors import (
    Conflict,
    Forbidden,
    IllegalTransition,
    Invalid,
    NotFound,
    Problem,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    problem,
)
from neurorail.client.request import Call, with_query

NO_CALL = NOT_JSON - {"GET /api/neurorail/v1/audit/export"}
BROWSERS = "/api/neurorail/v1/session"
"""A browser's cookies are no matter of this client."""
GIVEN: dict[str, Any] = {
    "entity_type": "mission", "entity_id": "m_1", "action": "activate", "answer": "approve",
    "limits": {}, "usage": {}, "body": b"", "required_permissions": [],
}  # fmt: skip


def made() -> dict[str, Call[Any]]:
    found = {}
    for name, function in inspect.getmembers(calls, inspect.isfunction):
        if not name.startswith("_") and function.__module__ == calls.__name__:
            found[name] = called(function)
    return found


def called(function: Callable[..., Any]) -> Call[Any]:
    needed = {
        name: GIVEN.get(name, "x")
        for name, one in inspect.signature(function).parameters.items()
        if one.default is one.empty and one.kind is not one.VAR_KEYWORD
    }
    call: Call[Any] = function(**needed)
    return call


def test_calls_and_operations_are_the_same() -> None:
    spec = whole_api().openapi()
    operations = {
        f"{method.upper()} {path}": re.compile(re.sub(r"\{\w+\}", "[^/]+", path))
        for path, methods in spec["paths"].items()
        for method in methods
    }
    literal_first = sorted(operations, key=lambda name: name.count("{"))
    reached = set()
    for name, call in made().items():
        hits = [
            operation
            for operation in literal_first
            if operation.startswith(f"{call.method} ")
            and operations[operation].fullmatch(call.path)
        ]
        assert hits, f"{name}: {call.method} {call.path} is no operation"
        reached.add(hits[0])
    left = sorted(operations.keys() - reached - NO_CALL)
    assert [name for name in left if BROWSERS not in name] == [], "no call asks these"


def test_queries_leave_out_what_is_not_said() -> None:
    query = {"a": None, "b": True, "c": ["x", "y&z"], "n": 3}
    assert with_query("/p", query) == "/p?b=true&c=x&c=y%26z&n=3"
    assert with_query("/p", {"a": None}) == "/p"


def test_what_a_call_is_sent_with() -> None:
    call = calls.create_mission(tags={"a": "b"}).once("key")
    assert call.headers("secret") == {
        "Authorization": "Bearer secret",
        "Content-Type": "application/json",
        "Idempotency-Key": "key",
    }
    assert call.content == b'{"tags": {"a": "b"}}'
    assert calls.whoami().content is None
    assert calls.import_traces(b"\x0a").content == b"\x0a"
    assert calls.trace("job", "j_/1").path.endswith("/job/j_%2F1")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, None, Unauthenticated), (403, None, Forbidden), (404, None, NotFound),
        (409, None, Conflict), (409, "NR-E301", IllegalTransition), (422, "NR-E304", Invalid),
        (429, "NR-E010", TooManyRequests), (503, None, Unavailable), (500, None, Problem),
    ],
)  # fmt: skip
def test_kinds_of_problems(status: int, code: str | None, kind: type[Problem]) -> None:
    body = {"title": "t", "detail": "d", "code": code, "category": "SYSTEM", "retriable": True,
            "details": {"field": "x"}}  # fmt: skip
    found = problem(status, "reason", "5", body)
    assert type(found) is kind
    assert (found.code, found.category, found.retriable) == (code or "", "SYSTEM", True)
    assert (found.details, found.retry_after_s) == ({"field": "x"}, 5.0)
    bare = problem(status, "reason", "", ["no object"])
    assert (bare.title, bare.details, bare.retry_after_s) == ("reason", {}, None)
