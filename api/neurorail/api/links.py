"""What follows from an answer: OpenAPI links, in the description of the API.

A client, or a person who reads `/docs`, sees from them which value of an answer goes into which
parameter of the next request. Tests walk along them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from neurorail.semconv.attributes import ENTITY_TYPES

_NEURORAIL: Final = "/api/neurorail/v1"
_GOVERNOR: Final = "/api/governor/v1"
_PARENTS: Final = tuple(pairwise(ENTITY_TYPES))
Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Link:
    """One request that follows from the answer to another.

    Values are runtime expressions of OpenAPI, or stand for themselves.
    """

    name: str
    source: str
    """`METHOD path` of the operation that was answered."""
    target: str
    """`METHOD path` of the one that follows."""
    parameters: Values = field(default_factory=dict)
    body: Values = field(default_factory=dict)
    """Members of the request's body."""


def _answered(pointer: str) -> str:
    return f"$response.body#/{pointer}"


_TRANSITION: Final = f"POST {_NEURORAIL}/lifecycle/transition/{{entity_type}}"
_REPORT: Final = f"POST {_GOVERNOR}/reservations/{{reservation_id}}/{{operation}}"
_DECIDE: Final = f"POST {_GOVERNOR}/decide"
_ACT: Final = f"POST {_NEURORAIL}/reflex/{{action}}"
_SET_BUDGET: Final = f"POST {_NEURORAIL}/budgets/{{entity_type}}/{{entity_id}}"
_MANIFESTS: Final = f"{_GOVERNOR}/manifests"
_LISTS: Final = tuple(
    f"GET {path}"
    for path in (
        f"{_NEURORAIL}/missions", f"{_NEURORAIL}/jobs", f"{_NEURORAIL}/attempts",
        f"{_NEURORAIL}/violations", f"{_NEURORAIL}/audit/events", f"{_NEURORAIL}/reflex/actions",
        f"{_GOVERNOR}/decisions",
    )
)  # fmt: skip
"""What goes on by `next_cursor`."""


def _creation(entity_type: str) -> str:
    return f"POST {_NEURORAIL}/identity/{entity_type}"


def _of_entity(source: str, prefix: str = "") -> Iterator[Link]:
    """What can be asked about, and done with, the entity that an answer names."""
    entity_id = {"entity_id": _answered(f"{prefix}entity_id")}
    named = {"entity_type": _answered(f"{prefix}entity_type"), **entity_id}
    for name, path in (
        ("trace", f"{_NEURORAIL}/identity/trace"),
        ("state", f"{_NEURORAIL}/lifecycle/state"),
        ("history", f"{_NEURORAIL}/lifecycle/history"),
    ):
        yield Link(name, source, f"GET {path}/{{entity_type}}/{{entity_id}}", named)
    metrics = f"GET {_NEURORAIL}/telemetry/metrics/{{entity_id}}"
    yield Link("metrics", source, metrics, entity_id)
    yield Link("budgets", source, f"GET {_NEURORAIL}/budgets", entity_id)
    yield Link("record", source, f"POST {_NEURORAIL}/telemetry/record", body=named)
    yield Link("events", source, f"GET {_NEURORAIL}/audit/events", entity_id)


def _of_mission(source: str, pointer: str) -> Iterator[Link]:
    """What can be asked about the mission that an answer names."""
    mission = {"mission_id": _answered(pointer)}
    for name in ("jobs", "attempts", "violations", "usage"):
        yield Link(name, source, f"GET {_NEURORAIL}/{name}", mission)
    yield Link("decisions", source, f"GET {_GOVERNOR}/decisions", mission)
    yield Link("spans", source, f"GET {_NEURORAIL}/missions/{{mission_id}}/spans", mission)
    yield Link("export", source, f"GET {_NEURORAIL}/audit/export", mission)


def _chain() -> Iterator[Link]:
    for entity_type in ENTITY_TYPES:
        created = _creation(entity_type)
        yield from _of_entity(created)
        first = {"entity_id": _answered("entity_id"), "transition": "enqueue"}
        yield Link(
            "transition", created, _TRANSITION, {"entity_type": _answered("entity_type")}, first
        )
    for parent, child in _PARENTS:
        body = {f"{parent}_id": _answered("entity_id")}
        yield Link(child, _creation(parent), _creation(child), body=body)
    yield from _of_mission(_creation("mission"), "entity_id")
    ids = {f"{name}_id": _answered(f"{name}_id") for name in ENTITY_TYPES[:-1]}
    yield Link("decide", _creation("attempt"), _DECIDE, body=ids)
    yield Link("log", _creation("attempt"), f"POST {_NEURORAIL}/audit/log", body=ids)
    following = {
        "entity_id": _answered("entity_id"),
        "transition": _answered("allowed_transitions/0"),
    }
    entity_type_only = {"entity_type": _answered("entity_type")}
    for asked in (_TRANSITION, f"GET {_NEURORAIL}/lifecycle/state/{{entity_type}}/{{entity_id}}"):
        yield Link("next", asked, _TRANSITION, entity_type_only, following)
    yield from _of_entity(_TRANSITION)


