"""Pools: budgets of everything that shares a key, over a rolling window or a calendar period."""

from __future__ import annotations

from typing import Final

from neurorail.rules import directives, exhausted
from neurorail.rules.config import MS
from neurorail.rules.governor import accounts
from neurorail.rules.governor.accounts import POOL_ACCOUNTS_MAX, Account
from neurorail.rules.governor.amounts import PLACE, Amounts
from neurorail.rules.governor.crossing import (
    WARNING,
    crossed,
    tell_violation,
    tell_warning,
)
from neurorail.rules.kept import Kind
from neurorail.rules.manifest.facts import Facts
from neurorail.rules.manifest.limits import ENFORCE, Limit
from neurorail.rules.manifest.model import KeyedPool, Manifest, PoolRule
from neurorail.rules.observations import Ids
from neurorail.rules.state import State

KEEP_NS: Final = 3_600_000 * MS
"""How long a calendar window is kept after its end, for usage that comes late."""


class PoolWindow:
    """One window of one pool. Another length of a rolling window is another pool."""

    __slots__ = ("begins", "ends", "key", "kinds", "limits", "name", "named", "rule")

    def __init__(self, policy: Manifest, rule: PoolRule, key: str, begins: int, ends: int) -> None:
        self.rule = rule
        self.limits = policy.pool_limits(rule.id)
        self.key = key
        self.begins = begins
        """Of a calendar window, in nanoseconds; 0 for a rolling one."""
        self.ends = ends
        rolling = rule.window.rolling_ms
        span = f"~{rolling}" if rolling is not None else f"@{begins // (1_000 * MS)}"
        self.name = f"{rule.id}{span}|{key}"
        """The name of its account."""
        self.named = [rule.id, self.name]
        """How what is charged is remembered; never changed."""
        self.kinds = frozenset([limit.kind for limit in self.limits])
        """What is limited."""

    @property
    def label(self) -> dict[str, str]:
        """Which pool it is, as events say it."""
        return {"pool": self.rule.id, "key": self.key}

    def new_account(self) -> Account:
        """Books in which nothing is written yet."""
        rolling = self.rule.window.rolling_ms
        return Account(self.begins, self.ends, 0 if rolling is None else rolling * MS)

    def renews_at(self, account: Account | None) -> int:
        """When the period ends, or the oldest slice leaves; 0 while nothing is consumed."""
        if self.ends:
            return self.ends
        if account is None or not account.slices:
            return 0
        return account.leaves_at(account.slices[0][0])


def matching(policy: Manifest, facts: Facts, at: int) -> list[PoolWindow]:
    """The pool windows that facts belong to at a moment."""
    return [_window_at(policy, pool, at) for pool in policy.pools_of.matching(facts)]


def _window_at(policy: Manifest, pool: KeyedPool, at: int) -> PoolWindow:
    """The window of a pool that holds a moment: mostly the one that was asked for last."""
    known: PoolWindow | None = pool.window
    if known is not None and (not known.ends or known.begins <= at < known.ends):
        return known
    begins = ends = 0
    if pool.rule.window.rolling_ms is None:
        begins, ends = policy.period(pool.rule, at)
    pool.window = window = PoolWindow(policy, pool.rule, pool.key, begins, ends)
    return window


def window_named(policy: Manifest, name: str, books: Account) -> PoolWindow | None:
    """The window whose books have this name; None if its rule is gone or counts otherwise now."""
    own, _, key = name.partition("|")
    rule = policy.pool(own.rpartition("~" if books.window_ns else "@")[0])
    if rule is None:
        return None
    window = PoolWindow(policy, rule, key, books.begins, books.ends)
    return window if window.name == name else None


def is_over(books: Account, now: int) -> bool:
    """Whether a calendar window has ended."""
    return bool(books.ends) and books.ends <= now


def account(state: State, pool: PoolWindow) -> Account | None:
    """The books of a window, if there are any yet."""
    return state.kept.get(POOLS, state.tenant, pool.name)


def open_account(state: State, pool: PoolWindow) -> Account | None:
    """The books of a window, begun if need be; None when there are too many."""
    found = account(state, pool)
    if found is not None:
        return found
    begun = pool.new_account()
    if not state.kept.put(POOLS, state.tenant, pool.name, begun):
        return None
    state.kept.schedule(POOLS, state.tenant, pool.name, look_again(state, begun))
    return begun


def consume(
    state: State, name: str, ids: Ids, amounts: Amounts, at: int, limits: tuple[Limit, ...]
) -> None:
    """Charge amounts to the books of a window, and say what that means for its limits."""
    books = state.kept.get(POOLS, state.tenant, name) or _begun_anew(state, name)
    if books is None or not books.takes(at, state.now):
        state.count("pool_usage_outside")  # So late that its window is forgotten.
        return
    books.consume(amounts, at)
    state.kept.changed(POOLS, state.tenant, name)
    for limit in limits:
        _check(state, books, name, ids, limit)


def _begun_anew(state: State, name: str) -> Account | None:
    """New books of a rolling window, whose own were empty and forgotten; None of another one.

    A correction counts from when it came, however long ago its reservation was closed.
    """
    own, _, key = name.partition("|")
    policy = state.manifest
    rule = policy.pool(own.rpartition("~")[0])
    if rule is None or (window := PoolWindow(policy, rule, key, 0, 0)).name != name:
        return None
    return open_account(state, window)


def _check(state: State, books: Account, name: str, ids: Ids, limit: Limit) -> None:
    place = PLACE[limit.kind]
    consumed = books.consumed[place]
    if limit.severity == ENFORCE and (consumed >= limit.amount or directives.hold(state)):
        _tell_agents(state, books, name, limit, consumed)
    what = crossed(books, limit, consumed)
    if what is None:
        return
    label = {"pool": limit.rule_id, "key": name.partition("|")[2]}
    if what == WARNING:
        tell_warning(state, label, ids, limit, consumed, books.held(place))
    else:
        tell_violation(state, label, ids, limit, consumed, books.held(place))


def _tell_agents(state: State, books: Account, name: str, limit: Limit, consumed: int) -> None:
    rule = state.manifest.pool(limit.rule_id)
    assert rule is not None, "limits come from its rule"
    renews_at = books.ends or (books.leaves_at(books.slices[0][0]) if books.slices else 0)
    exhausted.pool_checked(
        state,
        rule,
        name,
        limit.kind,
        exhausted=consumed >= limit.amount,
        renews_at=renews_at,
    )


def is_forgotten(books: Account, at: int) -> bool:
    """Whether a window is over, its books are empty, and usage for it is too late."""
    books.roll(at)
    over = books.ends + KEEP_NS <= at if books.ends else not books.slices
    return over and not books.live


def look_again(state: State, books: Account) -> int:
    """When an account may be forgotten, if nothing more comes."""
    if books.ends:
        return max(books.ends, state.now) + KEEP_NS
    newest = books.slices[-1][0] if books.slices else state.now
    return max(books.leaves_at(newest), state.now + books.slice_ns)


def _fire(state: State, name: str, books: Account, at: int) -> None:
    if is_forgotten(books, at):
        state.kept.remove(POOLS, state.tenant, name)
    else:
        state.kept.schedule(POOLS, state.tenant, name, look_again(state, books))


POOLS: Final = Kind("pool", POOL_ACCOUNTS_MAX, accounts.to_row, accounts.from_row, fire=_fire)
"""By rule, window and key."""
