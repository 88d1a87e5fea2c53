"""The description of the API (OpenAPI): what every operation answers, with examples.

Answers are encoded as they are made, by msgspec; nothing here is asked when a request is answered.
That they are what is described, tests say.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import TypeAdapter

from neurorail.api.examples import example_of
from neurorail.api.problems import ProblemBody
from neurorail.client import answers

_RAIL: Final = "/api/neurorail/v1"
_GOVERNOR: Final = "/api/governor/v1"
_JSON: Final = "application/json"
_MARK: Final = "Trace"
"""Of the answers; it is there when they are."""
_SCHEMAS: Final = "#/components/schemas/{model}"

ANSWERS: Final[dict[str, Any]] = {
    f"GET {_RAIL}/identity/trace/{{entity_type}}/{{entity_id}}": answers.Trace,
    f"POST {_RAIL}/identity/mission": answers.CreatedEntity,
    f"POST {_RAIL}/identity/plan": answers.CreatedEntity,
    f"POST {_RAIL}/identity/job": answers.CreatedEntity,
    f"POST {_RAIL}/identity/attempt": answers.CreatedEntity,
    f"POST {_RAIL}/identity/resource": answers.CreatedEntity,
    f"GET {_RAIL}/lifecycle/state/{{entity_type}}/{{entity_id}}": answers.EntityState,
    f"POST {_RAIL}/lifecycle/transition/{{entity_type}}": answers.Transitioned,
    f"GET {_RAIL}/lifecycle/history/{{entity_type}}/{{entity_id}}": answers.History,
    f"GET {_RAIL}/audit/events": answers.AuditEvents,
    f"POST {_RAIL}/audit/log": answers.AuditLogged,
    f"GET {_RAIL}/audit/stats": answers.AuditStats,
    f"GET {_RAIL}/audit/checkpoints": answers.Checkpoints,
    f"GET {_RAIL}/audit/proof/{{audit_id}}": answers.Proof,
    f"POST {_RAIL}/audit/rotate-key": answers.SigningKey,
    f"POST {_RAIL}/audit/retain": answers.Retained,
    f"POST {_RAIL}/audit/erase": answers.Erased,
    f"GET {_RAIL}/telemetry/metrics/{{entity_id}}": answers.EntityMetrics,
    f"POST {_RAIL}/telemetry/record": answers.UsageRecorded,
    f"GET {_RAIL}/telemetry/snapshot": answers.Snapshot,
    f"GET {_RAIL}/missions": answers.Missions,
    f"GET {_RAIL}/missions/{{mission_id}}/compare/{{other_id}}": answers.Comparison,
    f"GET {_RAIL}/missions/{{mission_id}}/spans": answers.MissionSpans,
    f"GET {_RAIL}/jobs": answers.Jobs,
    f"GET {_RAIL}/attempts": answers.Attempts,
    f"GET {_RAIL}/usage": answers.UsageSums,
    f"GET {_RAIL}/violations": answers.Violations,
    f"POST {_RAIL}/rbac/authorize": answers.Authorization,
    f"GET {_RAIL}/rbac/permissions/{{role}}": answers.RolePermissions,
    f"GET {_RAIL}/rbac/whoami": answers.WhoAmI,
    f"GET {_RAIL}/rbac/keys": answers.Keys,
    f"POST {_RAIL}/rbac/keys": answers.NewKey,
    f"POST {_RAIL}/rbac/keys/{{key_id}}/revoke": answers.Key,
    f"POST {_RAIL}/stream/tickets": answers.Ticket,
    f"GET {_RAIL}/stream/stats": answers.StreamStats,
    f"POST {_GOVERNOR}/decide": answers.Decision,
    f"POST {_GOVERNOR}/reservations/{{reservation_id}}/{{operation}}": answers.Settled,
    f"GET {_GOVERNOR}/decisions": answers.Decisions,
    f"GET {_GOVERNOR}/stats": answers.GovernorStats,
    f"GET {_GOVERNOR}/manifests": answers.Manifests,
    f"POST {_GOVERNOR}/manifests": answers.ChangedManifest,
    f"GET {_GOVERNOR}/manifests/{{version}}": answers.WholeManifest,
    f"POST {_GOVERNOR}/manifests/{{version}}/{{action}}": answers.ChangedManifest,
    f"GET {_GOVERNOR}/confirmations": answers.Confirmations,
    f"GET {_GOVERNOR}/confirmations/{{confirmation_id}}": answers.Confirmation,
    f"POST {_GOVERNOR}/confirmations/{{confirmation_id}}/{{answer}}": answers.Answered,
    f"POST {_GOVERNOR}/backtests": answers.Rerun,
    f"GET {_GOVERNOR}/backtests": answers.Backtests,
    f"GET {_GOVERNOR}/backtests/{{backtest_id}}": answers.RerunWithReport,
    f"POST {_GOVERNOR}/backtests/{{backtest_id}}/cancel": answers.Rerun,
    f"POST {_GOVERNOR}/replays": answers.Rerun,
    f"GET {_GOVERNOR}/replays": answers.Replays,
    f"GET {_GOVERNOR}/replays/{{replay_id}}": answers.RerunWithReport,
    f"POST {_GOVERNOR}/replays/{{replay_id}}/cancel": answers.Rerun,
    f"GET {_RAIL}/reflex/breakers": answers.Breakers,
    f"GET {_RAIL}/reflex/directives": answers.Directives,
    f"GET {_RAIL}/reflex/actions": answers.ReflexActions,
    f"POST {_RAIL}/reflex/{{action}}": answers.Acted,
    f"GET {_RAIL}/control/directives": answers.ControlDirectives,
    f"GET {_RAIL}/agents": answers.Agents,
    f"POST {_RAIL}/agents": answers.Announced,
    f"GET {_RAIL}/budgets": answers.Budgets,
    f"POST {_RAIL}/session": answers.Session,
    f"GET {_RAIL}/session": answers.Session,
    f"POST {_RAIL}/session/end": answers.SessionEnded,
    f"GET {_RAIL}/session/methods": answers.SignInMethods,
    f"POST {_RAIL}/import/traces": answers.Imported,
    "GET /health": answers.Health,
    "GET /ready": answers.Ready,
}
"""What an operation answers when it succeeds."""

NOT_JSON: Final = frozenset(
    {
        f"GET {_RAIL}/stream/events",
        f"GET {_RAIL}/control/stream",
        f"GET {_RAIL}/session/oidc/start",
        f"GET {_RAIL}/session/oidc/callback",
        f"GET {_RAIL}/audit/export",
        f"GET {_RAIL}/audit/verify",
        f"POST {_RAIL}/audit/verify",
        f"GET {_GOVERNOR}/backtests/{{backtest_id}}/report.html",
        "GET /metrics",
    }
)
"""Operations that answer something else than one JSON value."""


def describe(spec: dict[str, Any]) -> None:
    """Put into a description what is answered. A second time changes nothing."""
    schemas = spec["components"]["schemas"]
    if _MARK in schemas:
        return
    by_type = _answer_schemas(schemas)
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            answer = ANSWERS.get(f"{method.upper()} {path}")
            if answer is not None:
                _describe_answer(operation, by_type[answer], schemas)
            _exemplify_request(operation, schemas)
            _complete_problems(operation)
    # Not a problem: the same answer, that says no.
    _describe_answer(spec["paths"]["/ready"]["get"], by_type[answers.Ready], schemas, "503")


def _answer_schemas(schemas: dict[str, Any]) -> dict[Any, dict[str, Any]]:
    """The schema of each answer; what these refer to is added to the schemas there are."""
    kinds = list(dict.fromkeys(ANSWERS.values()))
    made, shared = TypeAdapter.json_schemas(
        [(kind, "serialization", TypeAdapter(kind)) for kind in kinds], ref_template=_SCHEMAS
    )
    added = shared.get("$defs", {})
    twice = sorted(added.keys() & schemas.keys())
    assert not twice, f"two things of the API have the same name: {', '.join(twice)}"
    schemas.update(added)
    # Every operation's errors refer to it, and no route returns it.
    schemas[ProblemBody.__name__] = ProblemBody.model_json_schema()
    return {kind: made[kind, "serialization"] for kind in kinds}


def _describe_answer(
    operation: dict[str, Any], schema: dict[str, Any], schemas: dict[str, Any], status: str = ""
) -> None:
    status = status or next(code for code in operation["responses"] if code.startswith("2"))
    content = operation["responses"][status].setdefault("content", {})
    content[_JSON] = {"schema": schema, "example": example_of(schema, schemas)}


def _exemplify_request(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        if media == _JSON:
            content.setdefault("example", example_of(content["schema"], schemas))


def _complete_problems(operation: dict[str, Any]) -> None:
    """Examples of problems without a code say so: the framework leaves out what is null."""
    for answer in operation["responses"].values():
        problem = answer.get("content", {}).get("application/problem+json", {}).get("example")
        if problem is not None:
            problem.setdefault("code", None)
