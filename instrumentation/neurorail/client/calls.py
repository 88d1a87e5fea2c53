"""Every operation of the API as a typed call: `client.ask(calls.entity_state("mission", "m_1"))`.

Nothing here connects anywhere. Both clients ask the same calls. Parameters that are left out are
left to the server; `filters` are the query parameters of the reference page, by their names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from neurorail.client.request import Call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neurorail.client import answers

    Value = str | int | bool | Sequence[str] | None

RAIL: Final = "/api/neurorail/v1"
GOVERNOR: Final = "/api/governor/v1"
PROTOBUF: Final = "application/x-protobuf"


def _get(path: str, query: dict[str, Value] | None = None) -> Call[Any]:
    return Call("GET", path, query or {})


def _post(path: str, body: Any = None, query: dict[str, Value] | None = None) -> Call[Any]:
    return Call("POST", path, query or {}, {} if body is None else body)


def _part(text: str) -> str:
    return quote(text, safe="")


# ── identity and lifecycle ───────────────────────────────────────────────────────────────────


def create_mission(*, strict: bool | None = None, **fields: Any) -> Call[answers.CreatedEntity]:
    """Create a mission; `fields`: its mission_id, tags, budget, agent and others."""
    return _post(f"{RAIL}/identity/mission", fields, {"strict": strict})


def create_plan(
    mission_id: str, *, strict: bool | None = None, **fields: Any
) -> Call[answers.CreatedEntity]:
    """Create a plan of a mission."""
    body = {"mission_id": mission_id, **fields}
    return _post(f"{RAIL}/identity/plan", body, {"strict": strict})


def create_job(
    plan_id: str, job_type: str, *, strict: bool | None = None, **fields: Any
) -> Call[answers.CreatedEntity]:
    """Create a job of a plan."""
    body = {"plan_id": plan_id, "job_type": job_type, **fields}
    return _post(f"{RAIL}/identity/job", body, {"strict": strict})


def create_attempt(
    job_id: str, *, strict: bool | None = None, **fields: Any
) -> Call[answers.CreatedEntity]:
    """Create an attempt of a job."""
    body = {"job_id": job_id, **fields}
    return _post(f"{RAIL}/identity/attempt", body, {"strict": strict})


def create_resource(
    attempt_id: str, resource_type: str, *, strict: bool | None = None, **fields: Any
) -> Call[answers.CreatedEntity]:
    """Create a resource of an attempt."""
    body = {"attempt_id": attempt_id, "resource_type": resource_type, **fields}
    return _post(f"{RAIL}/identity/resource", body, {"strict": strict})


def trace(entity_type: str, entity_id: str, limit: int | None = None) -> Call[answers.Trace]:
    """An entity, its ancestors and all below it."""
    return _get(f"{RAIL}/identity/trace/{entity_type}/{_part(entity_id)}", {"limit": limit})


def entity_state(entity_type: str, entity_id: str) -> Call[answers.EntityState]:
    """The state of an entity, and what the table allows from it."""
    return _get(f"{RAIL}/lifecycle/state/{entity_type}/{_part(entity_id)}")


def history(entity_type: str, entity_id: str, **page: Value) -> Call[answers.History]:
    """The transitions of an entity, oldest first."""
    return _get(f"{RAIL}/lifecycle/history/{entity_type}/{_part(entity_id)}", page)


def transition(
    entity_type: str, entity_id: str, name: str, **fields: Any
) -> Call[answers.Transitioned]:
    """Move an entity: `create`, `enqueue`, `start`, `succeed`, `fail`, `timeout`, `cancel`."""
    body = {"entity_id": entity_id, "transition": name, **fields}
    return _post(f"{RAIL}/lifecycle/transition/{entity_type}", body)


# ── audit and telemetry ──────────────────────────────────────────────────────────────────────


def audit_events(**filters: Value) -> Call[answers.AuditEvents]:
    """Events of the audit trail, newest first."""
    return _get(f"{RAIL}/audit/events", filters)


def audit_stats(**filters: Value) -> Call[answers.AuditStats]:
    """Counts of events, and the newest errors."""
    return _get(f"{RAIL}/audit/stats", filters)


def audit_log(
    event_type: str, event_category: str, severity: str, message: str, **fields: Any
) -> Call[answers.AuditLogged]:
    """Write an entry into the trail."""
    body = {
        "event_type": event_type,
        "event_category": event_category,
        "severity": severity,
        "message": message,
        **fields,
    }
    return _post(f"{RAIL}/audit/log", body)


def audit_checkpoints(**page: Value) -> Call[answers.Checkpoints]:
    """Signed statements about the chain, newest first."""
    return _get(f"{RAIL}/audit/checkpoints", page)


def audit_proof(audit_id: str) -> Call[answers.Proof]:
    """One event with its proof."""
    return _get(f"{RAIL}/audit/proof/{_part(audit_id)}")


def audit_export(mission_id: str) -> Call[Any]:
    """Every event of a mission with its proof, as lines: for `stream_lines`."""
    return _get(f"{RAIL}/audit/export", {"mission_id": mission_id})


def audit_verify(**which: Any) -> Call[Any]:
    """Verify the chain, telling the progress as lines: for `stream_lines`."""
    return _post(f"{RAIL}/audit/verify", which)


def audit_retain(before: str) -> Call[answers.Retained]:
    """Verify events older than that, and remove them."""
    return _post(f"{RAIL}/audit/retain", {"before": before})


def audit_rotate_key() -> Call[answers.SigningKey]:
    """Let another key sign from now on."""
    return _post(f"{RAIL}/audit/rotate-key")


def erase(reason: str, *, tenant: str | None = None, **which: Any) -> Call[answers.Erased]:
    """Erase what is kept: `mission_id`, `subject` or `everything=True`."""
    return _post(f"{RAIL}/audit/erase", {"reason": reason, **which}, {"tenant": tenant})


def entity_metrics(entity_id: str) -> Call[answers.EntityMetrics]:
    """What an entity and everything below it took."""
    return _get(f"{RAIL}/telemetry/metrics/{_part(entity_id)}")


def record_usage(
    entity_type: str, entity_id: str, *, strict: bool | None = None, **fields: Any
) -> Call[answers.UsageRecorded]:
    """Charge what a call consumed; `cost_usd` may be a decimal text."""
    body = {"entity_type": entity_type, "entity_id": entity_id, **fields}
    return _post(f"{RAIL}/telemetry/record", body, {"strict": strict})


def snapshot() -> Call[answers.Snapshot]:
    """The whole at this moment."""
    return _get(f"{RAIL}/telemetry/snapshot")


def import_traces(body: bytes, *, after_archived: bool = False) -> Call[answers.Imported]:
    """Take in spans out of an archive; `body` is an `ExportTraceServiceRequest`."""
    query = {"after_archived": after_archived}
    return Call("POST", f"{RAIL}/import/traces", query, body, PROTOBUF)


# ── lists ────────────────────────────────────────────────────────────────────────────────────


def missions(**filters: Value) -> Call[answers.Missions]:
    """Missions, newest first."""
    return _get(f"{RAIL}/missions", filters)


def jobs(**filters: Value) -> Call[answers.Jobs]:
    """Jobs, newest first."""
    return _get(f"{RAIL}/jobs", filters)


def attempts(**filters: Value) -> Call[answers.Attempts]:
    """Attempts, newest first."""
    return _get(f"{RAIL}/attempts", filters)


def compare(mission_id: str, other_id: str) -> Call[answers.Comparison]:
    """Two missions side by side."""
    return _get(f"{RAIL}/missions/{_part(mission_id)}/compare/{_part(other_id)}")


def mission_spans(mission_id: str, limit: int | None = None) -> Call[answers.MissionSpans]:
    """The spans of a mission."""
    return _get(f"{RAIL}/missions/{_part(mission_id)}/spans", {"limit": limit})


def usage(**filters: Value) -> Call[answers.UsageSums]:
    """Usage by group; `group_by` is a list of names."""
    return _get(f"{RAIL}/usage", filters)


def violations(**filters: Value) -> Call[answers.Violations]:
    """What went against the rules, newest first."""
    return _get(f"{RAIL}/violations", filters)


def budgets(entity_id: str | None = None, limit: int | None = None) -> Call[answers.Budgets]:
    """What is left: of an entity, or of all pools."""
    return _get(f"{RAIL}/budgets", {"entity_id": entity_id, "limit": limit})


def change_budget(
    entity_type: str, entity_id: str, limits: dict[str, Any], reason: str
) -> Call[dict[str, Any]]:
    """Set limits of an entity that has not ended."""
    body = {"limits": limits, "reason": reason}
    return _post(f"{RAIL}/budgets/{entity_type}/{_part(entity_id)}", body)


# ── access and streams ───────────────────────────────────────────────────────────────────────


def authorize(
    user_id: str, role: str, required_permissions: Sequence[str], *, require_all: bool = True
) -> Call[answers.Authorization]:
    """Whether a role has permissions: advice."""
    body = {
        "user_id": user_id,
        "role": role,
        "required_permissions": list(required_permissions),
        "require_all": require_all,
    }
    return _post(f"{RAIL}/rbac/authorize", body)


def role_permissions(role: str) -> Call[answers.RolePermissions]:
    """The permissions of a role."""
    return _get(f"{RAIL}/rbac/permissions/{_part(role)}")


def whoami() -> Call[answers.WhoAmI]:
    """Whose credential this is, and what it may do."""
    return _get(f"{RAIL}/rbac/whoami")


def keys() -> Call[answers.Keys]:
    """The keys of the tenant."""
    return _get(f"{RAIL}/rbac/keys")


def create_key(**fields: Any) -> Call[answers.NewKey]:
    """Make a key; it is in the answer, this once."""
    return _post(f"{RAIL}/rbac/keys", fields)


def revoke_key(key_id: str) -> Call[answers.Key]:
    """Revoke a key."""
    return _post(f"{RAIL}/rbac/keys/{_part(key_id)}/revoke")


def stream_ticket() -> Call[answers.Ticket]:
    """A ticket that opens streams for a minute."""
    return _post(f"{RAIL}/stream/tickets")


def stream_stats() -> Call[answers.StreamStats]:
    """The streams at this moment."""
    return _get(f"{RAIL}/stream/stats")


# ── the governor ─────────────────────────────────────────────────────────────────────────────


def decide(job_type: str, **fields: Any) -> Call[answers.Decision]:
    """May this be done? A refusal is an answer with `allowed` false."""
    return _post(f"{GOVERNOR}/decide", {"job_type": job_type, **fields})


def reconcile(reservation_id: str, usage: dict[str, Any], **fields: Any) -> Call[answers.Settled]:
    """Say what a reservation was used for."""
    body = {"usage": usage, **fields}
    return _post(f"{GOVERNOR}/reservations/{_part(reservation_id)}/reconcile", body)


def release(reservation_id: str) -> Call[answers.Settled]:
    """Say that a reservation is not needed."""
    return _post(f"{GOVERNOR}/reservations/{_part(reservation_id)}/release")


def decisions(**filters: Value) -> Call[answers.Decisions]:
    """Decisions, newest first."""
    return _get(f"{GOVERNOR}/decisions", filters)


def governor_stats() -> Call[answers.GovernorStats]:
    """How much was decided."""
    return _get(f"{GOVERNOR}/stats")


def manifests() -> Call[answers.Manifests]:
    """Every manifest, oldest first."""
    return _get(f"{GOVERNOR}/manifests")


def manifest(version: str = "active") -> Call[answers.WholeManifest]:
    """One manifest as it was written; `active` is the one in force."""
    return _get(f"{GOVERNOR}/manifests/{_part(version)}")


def create_manifest(source: str) -> Call[answers.ChangedManifest]:
    """Make a draft from YAML."""
    return _post(f"{GOVERNOR}/manifests", {"source": source})


def move_manifest(
    version: str, action: str, reason: str = "", *, force: bool = False
) -> Call[answers.ChangedManifest]:
    """Move a manifest on: `shadow`, `activate` or `retire`."""
    body = {"reason": reason, "force": force}
    return _post(f"{GOVERNOR}/manifests/{_part(version)}/{action}", body)


def confirmations(state: str | None = None) -> Call[answers.Confirmations]:
    """Questions to people."""
    return _get(f"{GOVERNOR}/confirmations", {"state": state})


def confirmation(confirmation_id: str) -> Call[answers.Confirmation]:
    """One question."""
    return _get(f"{GOVERNOR}/confirmations/{_part(confirmation_id)}")


def answer_confirmation(
    confirmation_id: str, answer: str, reason: str = ""
) -> Call[answers.Answered]:
    """`approve` or `deny`."""
    path = f"{GOVERNOR}/confirmations/{_part(confirmation_id)}/{answer}"
    return _post(path, {"reason": reason})


def start_backtest(**fields: Any) -> Call[answers.Rerun]:
    """Run stored history under a manifest: `version` or `source`, `against`, `since`, `until`."""
    return _post(f"{GOVERNOR}/backtests", fields)


def backtests() -> Call[answers.Backtests]:
    """Backtests, newest first."""
    return _get(f"{GOVERNOR}/backtests")


def backtest(backtest_id: str) -> Call[answers.RerunWithReport]:
    """One backtest, and what it found."""
    return _get(f"{GOVERNOR}/backtests/{_part(backtest_id)}")


def cancel_backtest(backtest_id: str) -> Call[answers.Rerun]:
    """End a backtest."""
    return _post(f"{GOVERNOR}/backtests/{_part(backtest_id)}/cancel")


def start_replay(**fields: Any) -> Call[answers.Rerun]:
    """Replay stored history: `after_seq`, `through_seq`."""
    return _post(f"{GOVERNOR}/replays", fields)


def replays() -> Call[answers.Replays]:
    """Replays, newest first."""
    return _get(f"{GOVERNOR}/replays")


def replay(replay_id: str) -> Call[answers.RerunWithReport]:
    """One replay, and what it found."""
    return _get(f"{GOVERNOR}/replays/{_part(replay_id)}")


def cancel_replay(replay_id: str) -> Call[answers.Rerun]:
    """End a replay."""
    return _post(f"{GOVERNOR}/replays/{_part(replay_id)}/cancel")


# ── reflexes, agents, the server ─────────────────────────────────────────────────────────────


def breakers() -> Call[answers.Breakers]:
    """Circuit breakers that opened and are not forgotten."""
    return _get(f"{RAIL}/reflex/breakers")


def directives() -> Call[answers.Directives]:
    """What agents may not do at the moment."""
    return _get(f"{RAIL}/reflex/directives")


def reflex_actions(**page: Value) -> Call[answers.ReflexActions]:
    """What reflexes and operators did, newest first."""
    return _get(f"{RAIL}/reflex/actions", page)


def act(action: str, **fields: Any) -> Call[answers.Acted]:
    """`open`, `close`, `suspend`, `resume`, `kill` or `release` what is meant."""
    return _post(f"{RAIL}/reflex/{action}", fields)


def control_directives(scope: Sequence[str] = ()) -> Call[answers.ControlDirectives]:
    """Directives that may concern the caller, with the event to go on from."""
    return _get(f"{RAIL}/control/directives", {"scope": scope})


def agents() -> Call[answers.Agents]:
    """The agents that are connected."""
    return _get(f"{RAIL}/agents")


def announce(instance_id: str, **fields: Any) -> Call[answers.Announced]:
    """Say that this process is there."""
    return _post(f"{RAIL}/agents", {"instance_id": instance_id, **fields})


def health() -> Call[answers.Health]:
    """Whether the process answers."""
    return _get("/health")


def ready() -> Call[answers.Ready]:
    """Whether every part is up; 503 (a `Problem`) when not."""
    return _get("/ready")
