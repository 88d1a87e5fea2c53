"""What the engine says: events, and the one registry of their types.

`data` of an event always carries the chain ids it concerns beside its own fields. The registry
gives each type its channel, its audit category, its fields and its meaning; documentation is
generated from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from neurorail.rules.observations import Ids

AUDIT: Final = "audit"
LIFECYCLE: Final = "lifecycle"
METRICS: Final = "metrics"
REFLEX: Final = "reflex"
GOVERNOR: Final = "governor"
ENFORCEMENT: Final = "enforcement"
ALL: Final = "all"
CHANNELS: Final = (AUDIT, LIFECYCLE, METRICS, REFLEX, GOVERNOR, ENFORCEMENT, ALL)

INFO: Final = "info"
WARNING: Final = "warning"
ERROR: Final = "error"
CRITICAL: Final = "critical"
SEVERITIES: Final = (INFO, WARNING, ERROR, CRITICAL)

EXECUTION: Final = "execution"
GOVERNANCE: Final = "governance"
SAFETY: Final = "safety"
TELEMETRY: Final = "telemetry"
CATEGORIES: Final = (EXECUTION, GOVERNANCE, SAFETY, TELEMETRY)


@dataclass(slots=True, init=False)
class Event:
    """One thing that happened, as the engine decided it.

    `data` maps field names to JSON values (text, whole numbers, booleans, None, lists, maps); money
    is in whole pico-USD under names that end in `_usd_pico`. The chain ids are in `ids` and are
    added to `data` when it is encoded.
    """

    type: str
    ids: Ids
    event_time_unix_nano: int
    data: dict[str, Any]
    message: str
    severity: str

    def __init__(  # Written out, to be compiled: events are what is made most.
        self,
        type: str,
        ids: Ids,
        event_time_unix_nano: int,
        data: dict[str, Any],
        message: str,
        severity: str = INFO,
    ) -> None:
        self.type = type
        self.ids = ids
        self.event_time_unix_nano = event_time_unix_nano
        self.data = data
        self.message = message
        self.severity = severity


@dataclass(frozen=True, slots=True)
class EventType:
    """What the registry knows of a type of event."""

    name: str
    channel: str
    category: str
    fields: tuple[str, ...]
    meaning: str


_TYPES: Final = (
    EventType("execution_start", AUDIT, EXECUTION, ("entity_id", "attempt_number", "job_type"),
              "An attempt began to run."),
    EventType("execution_success", AUDIT, EXECUTION, ("entity_id", "duration_ms"),
              "An attempt succeeded."),
    EventType("execution_failure", AUDIT, EXECUTION,
              ("entity_id", "duration_ms", "outcome", "error_code", "error_category", "reason"),
              "An attempt failed, timed out or was cancelled."),
    EventType("audit_logged", AUDIT, GOVERNANCE,
              ("message", "logged_type", "logged_category", "logged_severity", "details",
               "caused_by_agent", "caused_by_event"),
              "Somebody wrote an audit entry through the API."),
    EventType("record_failed", AUDIT, SAFETY, ("observation", "error", "observation_index"),
              "An observation could not be applied, and was rolled back; or an event could not be"
              " written, and this stands for it. The rest went on."),
    EventType("dead_letter", AUDIT, SAFETY, ("table", "first_seq", "last_seq", "error"),
              "Rows that ClickHouse refuses for good were put aside."),
    EventType("export_dropped", AUDIT, SAFETY, ("destination", "reason", "items", "error"),
              "Telemetry or events do not reach an export destination: refused, or at the limit."),
    EventType("items_rejected", AUDIT, TELEMETRY, ("signal", "reasons"),
              "Malformed items of an OTLP request were refused at the door."),
    EventType("engine_epoch", AUDIT, GOVERNANCE, ("epoch", "engine_version", "config"),
              "A new engine version or configuration began."),
    EventType("prices_loaded", AUDIT, GOVERNANCE, ("version", "sha256", "models"),
              "A price table took effect."),
    EventType("resumed", AUDIT, GOVERNANCE, ("down_ms", "grace_ms", "timers_moved"),
              "The server was down; open deadlines were moved."),
    EventType("data_erased", AUDIT, GOVERNANCE, ("missions", "entities", "scope", "reason"),
              "What was kept of missions was erased on somebody's order; the chain is whole."),
    EventType("audit_checkpoint", AUDIT, GOVERNANCE,
              ("first", "last", "covered", "total", "node", "root", "prev_head", "head",
               "time_unix_nano", "public_key", "signature"),
              "A signed statement about where the chain stood was written outside the database."),
    EventType("audit_failed", AUDIT, SAFETY, ("code", "error"),
              "The archived chain does not continue what was signed last (NR-E302)."),
    EventType("audit_retained", AUDIT, GOVERNANCE,
              ("last", "total", "head", "public_key", "signature"),
              "Old events were verified and removed, up to a checkpoint; the key signed that."),
    EventType("audit_key_rotated", AUDIT, GOVERNANCE,
              ("public_key", "new_public_key", "signature"),
              "Another key signs checkpoints from now on."),
    EventType("write_repeated", AUDIT, TELEMETRY,
              ("endpoint", "same_body", "entity_id", "first_received_unix_nano"),
              "A write came again under its idempotency key; nothing was written twice."),
    EventType("access_denied", AUDIT, SAFETY,
              ("reason", "permission", "operation", "address", "count"),
              "Requests were refused: no valid credential, or one that does not permit it."),
    EventType("key_created", AUDIT, GOVERNANCE,
              ("key_id", "name", "role", "permissions", "agent", "key_tenant", "expires_at"),
              "An API key was made."),
    EventType("key_revoked", AUDIT, GOVERNANCE, ("key_id", "name"),
              "An API key was revoked."),
    EventType("state_changed", LIFECYCLE, EXECUTION,
              ("transition_id", "entity_type", "entity_id", "from_state", "to_state", "transition",
               "inferred", "gap", "reason", "error_code"),
              "An entity moved along the lifecycle table."),
    EventType("transition_rejected", LIFECYCLE, SAFETY,
              ("entity_type", "entity_id", "current_state", "transition", "from_state", "to_state",
               "allowed_transitions", "code", "category", "reason"),
              "A reported transition is illegal (NR-E301); the state did not change."),
    EventType("gap_inferred", LIFECYCLE, TELEMETRY,
              ("entity_type", "entity_id", "transition", "steps"),
              "Predecessors of a transition never came within the lateness; they were inferred."),
    EventType("late_input", LIFECYCLE, TELEMETRY,
              ("entity_type", "entity_id", "state", "transition"),
              "A report about a terminal entity came late; nothing changed."),
    EventType("late_outcome", LIFECYCLE, TELEMETRY,
              ("entity_type", "entity_id", "state", "outcome", "duration_ms"),
              "An outcome came after the entity was already terminal; recorded, no violation."),
    EventType("orphan_detected", LIFECYCLE, SAFETY,
              ("entity_type", "entity_id", "missing", "code"),
              "An entity has no resolvable parent after the grace (NR-E007)."),
    EventType("orphan_lifted", LIFECYCLE, EXECUTION, ("entity_type", "entity_id"),
              "The missing parent arrived after all."),
    EventType("entity_idle", LIFECYCLE, TELEMETRY, ("entity_type", "entity_id", "idle_ms"),
              "Nothing was heard of an open entity for the idle time."),
    EventType("heartbeat_missed", LIFECYCLE, SAFETY, ("entity_type", "entity_id", "silent_ms"),
              "An entity that used to send heartbeats stopped."),
    EventType("agent_connected", LIFECYCLE, TELEMETRY,
              ("instance_id", "agent", "service", "version", "sdk", "runtime"),
              "A process announced itself, for the first time or after a silence."),
    EventType("metrics_recorded", METRICS, TELEMETRY,
              ("entity_type", "entity_id", "started_at_unix_nano", "completed_at_unix_nano",
               "duration_ms", "input_tokens", "output_tokens", "cost_usd_pico", "unpriced_calls",
               "tool_calls", "attempt_count", "retry_count", "tt_first_signal_ms", "success",
               "error_code", "state", "created_at_unix_nano", "kind", "agent", "service", "model",
               "tags"),
              "The totals of an entity when it ended."),
    EventType("tt_first_signal", METRICS, TELEMETRY,
              ("entity_type", "entity_id", "tt_first_signal_ms"),
              "The first sign of life below an entity."),
    EventType("snapshot_created", METRICS, TELEMETRY,
              ("entity_counts", "by_state", "active_executions", "error_rates", "totals"),
              "A metrics snapshot was taken."),
    EventType("usage_moved", METRICS, TELEMETRY,
              ("from_ids", "to_ids", "span_id", "llm_tokens", "input_tokens", "output_tokens",
               "cost_usd_pico", "tool_calls", "operation", "provider", "model", "agent",
               "service", "tool", "reason"),
              "Usage turned out to belong elsewhere, or to be a repetition; a compensating entry."),
    EventType("usage_too_late", METRICS, TELEMETRY, ("span_id", "llm_tokens", "age_ms"),
              "Usage older than the billing memory: shown, not billed."),
    EventType("cost_tracked", ENFORCEMENT, TELEMETRY,
              ("entity_type", "entity_id", "operation", "provider", "model", "llm_tokens",
               "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens",
               "reasoning_tokens", "cost", "cost_usd_pico", "priced", "price_version", "agent",
               "service", "tool"),
              "One call was metered."),
    EventType("budget_warning", ENFORCEMENT, GOVERNANCE,
              ("violation_type", "limit", "consumed", "reserved", "percent", "scope", "rule_id",
               "severity"),
              "A budget passed its warning level."),
    EventType("budget_violation", ENFORCEMENT, SAFETY,
              ("violation_type", "limit", "consumed", "reserved", "scope", "code", "category",
               "overshoot", "evidence", "rule_id", "severity"),
              "A budget's limit was reached and passed (NR-E001, NR-E002, NR-E003)."),
    EventType("budget_changed", ENFORCEMENT, GOVERNANCE,
              ("entity_type", "entity_id", "scope", "before", "limits", "reason"),
              "A person set limits of an open entity; they hold from here on."),
    EventType("budget_change_refused", ENFORCEMENT, GOVERNANCE,
              ("entity_type", "entity_id", "refusal", "current_state", "code", "reason"),
              "A budget was not to be changed: the entity has ended (NR-E301), or is not known."),
    EventType("timeout_enforced", ENFORCEMENT, SAFETY,
              ("entity_type", "entity_id", "timeout_ms", "code", "deadline_unix_nano"),
              "An entity ran past its timeout (NR-E001)."),
    EventType("retry_attempted", ENFORCEMENT, EXECUTION, ("attempt_number", "retries"),
              "A job began a further attempt."),
    EventType("retry_exhausted", ENFORCEMENT, SAFETY, ("max_retries", "retries", "code"),
              "A job tried more often than its budget allows (NR-E003)."),
    EventType("parallelism_rejected", ENFORCEMENT, SAFETY, ("limit", "running", "scope", "code"),
              "More attempts ran at once than the budget allows (NR-E002)."),
    EventType("circuit_state_changed", REFLEX, GOVERNANCE,
              ("circuit_id", "rule", "scope", "from_state", "to_state", "failure_count",
               "success_count", "openings", "held", "reason"),
              "A circuit breaker moved: closed, open, half_open."),
    EventType("trigger_activated", REFLEX, GOVERNANCE,
              ("trigger_id", "trigger", "key", "reason", "error_rate", "rule_severity",
               "evidence"),
              "What a reflex waits for happened; `trigger_id` is the rule's id."),
    EventType("reflex_action_executed", REFLEX, GOVERNANCE,
              ("action_type", "rule", "entity_type", "scope", "directive_id", "reason", "success",
               "refusal", "alert"),
              "A reflex acted, or an operator did by hand (then without a rule)."),
    EventType("cooldown_activated", REFLEX, GOVERNANCE,
              ("circuit_id", "rule", "scope", "cooldown_ms", "code"),
              "Nothing with this scope may begin for a time (NR-E006)."),
    EventType("confirmation_requested", GOVERNOR, GOVERNANCE,
              ("confirmation_id", "rule", "scope", "question", "ttl_ms", "unanswered", "code"),
              "A person has to approve before work goes on (NR-E009)."),
    EventType("confirmation_resolved", GOVERNOR, GOVERNANCE,
              ("confirmation_id", "rule", "scope", "answer", "reason"),
              "A question was answered, or nobody answered in time."),
    EventType("mode_decided", GOVERNOR, GOVERNANCE,
              ("decision_id", "mode", "allowed", "code", "reason", "reasons", "matched_rules",
               "recovery_strategy", "retry_after_ms", "reservation_id", "ttl_ms", "reserved",
               "estimated", "remaining", "budgets", "job_type", "manifest_version", "override"),
              "A request was decided; what it was granted is reserved."),
    EventType("decision_repeated", GOVERNOR, GOVERNANCE,
              ("decision_id", "mode", "allowed", "code", "reason", "reservation_id", "ttl_ms"),
              "A request came again with its idempotency key and got the same answer."),
    EventType("call_unasked", GOVERNOR, SAFETY, ("entity_type", "entity_id", "violation"),
              "A call ran on the rail and never asked; a violation if the manifest says so."),
    EventType("idempotency_conflict", GOVERNOR, GOVERNANCE, ("decision_id", "idempotency_key"),
              "An idempotency key was used again for another request."),
    EventType("override_used", GOVERNOR, SAFETY, ("decision_id", "reason"),
              "A request was granted outside the rules by somebody who may."),
    EventType("reservation_settled", GOVERNOR, GOVERNANCE,
              ("reservation_id", "how", "reserved", "used", "overshoot", "corrected"),
              "A reservation was settled, reconciled, released or expired: what it held is free."),
    EventType("reservation_unsettled", GOVERNOR, GOVERNANCE,
              ("reservation_id", "reason", "unsettled", "settle_ms"),
              "A lease or an entity ended: what was reserved counts until its usage has come."),
    EventType("reservation_unknown", GOVERNOR, GOVERNANCE, ("reservation_id", "operation"),
              "Somebody reported on a reservation that is not known."),
    EventType("manifest_created", GOVERNOR, GOVERNANCE,
              ("version", "name", "sha256", "previous_sha256", "chain_sha256", "manifest",
               "source"),
              "A manifest was made; it is a draft."),
    EventType("manifest_shadowed", GOVERNOR, GOVERNANCE, ("version", "name", "sha256", "reason"),
              "A manifest is evaluated beside the active one from now on."),
    EventType("manifest_activated", GOVERNOR, GOVERNANCE,
              ("version", "name", "sha256", "previous_version", "reason", "forced", "unmet",
               "compared"),
              "A manifest took effect."),
    EventType("manifest_retired", GOVERNOR, GOVERNANCE, ("version", "name", "sha256", "reason"),
              "A manifest is out of use."),
    EventType("manifest_refused", GOVERNOR, GOVERNANCE,
              ("version", "action", "code", "reason", "unmet"),
              "A change of a manifest was refused (NR-E110, or NR-E132: its gate is not met)."),
    EventType("shadow_diverged", GOVERNOR, TELEMETRY,
              ("shadow_version", "active_version", "differs", "active_mode", "shadow_mode",
               "refused_by"),
              "A shadow manifest would have decided otherwise than the active one."),
    EventType("rerun_started", GOVERNOR, GOVERNANCE,
              ("rerun_id", "kind", "manifest_version", "manifest_sha256", "against_version",
               "against_sha256", "since_unix_nano", "until_unix_nano", "after_seq", "through_seq"),
              "Somebody asked for a backtest or a replay of stored history."),
    EventType("rerun_ended", GOVERNOR, GOVERNANCE, ("rerun_id", "kind", "state", "error"),
              "A backtest or a replay is over: succeeded, failed or cancelled."),
    EventType("alert_delivered", AUDIT, GOVERNANCE,
              ("alert_event_id", "webhook", "attempts", "status", "error"),
              "A webhook took an alert."),
    EventType("alert_failed", AUDIT, GOVERNANCE,
              ("alert_event_id", "webhook", "attempts", "status", "error"),
              "An alert was given up: its webhook refuses it, is unknown, or never answered."),
    EventType("directive_issued", ENFORCEMENT, GOVERNANCE,
              ("directive_id", "action", "scope", "code", "reason", "rule", "ttl_ms", "limits"),
              "Agents are told what they may no longer do."),
    EventType("directive_lifted", ENFORCEMENT, GOVERNANCE,
              ("directive_id", "action", "scope", "reason"),
              "A directive no longer holds."),
)  # fmt: skip

EVENT_TYPES: Final = MappingProxyType({kind.name: kind for kind in _TYPES})
"""Every type of event by its name."""