def _governing() -> Iterator[Link]:
    reservation = {"reservation_id": _answered("reservation/id")}
    for operation in ("reconcile", "release"):
        yield Link(operation, _DECIDE, _REPORT, {**reservation, "operation": operation})
    decided = {"mission_id": _answered("mission_id")}
    yield Link("decisions", _DECIDE, f"GET {_GOVERNOR}/decisions", decided)
    yield from _of_entity(_SET_BUDGET)
    directive = {"directive_id": _answered("directive_id")}
    for action in ("resume", "release"):
        yield Link(action, _ACT, _ACT, {"action": action}, directive)
    yield Link("close", _ACT, _ACT, {"action": "close"}, {"circuit_id": _answered("circuit_id")})
    made = {"version": _answered("version")}
    yield Link("manifest", f"POST {_MANIFESTS}", f"GET {_MANIFESTS}/{{version}}", made)
    for action in ("shadow", "activate", "retire"):
        moved = {**made, "action": action}
        yield Link(action, f"POST {_MANIFESTS}", f"POST {_MANIFESTS}/{{version}}/{{action}}", moved)
    asked = f"GET {_GOVERNOR}/confirmations"
    question = {"confirmation_id": _answered("confirmations/0/confirmation_id")}
    yield Link("question", asked, f"{asked}/{{confirmation_id}}", question)
    for answer in ("approve", "deny"):
        said = f"POST {_GOVERNOR}/confirmations/{{confirmation_id}}/{{answer}}"
        yield Link(answer, asked, said, {**question, "answer": answer})


def _lists() -> Iterator[Link]:
    for asked in _LISTS:
        yield Link("next", asked, asked, {"cursor": _answered("next_cursor")})
    for name in ("missions", "jobs", "attempts"):
        yield from _of_entity(f"GET {_NEURORAIL}/{name}", f"{name}/0/")
    missions = f"GET {_NEURORAIL}/missions"
    yield from _of_mission(missions, "missions/0/entity_id")
    sides = {
        "mission_id": _answered("missions/0/entity_id"),
        "other_id": _answered("missions/1/entity_id"),
    }
    compared = f"{missions}/{{mission_id}}/compare/{{other_id}}"
    yield Link("compare", missions, compared, sides)


def _audit() -> Iterator[Link]:
    proof = f"GET {_NEURORAIL}/audit/proof/{{audit_id}}"
    logged = {"audit_id": _answered("audit_id")}
    yield Link("proof", f"POST {_NEURORAIL}/audit/log", proof, logged)
    first = {"audit_id": _answered("events/0/audit_id")}
    yield Link("proof", f"GET {_NEURORAIL}/audit/events", proof, first)
    keys = f"POST {_NEURORAIL}/rbac/keys"
    yield Link("revoke", keys, f"{keys}/{{key_id}}/revoke", {"key_id": _answered("key_id")})


LINKS: Final = (*_chain(), *_governing(), *_lists(), *_audit())


def add_links(description: dict[str, Any]) -> None:
    """Put the links between the operations that a description has into it."""
    paths = description["paths"]
    for link in LINKS:
        source, target = _operation(paths, link.source), _operation(paths, link.target)
        if source is None or target is None:
            continue  # Some operations are there in a whole server only.
        success = next(status for status in source["responses"] if status.startswith("2"))
        links = source["responses"][success].setdefault("links", {})
        links[link.name] = _described(link)


def _operation(paths: Mapping[str, Any], named: str) -> dict[str, Any] | None:
    method, _, path = named.partition(" ")
    found: dict[str, Any] | None = paths.get(path, {}).get(method.lower())
    return found


def _described(link: Link) -> dict[str, Any]:
    method, _, path = link.target.partition(" ")
    pointer = path.replace("~", "~0").replace("/", "~1")
    described: dict[str, Any] = {"operationRef": f"#/paths/{pointer}/{method.lower()}"}
    if link.parameters:
        described["parameters"] = dict(link.parameters)
    if link.body:
        described["requestBody"] = dict(link.body)
    return described
