"""Attribute and event names that NeuroRail reads and writes on OpenTelemetry signals."""

from typing import Final

PREFIX: Final = "neurorail."

MISSION_ID: Final = "neurorail.mission.id"
PLAN_ID: Final = "neurorail.plan.id"
JOB_ID: Final = "neurorail.job.id"
ATTEMPT_ID: Final = "neurorail.attempt.id"
RESOURCE_ID: Final = "neurorail.resource.id"
CHAIN_IDS: Final = (MISSION_ID, PLAN_ID, JOB_ID, ATTEMPT_ID, RESOURCE_ID)
"""The five ids of the trace chain, from the mission down."""

ENTITY_TYPE: Final = "neurorail.entity.type"
ENTITY_TYPES: Final = ("mission", "plan", "job", "attempt", "resource")
ID_PREFIXES: Final = ("m_", "p_", "j_", "a_", "r_")

MISSION_PARENT_ID: Final = "neurorail.mission.parent_id"
PLAN_TYPE: Final = "neurorail.plan.type"
JOB_TYPE: Final = "neurorail.job.type"
JOB_DEPENDENCIES: Final = "neurorail.job.dependencies"
ATTEMPT_NUMBER: Final = "neurorail.attempt.number"
RESOURCE_TYPE: Final = "neurorail.resource.type"
TAG_PREFIX: Final = "neurorail.tag."
BUDGET_PREFIX: Final = "neurorail.budget."
BUDGET_FIELDS: Final = (
    "timeout_ms",
    "max_tokens",
    "max_cost_usd",
    "max_retries",
    "max_parallel",
    "max_tool_calls",
)
OUTCOME: Final = "neurorail.outcome"
ERROR_CODE: Final = "neurorail.error.code"
RESERVATION_ID: Final = "neurorail.reservation.id"

TRANSITION_EVENT: Final = "neurorail.lifecycle.transition"
HEARTBEAT_EVENT: Final = "neurorail.heartbeat"
TRANSITION: Final = "neurorail.transition"
TRANSITIONS: Final = "neurorail.transitions"
TRANSITION_TIMES: Final = "neurorail.transition.times_unix_nano"
STATE_FROM: Final = "neurorail.state.from"
STATE_TO: Final = "neurorail.state.to"
REASON: Final = "neurorail.reason"

LOGFIRE_SPAN_TYPE: Final = "logfire.span_type"
LOGFIRE_PENDING_PARENT_ID: Final = "logfire.pending_parent_id"
