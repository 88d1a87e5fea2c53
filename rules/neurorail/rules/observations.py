"""What the engine is told: plain values, read out of telemetry, REST writes and ticks.

An observation carries no judgement. Ids are checked for form before they get here. Times are
nanoseconds since the Unix epoch, money is pico-USD, tokens are whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

Ids: TypeAlias = tuple[str | None, ...]
"""The chain ids an observation names: mission, plan, job, attempt, resource; None where unnamed."""

NO_IDS: Ids = (None, None, None, None, None)

MISSION, PLAN, JOB, ATTEMPT, RESOURCE = range(5)
"""Levels of the chain, and places in `Ids`."""


@dataclass(slots=True)
class Budget:
    """Limits an entity states for itself and all below it. None is unlimited, zero is zero."""

    timeout_ms: int | None = None
    max_tokens: int | None = None
    max_cost_usd_pico: int | None = None
    max_retries: int | None = None
    max_parallel: int | None = None
    max_tool_calls: int | None = None
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    max_model_calls: int | None = None


@dataclass(slots=True)
class Fields:
    """What an entity says about itself, where it says it."""

    parent_mission_id: str | None = None
    plan_type: str | None = None
    job_type: str | None = None
    dependencies: tuple[str, ...] = ()
    attempt_number: int | None = None
    resource_type: str | None = None
    agent: str | None = None
    """`gen_ai.agent.name`."""
    service: str | None = None
    """`service.name` of the resource."""
    model: str | None = None
    provider: str | None = None
    tool: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    """Sorted by key."""
    budget: Budget | None = None
    metadata_json: str | None = None


@dataclass(slots=True)
class Usage:
    """What one call consumed, as its telemetry reports it.

    `input_tokens` includes cached tokens and `output_tokens` includes reasoning tokens, as in the
    OpenTelemetry GenAI conventions; decoding has already made it so for other conventions.
    """

    operation: str
    """`inference`, `embedding` or `tool`."""
    provider: str | None = None
    model: str | None = None
    """The response's model, else the request's."""
    response_id: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd_pico: int | None = None
    """A cost that the telemetry itself states; None lets the price table decide."""
    has_tokens: bool = False
    """Whether any token count was reported at all."""


@dataclass(slots=True)
class SpanLinks:
    """Parent links of spans that say nothing else to the engine.

    `links` is 32 bytes a span: trace id (16), span id (8), parent span id (8, zero for a root).
    """

    links: bytes


@dataclass(slots=True)
class SpanObserved:
    """One span that concerns the engine: an entity's own span, a GenAI call, or both."""

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    """Empty for a root."""
    start_unix_nano: int
    end_unix_nano: int
    ids: Ids = NO_IDS
    entity: int | None = None
    """The level this span is the own span of (`neurorail.entity.type`), if any."""
    role: str = ""
    """From foreign conventions: `inference`, `embedding`, `tool`, `agent`, `workflow`, or empty."""
    pending: bool = False
    """A Logfire pending span: the span has started, `span_id` is the real span's."""
    outcome: str | None = None
    """`neurorail.outcome`: succeeded, failed, timeout or cancelled."""
    error_code: str | None = None
    """`neurorail.error.code`, else `error.type`."""
    error: bool = False
    """Span status is ERROR."""
    reason: str | None = None
    """The status message."""
    fields: Fields | None = None
    usage: Usage | None = None
    reservation_id: str | None = None
    first_signal_ms: int | None = None
    """`gen_ai.response.time_to_first_chunk`, in milliseconds."""
    sampled: bool = False
    """The telemetry says that it is a sample, so that the meter is partial."""
    arguments: str | None = None
    """A hash of what a model or tool was called with: equal for equal calls, and no content."""
    history: bool = False
    """It comes out of an archive: it is counted, and nothing is done about it now."""


@dataclass(slots=True)
class Once:
    """The idempotency key of a REST write: what was written under it is not written again."""

    key: str
    """The endpoint and the client's key."""
    body_sha256: str
    """Of the request's body; the same key with another body is a mistake."""


@dataclass(slots=True)
class TransitionReported:
    """A transition that somebody reports: a log event, a span event, or a REST write."""

    level: int
    ids: Ids
    transition: str
    time_unix_nano: int
    source: str
    """`log`, `span_event` or `rest`."""
    from_state: str | None = None
    to_state: str | None = None
    reason: str | None = None
    fields: Fields | None = None
    error_code: str | None = None
    metadata_json: str | None = None
    caused_by: str | None = None
    trace_id: bytes = b""
    span_id: bytes = b""
    once: Once | None = None


@dataclass(slots=True)
class Heartbeat:
    """An entity says that it is alive."""

    level: int
    ids: Ids
    time_unix_nano: int


@dataclass(slots=True)
class UsageReported:
    """Usage of an entity written through REST (`POST …/telemetry/record`)."""

    level: int
    ids: Ids
    time_unix_nano: int
    usage: Usage
    duration_ms: int | None = None
    success: bool | None = None
    error_code: str | None = None
    metadata_json: str | None = None
    once: Once | None = None


@dataclass(slots=True)
class AuditLogged:
    """An audit entry somebody wrote through REST (`POST …/audit/log`)."""

    ids: Ids
    event_type: str
    event_category: str
    severity: str
    message: str
    details_json: str
    time_unix_nano: int
    caused_by_agent: str | None = None
    caused_by_event: str | None = None
    once: Once | None = None


