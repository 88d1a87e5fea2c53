"""The same request asked twice gets the same answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from neurorail.rules.governor.reservation_row import LIVE
from neurorail.rules.governor.reservations import OPEN
from neurorail.rules.kept import Kind, Row
from neurorail.rules.state import State

ANSWERS_MAX: Final = 20_000
"""Answers remembered a tenant, the newest ones."""


@dataclass(slots=True)
class Answer:
    """What a request with an idempotency key was answered."""

    request_sha256: str
    until: int
    """Record time from which it is decided anew; 0 for never."""
    data: dict[str, Any]
    """The event's data."""


def _to_row(answer: Answer) -> Row:
    return [answer.request_sha256, answer.until, answer.data]


def _from_row(row: Row) -> Answer:
    return Answer(row[0], row[1], row[2])


ANSWERS: Final = Kind("answer", ANSWERS_MAX, _to_row, _from_row, evicts=True)


def holds(state: State, answer: Answer) -> bool:
    """Whether an answer is still true: its reservation is live, or trying again cannot help yet."""
    reservation_id = answer.data["reservation_id"]
    if reservation_id is None:
        return not answer.until or state.now < answer.until
    one = state.kept.get(OPEN, state.tenant, reservation_id)
    return one is not None and one.state == LIVE
