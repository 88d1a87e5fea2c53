"""The governor's requests as records, and the observations they become.

The edge has read and completed them: money is whole pico-USD, ids are minted.
"""

from __future__ import annotations

import msgspec

from neurorail.collector.decode.five_ids import FiveIds
from neurorail.rules.observations import DecideRequested, ReservationReported


class DecideCommand(msgspec.Struct, tag="decide", omit_defaults=True):
    """`POST /api/governor/v1/decide`."""

    decision_id: str
    reservation_id: str
    ids: FiveIds
    job_type: str
    context: dict[str, str | int | bool] = {}
    estimates: dict[str, int] = {}
    parent_reservation_id: str | None = None
    idempotency_key: str | None = None
    request_sha256: str = ""
    override_reason: str | None = None
    principal: str = ""


class ReservationCommand(msgspec.Struct, tag="reservation", omit_defaults=True):
    """`POST /api/governor/v1/reservations/{id}/{reconcile|release}`."""

    operation: str
    reservation_id: str
    usage: dict[str, int] = {}
    owner: str | None = None
    provider: str | None = None
    model: str | None = None


def _within(value: str | int | bool) -> str | int | bool:
    """A value as it is; a whole number beyond 64 bits as text."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    return value


def decide_requested(command: DecideCommand) -> DecideRequested:
    """The observation of a request to decide."""
    return DecideRequested(
        command.decision_id,
        command.reservation_id,
        command.ids,
        command.job_type,
        tuple((key, _within(value)) for key, value in sorted(command.context.items())),
        tuple(sorted(command.estimates.items())),
        command.parent_reservation_id,
        command.idempotency_key,
        command.request_sha256,
        command.override_reason,
        command.principal,
    )


def reservation_reported(command: ReservationCommand) -> ReservationReported:
    """The observation of a reconciliation or release."""
    return ReservationReported(
        command.operation,
        command.reservation_id,
        tuple(sorted(command.usage.items())),
        command.owner,
        command.provider,
        command.model,
    )