@dataclass(slots=True)
class OperatorActed:
    """What a person does by hand (`POST …/reflex/{action}`)."""

    action: str
    """`open`, `close`, `suspend`, `resume`, `kill` or `release`."""
    scope: dict[str, str | None]
    """What it is about: names of facts and their values, or `entity_type` and `entity_id`."""
    target: str = ""
    """Id of a circuit or directive, where that is what it is about."""
    reason: str = ""
    ttl_ms: int = 0
    """How long it is to hold; 0 until it is taken back."""
    ids: Ids = NO_IDS
    once: Once | None = None


@dataclass(slots=True)
class ConfirmationAnswered:
    """A person answered a question (`POST …/confirmations/{id}/{approve|deny}`)."""

    confirmation_id: str
    approved: bool
    reason: str = ""
    once: Once | None = None


@dataclass(slots=True)
class BudgetChanged:
    """A person sets limits of an open entity (`POST …/budgets/{entity_type}/{entity_id}`)."""

    level: int
    ids: Ids
    limits: Budget
    """What is None stays as it is."""
    reason: str = ""
    once: Once | None = None


@dataclass(slots=True)
class Tick:
    """Time has passed: fire what is due."""


@dataclass(slots=True)
class Resumed:
    """The server was down (or asleep) for `down_ns`; open deadlines move by it plus a grace."""

    down_ns: int


@dataclass(slots=True)
class PricesLoaded:
    """A new price table. `table_json` is what `neurorail.rules.pricing` reads."""

    version: str
    sha256: str
    table_json: bytes


@dataclass(slots=True)
class ManifestDrafted:
    """A manifest was made (`POST /api/governor/v1/manifests`)."""

    canonical: bytes
    """What `neurorail.rules.manifest.model.Manifest.from_json` reads."""
    source: str = ""
    """The text it was written as."""
    once: Once | None = None


@dataclass(slots=True)
class ManifestMoved:
    """Somebody moves a manifest on: `shadow`, `activate` or `retire`."""

    version: str
    action: str
    reason: str = ""
    forced: bool = False
    """Past the gate; whether that is permitted was decided before."""
    once: Once | None = None


@dataclass(slots=True)
class EpochStarted:
    """A new engine version or configuration begins; exact replay holds within an epoch."""

    epoch: int
    node: str
    engine_version: str
    config_json: str = "{}"


@dataclass(slots=True)
class Rejected:
    """Items of a record that were malformed and refused at the door, by reason, to be shown."""

    signal: str
    reasons: tuple[tuple[str, int], ...] = field(default=())


@dataclass(slots=True)
class DeadLettered:
    """Rows of the records `first_seq` … `last_seq` that a table refuses for good were put aside."""

    table: str
    first_seq: int
    last_seq: int
    error: str


@dataclass(slots=True)
class ErasureOrdered:
    """Somebody orders to forget what missions and all below them said about themselves."""

    mission_ids: tuple[str, ...]
    scope: str
    """`mission`, `subject` or `tenant`: how they were chosen."""
    reason: str


@dataclass(slots=True)
class Noted:
    """Something the server itself noticed or did, and puts on record (`neurorail.rules.noted`)."""

    event_type: str
    data_json: str
    """The event's own fields: a JSON object."""
    message: str
    severity: str


@dataclass(slots=True)
class DecideRequested:
    """Somebody asks whether something may be done (`POST /api/governor/v1/decide`)."""

    decision_id: str
    reservation_id: str
    """Both made at the edge; the second is used if the request is granted."""
    ids: Ids
    job_type: str
    context: tuple[tuple[str, str | int | bool], ...] = ()
    """Sorted by key."""
    estimates: tuple[tuple[str, int], ...] = ()
    """`tokens`, `input_tokens`, `output_tokens`, `cost_usd_pico`, `tool_calls`, `model_calls`,
    `duration_ms`, where they are stated."""
    parent_reservation_id: str | None = None
    idempotency_key: str | None = None
    request_sha256: str = ""
    """Of the request as it was sent, to know another one with the same key by."""
    override_reason: str | None = None
    """Why it is to be granted whatever the rules say; only for who may."""
    principal: str = ""
    """Who asks."""


@dataclass(slots=True)
class ReservationReported:
    """Somebody without telemetry says what became of a reservation."""

    operation: str
    """`reconcile` or `release`."""
    reservation_id: str
    usage: tuple[tuple[str, int], ...] = ()
    """What was used, by the names of `DecideRequested.estimates`."""
    owner: str | None = None
    """Only a reservation that this principal asked for is its to report on; None is any."""
    provider: str | None = None
    model: str | None = None
    """Who answered: where tokens are stated without a cost, its prices tell the cost."""


Observation: TypeAlias = (
    SpanLinks
    | SpanObserved
    | TransitionReported
    | Heartbeat
    | UsageReported
    | AuditLogged
    | OperatorActed
    | ConfirmationAnswered
    | BudgetChanged
    | Tick
    | Resumed
    | PricesLoaded
    | ManifestDrafted
    | ManifestMoved
    | EpochStarted
    | Rejected
    | DeadLettered
    | Noted
    | ErasureOrdered
    | DecideRequested
    | ReservationReported
)
