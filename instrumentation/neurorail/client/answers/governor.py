"""Decisions, budgets, manifests and questions."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from neurorail.client.answers.common import Scope, TypedDict, Warned


class Reservation(TypedDict):
    """What a grant holds until it is settled."""

    id: str
    ttl_ms: int


class Decision(TypedDict):
    """What the governor decided."""

    decision_id: str
    timestamp: str | None
    mode: Literal["direct", "rail"]
    allowed: bool
    code: str | None
    reason: str
    reasons: list[dict[str, Any]]
    matched_rules: list[Any]
    recovery_strategy: str | None
    reservation: Reservation | None
    reserved: dict[str, Any]
    estimated: list[str]
    remaining: dict[str, Any]
    budgets: list[Any]
    retry_after_ms: int | None
    job_type: str
    manifest_version: str
    override: Any
    mission_id: str | None
    plan_id: str | None
    job_id: str | None
    attempt_id: str | None
    resource_id: str | None


class Decisions(TypedDict):
    """A page of decisions, newest first."""

    decisions: list[Decision]
    limit: int
    next_cursor: str | None


class Settled(TypedDict):
    """What became of a reservation."""

    reservation_id: str
    how: str
    reserved: dict[str, Any]
    used: dict[str, Any]
    overshoot: dict[str, Any]
    corrected: Any


class RecentDecision(TypedDict):
    """A decision in short."""

    timestamp: str | None
    decision_id: str
    mode: str
    allowed: bool
    code: str | None
    reason: str
    job_type: str
    mission_id: str | None


class GovernorStats(TypedDict):
    """How much was decided, and the newest decisions."""

    total_decisions: int
    direct_mode_count: int
    rail_mode_count: int
    allowed_count: int
    refused_count: int
    refused_by_code: dict[str, int]
    recent_decisions: list[RecentDecision]


class Budgets(TypedDict):
    """What is consumed, reserved, unsettled and left, by level or pool."""

    as_of: str | None
    budgets: list[dict[str, Any]]
    truncated: bool


class ActiveManifest(TypedDict):
    """The manifest in force."""

    version: str
    sha256: str


class Manifest(TypedDict):
    """A manifest and where it is on its way."""

    version: str
    name: str
    state: Literal["draft", "shadow", "active", "retired"]
    sha256: str
    previous_sha256: str | None
    chain_sha256: str
    created_at: str | None
    since: str | None
    compared: Any
    unmet: list[Any]


class ChangedManifest(Manifest):
    """A manifest that was made or moved on."""

    warnings: list[Warned]


class WholeManifest(TypedDict):
    """A manifest as it was written and in its canonical form; the shipped one has no history."""

    version: str
    name: str
    state: Literal["draft", "shadow", "active", "retired"]
    sha256: str
    previous_sha256: NotRequired[str | None]
    chain_sha256: NotRequired[str]
    created_at: NotRequired[str | None]
    since: NotRequired[str | None]
    compared: NotRequired[Any]
    unmet: NotRequired[list[Any]]
    source: str | None
    manifest: dict[str, Any]


class Manifests(TypedDict):
    """Every manifest, oldest first."""

    active: ActiveManifest
    manifests: list[Manifest]


class Confirmation(TypedDict):
    """A question to people."""

    confirmation_id: str
    rule: str
    scope: Scope
    question: str
    state: Literal["pending", "approved", "denied"]
    since: str | None
    until: str | None
    unanswered: str
    reason: str


class Confirmations(TypedDict):
    """Questions that are open, and answers that still hold."""

    confirmations: list[Confirmation]
    total: int


class Answered(TypedDict):
    """A question that was answered."""

    confirmation_id: str
    state: str
    reason: str
    event_id: str
