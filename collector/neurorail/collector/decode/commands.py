"""REST writes as records: what the edge puts into the inbox, and the observations they become.

The edge has checked and completed a request before it becomes one of these: ids are in their form,
minted where the client gave none, and the time of a write is the time its record was received.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, TypeAlias

import msgspec

from neurorail.collector.decode.attributes import TAGS_MAX
from neurorail.collector.decode.budgets import (
    BudgetCommand,
    BudgetInput,
    budget_changed,
    budget_of,
    cost,
    count,
)
from neurorail.collector.decode.decide import (
    DecideCommand,
    ReservationCommand,
    decide_requested,
    reservation_reported,
)
from neurorail.collector.decode.five_ids import FiveIds
from neurorail.collector.decode.manifest import (
    ManifestCommand,
    ManifestMoveCommand,
    manifest_drafted,
    manifest_moved,
)
from neurorail.collector.decode.once import OnceInput, once_of
from neurorail.collector.decode.people import (
    AnswerCommand,
    ReflexCommand,
    question_answered,
    reflex_acted,
)
from neurorail.rules.observations import (
    RESOURCE,
    AuditLogged,
    ErasureOrdered,
    Fields,
    Observation,
    TransitionReported,
    Usage,
    UsageReported,
)

NO_JSON: Final = msgspec.Raw(b"null")
"""For a request that has no `metadata` or `details`."""
_SOURCE: Final = "rest"


class CreateCommand(msgspec.Struct, tag="create", omit_defaults=True):
    """`POST …/identity/{entity_type}`: an entity is created, in state PENDING."""

    level: int
    ids: FiveIds
    """The whole chain as far as it is known, the new entity's id included."""
    parent_mission_id: str | None = None
    plan_type: str | None = None
    job_type: str | None = None
    dependencies: tuple[str, ...] = ()
    attempt_number: int | None = None
    resource_type: str | None = None
    agent: str | None = None
    service: str | None = None
    model: str | None = None
    provider: str | None = None
    tool: str | None = None
    tags: dict[str, str] = {}
    budget: BudgetInput | None = None
    metadata: msgspec.Raw = NO_JSON
    once: OnceInput | None = None


class TransitionCommand(msgspec.Struct, tag="transition", omit_defaults=True):
    """`POST …/lifecycle/transition/{entity_type}`."""

    level: int
    ids: FiveIds
    transition: str
    reason: str | None = None
    error_code: str | None = None
    metadata: msgspec.Raw = NO_JSON
    caused_by: str | None = None
    once: OnceInput | None = None


class UsageCommand(msgspec.Struct, tag="usage", omit_defaults=True):
    """`POST …/telemetry/record`."""

    level: int
    ids: FiveIds
    duration_ms: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: Decimal | None = None
    success: bool | None = None
    error_code: str | None = None
    metadata: msgspec.Raw = NO_JSON
    operation: str = "inference"
    provider: str | None = None
    model: str | None = None
    once: OnceInput | None = None


class AuditCommand(msgspec.Struct, tag="audit", omit_defaults=True):
    """`POST …/audit/log`."""

    ids: FiveIds
    event_type: str
    event_category: str
    severity: str
    message: str
    details: msgspec.Raw = NO_JSON
    caused_by_agent: str | None = None
    caused_by_event: str | None = None
    once: OnceInput | None = None


class EraseCommand(msgspec.Struct, tag="erase"):
    """`POST …/audit/erase`."""

    mission_ids: tuple[str, ...]
    scope: str
    reason: str


def _erasure_ordered(command: EraseCommand) -> ErasureOrdered:
    return ErasureOrdered(command.mission_ids, command.scope, command.reason)


OnceCommand: TypeAlias = (
    CreateCommand
    | TransitionCommand
    | UsageCommand
    | AuditCommand
    | ReflexCommand
    | AnswerCommand
    | BudgetCommand
    | ManifestCommand
    | ManifestMoveCommand
)
"""Commands that are not repeated when they are sent again."""
Command: TypeAlias = OnceCommand | DecideCommand | ReservationCommand | EraseCommand

