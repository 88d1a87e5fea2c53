"""Accounts: what is set aside in a budget or pool, and what a pool has consumed in its window.

An entity keeps its own totals, so that its account only exists while something is set aside in it.
A calendar pool has an account a period; a rolling pool has one, with its consumption in slices of
time that leave the window one after the other.
"""

from __future__ import annotations

from typing import Any, Final

from neurorail.rules.governor.amounts import Amounts, add, none
from neurorail.rules.kept import Kind, Row

LIVE_MAX: Final = 50_000
"""Open reservations of a tenant."""
POOL_ACCOUNTS_MAX: Final = 100_000
"""Pool windows of a tenant; beyond it requests that would need a further one are refused."""
SLICES: Final = 60
"""Slices of a rolling window. What is consumed counts until its whole slice has left the window, so
that it counts up to a sixtieth of the window too long, never too short."""


class Account:
    """What is reserved, what waits for its usage, and what is consumed."""

    __slots__ = (
        "begins",
        "consumed",
        "ends",
        "live",
        "reserved",
        "slices",
        "unsettled",
        "violated",
        "warned",
        "window_ns",
    )

    def __init__(self, begins: int = 0, ends: int = 0, window_ns: int = 0) -> None:
        self.reserved: Amounts = none()
        self.unsettled: Amounts = none()
        self.live: dict[str, None] = {}
        """Reservations that hold something here."""
        self.consumed: Amounts = none()
        """Of pools alone; in a rolling window, the sum of its slices."""
        self.slices: list[tuple[int, Amounts]] = []
        """Of a rolling window: beginning of the slice, consumed in it; oldest first."""
        self.begins = begins
        self.ends = ends
        """Of a calendar window, in nanoseconds; 0 for others."""
        self.window_ns = window_ns
        """Length of a rolling window; 0 for others."""
        self.warned: dict[str, int] = {}
        """Limit (rule and kind) → the highest level that was warned of, in percent."""
        self.violated: dict[str, None] = {}
        """Limits whose violation was told."""

    def held(self, place: int) -> int:
        """What is set aside of a kind."""
        return self.reserved[place] + self.unsettled[place]

    @property
    def idle(self) -> bool:
        """Whether it says nothing: it need not be kept."""
        return not (self.live or self.warned or self.violated)

    @property
    def slice_ns(self) -> int:
        """Length of a slice of a rolling window."""
        return max(self.window_ns // SLICES, 1)

    def consume(self, amounts: Amounts, at: int) -> None:
        """Add to what is consumed, or take from it with negative amounts."""
        add(self.consumed, amounts)
        if self.window_ns:
            self._consume_slice(amounts, at - at % self.slice_ns)

    def _consume_slice(self, amounts: Amounts, begins: int) -> None:
        """Usually the newest slice; late usage finds an older one."""
        place = len(self.slices)
        while place and self.slices[place - 1][0] > begins:
            place -= 1
        if place and self.slices[place - 1][0] == begins:
            add(self.slices[place - 1][1], amounts)
        else:
            self.slices.insert(place, (begins, list(amounts)))

    def leaves_at(self, begins: int) -> int:
        """When a slice has wholly left the window."""
        return begins + self.slice_ns + self.window_ns

    def takes(self, at: int, now: int) -> bool:
        """Whether what happened at a moment still counts. A rolling window has moved on to now."""
        if not self.window_ns:
            return True
        self.roll(now)
        return self.leaves_at(at - at % self.slice_ns) > now

    def roll(self, now: int) -> None:
        """Forget the slices that have left a rolling window."""
        gone = 0
        for begins, amounts in self.slices:
            if self.leaves_at(begins) > now:
                break
            add(self.consumed, amounts, -1)
            gone += 1
        del self.slices[:gone]


def to_row(account: Account) -> Row:
    """The account as plain values."""
    row: list[Any] = [
        account.reserved,
        account.unsettled,
        list(account.live),
        account.consumed,
        account.slices,
        account.begins,
        account.ends,
        account.warned,
        list(account.violated),
        account.window_ns,
    ]
    return row


def from_row(row: Row) -> Account:
    """The account that `to_row` wrote."""
    account = Account(row[5], row[6], row[9])
    account.reserved = list(row[0])
    account.unsettled = list(row[1])
    account.live = dict.fromkeys(row[2])
    account.consumed = list(row[3])
    account.slices = [(begins, list(amounts)) for begins, amounts in row[4]]
    account.warned = dict(row[7])
    account.violated = dict.fromkeys(row[8])
    return account


ENTITY_ACCOUNTS: Final = Kind("account", 5 * LIVE_MAX, to_row, from_row)
"""By entity id. There is always room: an open reservation has at most five entities."""
