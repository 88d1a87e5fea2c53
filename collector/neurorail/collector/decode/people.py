"""What people decide, as records: reflexes by hand, and answers to questions."""

from __future__ import annotations

import msgspec

from neurorail.collector.decode.five_ids import FiveIds
from neurorail.collector.decode.once import OnceInput, once_of
from neurorail.rules.observations import (
    NO_IDS,
    ConfirmationAnswered,
    Observation,
    OperatorActed,
)


class ReflexCommand(msgspec.Struct, tag="reflex", omit_defaults=True):
    """`POST …/reflex/{action}`."""

    action: str
    scope: dict[str, str | None] = {}
    target: str = ""
    reason: str = ""
    ttl_ms: int = 0
    ids: FiveIds = NO_IDS
    """The chain that the scope names, so that its entities are at hand."""
    once: OnceInput | None = None


class AnswerCommand(msgspec.Struct, tag="answer", omit_defaults=True):
    """`POST …/confirmations/{id}/{approve|deny}`."""

    confirmation_id: str
    approved: bool
    reason: str = ""
    once: OnceInput | None = None


def reflex_acted(command: ReflexCommand) -> Observation:
    """What the engine is told of a reflex by hand."""
    return OperatorActed(
        command.action,
        command.scope,
        command.target,
        command.reason,
        command.ttl_ms,
        command.ids,
        once_of(command.once),
    )


def question_answered(command: AnswerCommand) -> Observation:
    """What the engine is told of an answer."""
    return ConfirmationAnswered(
        command.confirmation_id, command.approved, command.reason, once_of(command.once)
    )
