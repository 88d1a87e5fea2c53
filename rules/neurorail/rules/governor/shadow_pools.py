"""Pools of shadows: each shadow's own books, beside those of the manifest in force.

They begin empty when a manifest becomes a shadow. What is granted is held in them until it is
settled, what is used is charged to them, and what the shadow would have refused is neither: they
stand as if the shadow were in force and everybody did otherwise the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from neurorail.rules.governor import accounts, pools
from neurorail.rules.governor.accounts import Account
from neurorail.rules.governor.amounts import PLACE, RETRIES, Amounts, add, none
from neurorail.rules.governor.pools import POOLS, PoolWindow
from neurorail.rules.governor.reservation_row import Reservation
from neurorail.rules.kept import Kind, Row
from neurorail.rules.manifest.facts import Facts
from neurorail.rules.manifest.limits import ENFORCE
from neurorail.rules.manifest.model import Manifest
from neurorail.rules.manifest.records import Entry
from neurorail.rules.state import State

SHADOW_POOLS_MAX: Final = 20_000
"""Windows that all shadows of a tenant have together; a further one limits nothing, and is counted
as `shadow_pool_refused`."""
GRANTS_MAX: Final = 50_000
"""Reservations that shadows of a tenant know of; for a further one the oldest is let go."""


@dataclass(slots=True)
class Grant:
    """What a shadow makes of a reservation that the manifest in force granted."""

    refused: bool
    names: list[str] = field(default_factory=list)
    """Of the books it is held in, and its usage is charged to."""
    held: Amounts = field(default_factory=none)


def _fire(state: State, name: str, books: Account, at: int) -> None:
    if pools.is_forgotten(books, at):
        state.kept.remove(SHADOW_POOLS, state.tenant, name)
    else:
        state.kept.schedule(SHADOW_POOLS, state.tenant, name, pools.look_again(state, books))


SHADOW_POOLS: Final = Kind(
    "shadow_pool", SHADOW_POOLS_MAX, accounts.to_row, accounts.from_row, fire=_fire
)
"""By the shadow's version and the window's name."""


def _to_row(grant: Grant) -> Row:
    return [grant.refused, grant.names, grant.held]


def _from_row(row: Row) -> Grant:
    return Grant(row[0], list(row[1]), list(row[2]))


GRANTS: Final = Kind("shadow_grant", GRANTS_MAX, _to_row, _from_row)
"""By the shadow's version and the reservation's id."""


# ── asking ───────────────────────────────────────────────────────────────────────────────────


def passed_in_force(state: State, facts: Facts, asked: Mapping[str, int]) -> list[str]:
    """The rules of the manifest in force whose pools would be passed."""
    return _passed(state, state.manifest, POOLS, "", facts, asked)


def passed_by(state: State, entry: Entry, facts: Facts, asked: Mapping[str, int]) -> list[str]:
    """The rules of a shadow whose pools would be passed.

    Args:
        state: the engine's state.
        entry: the shadow.
        facts: what is asked about.
        asked: amounts by kind of limit; none for what runs without asking: then what is used and
            held alone is looked at.
    """
    return _passed(state, entry.manifest, SHADOW_POOLS, f"{entry.version}|", facts, asked)


def _passed(
    state: State,
    manifest: Manifest,
    kind: Kind[Account],
    prefix: str,
    facts: Facts,
    asked: Mapping[str, int],
) -> list[str]:
    found: dict[str, None] = {}
    for window in pools.matching(manifest, facts, state.now):
        books = state.kept.get(kind, state.tenant, prefix + window.name) or Account()
        books.roll(state.now)
        for limit in window.limits:
            place = PLACE[limit.kind]
            wanted = asked.get(limit.kind, 0)
            used = books.consumed[place] + books.held(place)
            is_asked = wanted > 0 or not asked
            if limit.severity == ENFORCE and is_asked and used + wanted > limit.amount:
                found[limit.rule_id] = None
    return list(found)


# ── what is granted, and what becomes of it ──────────────────────────────────────────────────


def granted(state: State, entry: Entry, facts: Facts, one: Reservation, *, refused: bool) -> None:
    """The manifest in force granted a request; the shadow would have too, or refused it."""
    if not entry.manifest.pools:
        return
    grant = Grant(refused)
    if not refused:
        held = [max(own - drawn, 0) for own, drawn in zip(one.reserved, one.drawn, strict=True)]
        held[RETRIES] = 0  # It counts as used once the attempt begins.
        grant.held = held
        for window in pools.matching(entry.manifest, facts, state.now):
            books = _open(state, entry, window)
            if books is not None:
                add(books.reserved, held)
                books.live[one.id] = None
                name = _name(entry, window)
                state.kept.changed(SHADOW_POOLS, state.tenant, name)
                grant.names.append(name)
    if state.kept.number(GRANTS, state.tenant) >= GRANTS_MAX:
        state.count("shadow_grants_dropped")
        oldest, other = next(state.kept.of(GRANTS, state.tenant))
        _free(state, other, oldest.partition("|")[2])
        state.kept.remove(GRANTS, state.tenant, oldest)
    state.kept.put(GRANTS, state.tenant, f"{entry.version}|{one.id}", grant)


def closed(state: State, one: Reservation) -> None:
    """A reservation holds nothing any more."""
    for entry in state.shadows:
        name = f"{entry.version}|{one.id}"
        grant = state.kept.get(GRANTS, state.tenant, name)
        if grant is not None:
            _free(state, grant, one.id)
            state.kept.changed(GRANTS, state.tenant, name)


def _free(state: State, grant: Grant, reservation_id: str) -> None:
    for name in grant.names:
        books = state.kept.get(SHADOW_POOLS, state.tenant, name)
        if books is not None and reservation_id in books.live:
            add(books.reserved, grant.held, -1)
            del books.live[reservation_id]
            state.kept.changed(SHADOW_POOLS, state.tenant, name)
    grant.held = none()


def corrected(state: State, one: Reservation, correction: Amounts, at: int) -> None:
    """What was charged for a reservation was not what it used: here is the difference."""
    for entry in state.shadows:
        grant = state.kept.get(GRANTS, state.tenant, f"{entry.version}|{one.id}")
        if grant is not None:
            _consume(state, grant.names, correction, at)


# ── what is used ─────────────────────────────────────────────────────────────────────────────


def count_usage(state: State) -> bool:
    """Whether any shadow has pools."""
    shadows = state.shadows
    return bool(shadows) and any(entry.manifest.pools for entry in shadows)


def charged(
    state: State, facts: Facts, amounts: Amounts, at: int, one: Reservation | None = None
) -> None:
    """A call or an attempt used something, or it was taken back where the amounts are negative.

    Args:
        state: the engine's state.
        facts: of what used it.
        amounts: what it used.
        at: when, in nanoseconds.
        one: the reservation it had.
    """
    for entry in state.shadows:
        grant = None
        if one is not None:
            grant = state.kept.get(GRANTS, state.tenant, f"{entry.version}|{one.id}")
        names = [] if grant is None else grant.names
        if grant is None or not grant.refused:
            known = {_pool_of(name) for name in names}
            further = [
                _name(entry, window)
                for window in pools.matching(entry.manifest, facts, at)
                if _pool_of(_name(entry, window)) not in known
                and _open(state, entry, window) is not None
            ]
            _consume(state, [*names, *further], amounts, at)


def _pool_of(name: str) -> tuple[str, str]:
    """Rule and key of a window, whichever period it is."""
    _, window, key = name.split("|", 2)
    return window.rpartition("~" if "~" in window else "@")[0], key


def _consume(state: State, names: Iterable[str], amounts: Amounts, at: int) -> None:
    for name in names:
        books = state.kept.get(SHADOW_POOLS, state.tenant, name)
        if books is None or not books.takes(at, state.now):
            state.count("shadow_pool_usage_outside")
            continue
        books.consume(amounts, at)
        state.kept.changed(SHADOW_POOLS, state.tenant, name)


def _name(entry: Entry, window: PoolWindow) -> str:
    return f"{entry.version}|{window.name}"


def _open(state: State, entry: Entry, window: PoolWindow) -> Account | None:
    """The shadow's books of a window, begun if need be; None when there are too many."""
    name = _name(entry, window)
    found = state.kept.get(SHADOW_POOLS, state.tenant, name)
    if found is not None:
        return found
    begun = window.new_account()
    if not state.kept.put(SHADOW_POOLS, state.tenant, name, begun):
        return None
    state.kept.schedule(SHADOW_POOLS, state.tenant, name, pools.look_again(state, begun))
    return begun


def forget(state: State, version: str) -> None:
    """A manifest is no shadow any more."""
    kinds: tuple[Kind[Any], ...] = (SHADOW_POOLS, GRANTS)
    for kind in kinds:
        for name in [name for name, _ in state.kept.of(kind, state.tenant)]:
            if name.partition("|")[0] == version:
                state.kept.remove(kind, state.tenant, name)
