"""A reservation as the engine keeps it, and its form as a plain row."""

from __future__ import annotations

from typing import Any, Final

from neurorail.rules.governor.amounts import Amounts, none
from neurorail.rules.kept import Row
from neurorail.rules.observations import Ids

LIVE: Final = "live"
UNSETTLED: Final = "unsettled"
CLOSED: Final = "closed"


class Reservation:
    """Amounts set aside for one granted request. Times are of records, in nanoseconds."""

    __slots__ = (
        "charged",
        "drawn",
        "granted_at",
        "id",
        "ids",
        "lease_ms",
        "left",
        "parent_id",
        "pools",
        "principal",
        "reported",
        "reserved",
        "running",
        "seen",
        "settle_ms",
        "state",
        "unsettled_at",
    )

    def __init__(self, reservation_id: str, ids: Ids) -> None:
        self.id = reservation_id
        self.ids = ids
        self.principal = ""
        """Who asked."""
        self.state = LIVE
        self.granted_at = 0
        self.unsettled_at = 0
        self.lease_ms = 0
        self.settle_ms = 0
        self.parent_id: str | None = None
        self.pools: list[list[str]] = []
        """Pools it holds amounts in: rule id and name of the pool's account."""
        self.reserved: Amounts = none()
        """What was granted."""
        self.left: Amounts = none()
        """What it still holds: less than was granted once children draw from it."""
        self.drawn: Amounts = none()
        """What of it came out of its parent's."""
        self.running = 0
        """Places of attempts that it still holds in pools, since the attempt runs."""
        self.reported: Amounts = none()
        """The most that REST said was used."""
        self.seen: Amounts = none()
        """What spans said was used."""
        self.charged: Amounts = none()
        """What was charged for it so far, whoever reported it."""


def used(reservation: Reservation) -> Amounts:
    """What was used: of each kind the most that any source reports.

    How tokens divide into input and output is for spans to say, where there are any.
    """
    reported, seen = reservation.reported, reservation.seen
    most = [max(one, other) for one, other in zip(reported, seen, strict=True)]
    if seen[0]:
        most[1] = min(seen[1], most[0])
    most[1] = min(most[1], most[0])
    most[2] = most[0] - most[1]
    return most


def to_row(one: Reservation) -> Row:
    """The reservation as plain values."""
    row: list[Any] = [
        one.id,
        one.ids,
        one.state,
        one.granted_at,
        one.unsettled_at,
        one.lease_ms,
        one.settle_ms,
        one.parent_id,
        one.pools,
        one.reserved,
        one.left,
        one.drawn,
        one.reported,
        one.seen,
        one.charged,
        one.principal,
        one.running,
    ]
    return row


def from_row(row: Row) -> Reservation:
    """The reservation that `to_row` wrote."""
    mission, plan, job, attempt, resource = row[1]
    one = Reservation(row[0], (mission, plan, job, attempt, resource))
    one.state = row[2]
    one.granted_at, one.unsettled_at = row[3], row[4]
    one.lease_ms, one.settle_ms = row[5], row[6]
    one.parent_id = row[7]
    one.pools = [list(pool) for pool in row[8]]
    one.reserved, one.left, one.drawn = list(row[9]), list(row[10]), list(row[11])
    one.reported, one.seen, one.charged = list(row[12]), list(row[13]), list(row[14])
    one.principal, one.running = row[15], row[16]
    return one