_DECODER: Final = msgspec.json.Decoder(Command)
_PLAIN: Final[dict[type[Any], Callable[[Any], Observation]]] = {
    ReflexCommand: reflex_acted,
    EraseCommand: _erasure_ordered,
    AnswerCommand: question_answered,
    DecideCommand: decide_requested,
    ReservationCommand: reservation_reported,
    ManifestCommand: manifest_drafted,
    ManifestMoveCommand: manifest_moved,
}
"""Commands that need nothing but themselves."""


def encode_command(command: Command) -> bytes:
    """The body of a COMMAND record."""
    return msgspec.json.encode(command)


def read_command(body: bytes, received_unix_nano: int, stats: Counter[str]) -> list[Observation]:
    """The observation of a COMMAND record; none (counted) if it is not one of the known types."""
    try:
        command: Command = _DECODER.decode(body)
    except (msgspec.DecodeError, RecursionError, ValueError):
        stats["unknown_command"] += 1
        return []
    if not 0 <= getattr(command, "level", 0) <= RESOURCE:
        stats["unknown_command"] += 1
        return []
    read = _PLAIN.get(type(command))
    if read is not None:
        return [read(command)]
    match command:
        case CreateCommand():
            return [_create(command, received_unix_nano, stats)]
        case TransitionCommand():
            return [_transition(command, received_unix_nano)]
        case UsageCommand():
            return [_usage(command, received_unix_nano, stats)]
        case BudgetCommand():
            return [budget_changed(command, stats)]
        case AuditCommand():
            return [_audit(command, received_unix_nano)]
    raise AssertionError(f"{type(command).__name__} has a reader")


def _json_text(raw: msgspec.Raw) -> str | None:
    return None if raw == NO_JSON else bytes(raw).decode("utf-8", "replace")


def _create(
    command: CreateCommand, received_unix_nano: int, stats: Counter[str]
) -> TransitionReported:
    fields = Fields(
        parent_mission_id=command.parent_mission_id,
        plan_type=command.plan_type,
        job_type=command.job_type,
        dependencies=command.dependencies,
        attempt_number=command.attempt_number,
        resource_type=command.resource_type,
        agent=command.agent,
        service=command.service,
        model=command.model,
        provider=command.provider,
        tool=command.tool,
        tags=tuple(sorted(command.tags.items())[:TAGS_MAX]),
        budget=budget_of(command.budget, stats),
        metadata_json=_json_text(command.metadata),
    )
    return TransitionReported(
        command.level,
        command.ids,
        "create",
        received_unix_nano,
        _SOURCE,
        fields=fields,
        once=once_of(command.once),
    )


def _transition(command: TransitionCommand, received_unix_nano: int) -> TransitionReported:
    return TransitionReported(
        command.level,
        command.ids,
        command.transition.lower(),
        received_unix_nano,
        _SOURCE,
        reason=command.reason,
        error_code=command.error_code,
        metadata_json=_json_text(command.metadata),
        caused_by=command.caused_by,
        once=once_of(command.once),
    )


def _usage(command: UsageCommand, received_unix_nano: int, stats: Counter[str]) -> UsageReported:
    tokens_in = count(command.input_tokens, stats, "bad_token_count")
    tokens_out = count(command.output_tokens, stats, "bad_token_count")
    usage = Usage(
        operation=command.operation,
        provider=command.provider,
        model=command.model,
        input_tokens=tokens_in or 0,
        output_tokens=tokens_out or 0,
        cost_usd_pico=cost(command.cost_usd, stats, "bad_cost"),
        has_tokens=tokens_in is not None or tokens_out is not None,
    )
    return UsageReported(
        command.level,
        command.ids,
        received_unix_nano,
        usage,
        duration_ms=count(command.duration_ms, stats, "bad_duration"),
        success=command.success,
        error_code=command.error_code,
        metadata_json=_json_text(command.metadata),
        once=once_of(command.once),
    )


def _audit(command: AuditCommand, received_unix_nano: int) -> AuditLogged:
    return AuditLogged(
        command.ids,
        command.event_type,
        command.event_category,
        command.severity,
        command.message,
        _json_text(command.details) or "{}",
        received_unix_nano,
        caused_by_agent=command.caused_by_agent,
        caused_by_event=command.caused_by_event,
        once=once_of(command.once),
    )
