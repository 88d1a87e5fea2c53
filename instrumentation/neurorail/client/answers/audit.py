"""The audit trail."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from neurorail.client.answers.common import Severity, TypedDict, Warned


class AuditEvent(TypedDict):
    """One row of the audit trail."""

    audit_id: str
    timestamp: str | None
    event_time: str | None
    mission_id: str | None
    plan_id: str | None
    job_id: str | None
    attempt_id: str | None
    resource_id: str | None
    entity_type: str | None
    entity_id: str | None
    channel: str
    event_type: str
    event_category: str
    severity: Severity
    message: str
    principal: str
    details: dict[str, Any]


class AuditEvents(TypedDict):
    """A page of the audit trail, newest first."""

    events: list[AuditEvent]
    total: int | None
    """None where it was not asked for."""
    limit: int
    first_cursor: str | None
    next_cursor: str | None


class AuditLogged(TypedDict):
    """An entry that was written."""

    audit_id: str | None
    timestamp: str | None
    mission_id: str | None
    plan_id: str | None
    job_id: str | None
    attempt_id: str | None
    resource_id: str | None
    event_type: str
    event_category: str
    severity: Severity
    message: str
    warnings: list[Warned]


class AuditStats(TypedDict):
    """Counts of events, and the newest errors among them."""

    total_events: int
    events_by_type: dict[str, int]
    events_by_severity: dict[str, int]
    events_by_category: dict[str, int]
    recent_errors: list[AuditEvent]


class Anchored(TypedDict):
    """Where copies of signed statements are."""

    kind: Literal["file", "log", "otlp"]
    name: str
    note: str


class SignedStatement(TypedDict):
    """A checkpoint, a rotation of the key, or a tombstone."""

    kind: Literal["checkpoint", "rotation", "tombstone"]
    place: int
    node: str
    time: str | None
    key_id: str
    public_key: str
    signature: str
    signature_valid: bool
    first: NotRequired[str]
    last: NotRequired[str]
    total: NotRequired[int]
    head: NotRequired[str]
    count: NotRequired[int]
    root: NotRequired[str]
    new_key_id: NotRequired[str]
    new_public_key: NotRequired[str]


class Checkpoints(TypedDict):
    """Signed statements about the chain, newest first."""

    statements: list[SignedStatement]
    total: int
    checkpoints: int
    next_before: int | None
    anchored: list[Anchored]
    faults: list[str]


class Proof(TypedDict):
    """An event with its proof, and the statements that the proof leads to."""

    event: dict[str, Any]
    statements: list[dict[str, Any]]


class SigningKey(TypedDict):
    """The key that signs from now on."""

    public_key: str
    key_id: str


class Retained(TypedDict):
    """What was removed."""

    removed_through: str | None
    total: int


class Erased(TypedDict):
    """What was erased."""

    missions: int
    scope: Literal["mission", "subject", "tenant"]
    found: bool
    """Whether anything was known of it."""
    remains: list[str]
    """What is still on a disk, and until when."""
