"""Reservations: amounts set aside for what was granted, until usage settles them.

live ──lease or entity ends──► unsettled ──settle time over──► closed
  └───────usage, reconcile, release: at once─────┴──────────────►┘

Everything held is in the accounts of the entities and pools that the request touched. A child draws
from its parent's reservation where that is held in the same accounts, and gives back what it did
not use.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from neurorail.rules.config import MS
from neurorail.rules.entity import Entity
from neurorail.rules.governor import pools, shadow_pools
from neurorail.rules.governor.accounts import ENTITY_ACCOUNTS, LIVE_MAX, Account
from neurorail.rules.governor.amounts import PARALLEL, RETRIES, Amounts, add, named, none
from neurorail.rules.governor.reservation_row import (
    CLOSED,
    LIVE,
    UNSETTLED,
    Reservation,
    from_row,
    to_row,
    used,
)
from neurorail.rules.governor.scopes import HELD_BY_ENTITY, HELD_BY_POOL, Scope, held_in
from neurorail.rules.kept import Kind
from neurorail.rules.state import State

REMEMBERED_MAX: Final = 50_000
"""Closed reservations of a tenant that are remembered, so that what reports usage later is not
charged a second time."""


_NOTHING: Final = none()
"""What a closed reservation holds; never changed, so that all of them share it."""


def find(state: State, reservation_id: str) -> Reservation | None:
    """The tenant's reservation with this id, open or closed."""
    found = state.kept.get(OPEN, state.tenant, reservation_id)
    return found or state.kept.get(REMEMBERED, state.tenant, reservation_id)


# ── setting aside ────────────────────────────────────────────────────────────────────────────


def draw_from(state: State, parent_id: str | None, scopes: list[Scope]) -> Reservation | None:
    """The live parent reservation a request may draw from, its amounts noted in the scopes.

    None unless everything the parent is held in is touched by the request too.
    """
    parent = state.kept.get(OPEN, state.tenant, parent_id) if parent_id else None
    if parent is None or parent.state != LIVE:
        return None
    entity_ids = {entity_id for entity_id in parent.ids if entity_id is not None}
    names = {name for _, name in parent.pools}
    shared = [
        scope
        for scope in scopes
        if scope.entity_id in entity_ids or (scope.pool is not None and scope.pool.name in names)
    ]
    if len(shared) != len(entity_ids) + len(names):
        return None
    for scope in shared:
        scope.drawable = [
            left if place in scope.holds else 0 for place, left in enumerate(parent.left)
        ]
    return parent


def reserve(
    state: State, one: Reservation, scopes: list[Scope], parent: Reservation | None
) -> bool:
    """Set the reservation's amounts aside in every scope; not if there are too many of them."""
    accounts = [(scope, _open_account(state, scope)) for scope in scopes]
    if any(account is None for _, account in accounts):
        return False
    if not state.kept.put(OPEN, state.tenant, one.id, one):
        return False
    one.left = list(one.reserved)
    if parent is not None:
        one.parent_id = parent.id
        one.drawn = [min(a, b) for a, b in zip(one.reserved, parent.left, strict=True)]
        add(parent.left, one.drawn, -1)
        state.kept.changed(OPEN, state.tenant, parent.id)
    for scope, account in accounts:
        assert account is not None
        drawn = one.drawn if any(scope.drawable) else none()
        for place in sorted(scope.holds):
            account.reserved[place] += one.reserved[place] - min(drawn[place], one.reserved[place])
        account.live[one.id] = None
        _account_changed(state, scope, account)
        scope.account, scope.held = account, held_in(account)
        if scope.pool is not None:
            one.pools.append([scope.pool.rule.id, scope.pool.name])
    state.kept.schedule(OPEN, state.tenant, one.id, _lease_ends(state, one))
    return True


def _open_account(state: State, scope: Scope) -> Account | None:
    if scope.account is not None:
        return scope.account
    if scope.pool is not None:
        return pools.open_account(state, scope.pool)
    return Account()


def _account_changed(state: State, scope: Scope, account: Account) -> None:
    if scope.pool is not None:
        state.kept.changed(pools.POOLS, state.tenant, scope.pool.name)
    elif scope.account is None:
        assert scope.entity_id is not None
        state.kept.put(ENTITY_ACCOUNTS, state.tenant, scope.entity_id, account)
    else:
        assert scope.entity_id is not None
        state.kept.changed(ENTITY_ACCOUNTS, state.tenant, scope.entity_id)


def _accounts(state: State, one: Reservation) -> Iterator[tuple[bool, str, Account]]:
    """The accounts a reservation is held in: whether it is a pool's, its name, the account."""
    kept, tenant = state.kept, state.tenant
    for entity_id in one.ids:
        account = kept.get(ENTITY_ACCOUNTS, tenant, entity_id) if entity_id is not None else None
        if account is not None and entity_id is not None:
            kept.changed(ENTITY_ACCOUNTS, tenant, entity_id)
            yield False, entity_id, account
    for _, name in one.pools:
        account = kept.get(pools.POOLS, tenant, name)
        assert account is not None, "a pool with open reservations is kept"
        kept.changed(pools.POOLS, tenant, name)
        yield True, name, account


# ── freeing ──────────────────────────────────────────────────────────────────────────────────


def close(
    state: State, one: Reservation, how: str, time: int, correction: Amounts | None = None
) -> None:
    """Free what an open reservation holds, at once; it is remembered for usage that comes late.

    `how`: settled, reconciled, released, expired (nothing was heard of its usage).
    """
    was_live = one.state == LIVE
    back = _give_back(state, one)
    parent = _parent(state, one) if any(back) else None
    shared = _holders(parent) if parent is not None else frozenset()
    for is_pool, name, account in list(_accounts(state, one)):
        held = account.reserved if was_live else account.unsettled
        holds = HELD_BY_POOL if is_pool else HELD_BY_ENTITY
        for place in sorted(holds):
            held[place] -= one.left[place] - (back[place] if name in shared else 0)
        if is_pool:
            account.reserved[PARALLEL] -= one.running
        del account.live[one.id]
        if not is_pool and account.idle:
            state.kept.remove(ENTITY_ACCOUNTS, state.tenant, name)
    state.kept.remove(OPEN, state.tenant, one.id)
    if state.shadows:
        shadow_pools.closed(state, one)
    one.state = CLOSED
    one.left = one.drawn = _NOTHING
    one.running = 0
    state.kept.put(REMEMBERED, state.tenant, one.id, one)
    tell(state, one, how, time, correction or none())


def _give_back(state: State, one: Reservation) -> Amounts:
    """What a child drew and did not use goes back to a parent that is still live."""
    parent = _parent(state, one)
    if parent is None or parent.state != LIVE or one.state != LIVE:
        return none()
    spent = used(one)
    back = [
        max(min(drawn - spent[place], left), 0)
        for place, (drawn, left) in enumerate(zip(one.drawn, one.left, strict=True))
    ]
    add(parent.left, back)
    state.kept.changed(OPEN, state.tenant, parent.id)
    return back


def _parent(state: State, one: Reservation) -> Reservation | None:
    return state.kept.get(OPEN, state.tenant, one.parent_id) if one.parent_id else None


def _holders(one: Reservation) -> frozenset[str]:
    return frozenset(
        [entity_id for entity_id in one.ids if entity_id is not None]
        + [name for _, name in one.pools]
    )


def unsettle(state: State, one: Reservation, reason: str, time: int) -> None:
    """The lease or an entity of a live reservation ended: it counts on, until its usage comes."""
    one.state = UNSETTLED
    one.unsettled_at = state.now
    for is_pool, _, account in _accounts(state, one):
        for place in sorted(HELD_BY_POOL if is_pool else HELD_BY_ENTITY):
            account.reserved[place] -= one.left[place]
            account.unsettled[place] += one.left[place]
        if is_pool:
            account.reserved[PARALLEL] -= one.running
    one.running = 0
    state.kept.changed(OPEN, state.tenant, one.id)
    state.kept.schedule(OPEN, state.tenant, one.id, _settle_ends(state, one))
    state.emit(
        "reservation_unsettled",
        one.ids,
        time,
        {
            "reservation_id": one.id,
            "reason": reason,
            "unsettled": named(one.left),
            "settle_ms": one.settle_ms,
        },
        f"a reservation waits for its usage: {reason}",
    )


def tell(state: State, one: Reservation, how: str, time: int, correction: Amounts) -> None:
    """Say what became of a reservation."""
    spent = used(one)
    over = [max(amount - one.reserved[place], 0) for place, amount in enumerate(spent)]
    state.emit(
        "reservation_settled",
        one.ids,
        time,
        {
            "reservation_id": one.id,
            "how": how,
            "reserved": named(one.reserved),
            "used": named(spent),
            "overshoot": named(over),
            "corrected": named(correction),
        },
        f"a reservation was {how}",
    )


# ── what happens around them ─────────────────────────────────────────────────────────────────


def entity_ended(state: State, entity: Entity, account: Account) -> None:
    """What is held for an entity that ended waits for the usage that is still on its way."""
    for reservation_id in list(account.live):
        one = state.kept.get(OPEN, state.tenant, reservation_id)
        assert one is not None, "an account names open reservations"
        if one.state == LIVE:
            unsettle(state, one, f"its {entity.type} ended", state.now)


def attempt_started(state: State, attempt: Entity) -> None:
    """An attempt that was granted runs: it counts as running now, no longer as reserved.

    Pools know nothing of what runs: there its place is held until it ends.
    """
    account = state.kept.get(ENTITY_ACCOUNTS, state.tenant, attempt.id)
    if account is None:
        return
    for reservation_id in account.live:
        one = state.kept.get(OPEN, state.tenant, reservation_id)
        assert one is not None, "an account names open reservations"
        freed = none()
        freed[RETRIES], freed[PARALLEL] = one.left[RETRIES], one.left[PARALLEL]
        if not any(freed):
            continue
        add(one.left, freed, -1)
        is_live = one.state == LIVE
        one.running = freed[PARALLEL] if is_live else 0
        state.kept.changed(OPEN, state.tenant, one.id)
        for is_pool, _, holder in _accounts(state, one):
            add(holder.reserved if is_live else holder.unsettled, freed, -1)
            if is_pool:
                holder.reserved[PARALLEL] += one.running


# ── time ─────────────────────────────────────────────────────────────────────────────────────


def _lease_ends(state: State, one: Reservation) -> int:
    """A lease runs from the grant, or from the last heartbeat of an entity it was granted for."""
    base = one.granted_at
    for entity_id in one.ids:
        entity = state.entity(entity_id) if entity_id is not None else None
        if entity is not None:
            base = max(base, entity.heartbeat_received)
    return base + one.lease_ms * MS + state.shift_since(base)


def _settle_ends(state: State, one: Reservation) -> int:
    return one.unsettled_at + one.settle_ms * MS + state.shift_since(one.unsettled_at)


def ttl_ms(state: State, one: Reservation) -> int:
    """How long the lease of a live reservation still runs."""
    return max(_lease_ends(state, one) - state.now, 0) // MS


def _fire(state: State, name: str, one: Reservation, at: int) -> None:
    due = _lease_ends(state, one) if one.state == LIVE else _settle_ends(state, one)
    if due > at:
        state.kept.schedule(OPEN, state.tenant, name, due)
    elif one.state == LIVE:
        unsettle(state, one, "its lease ended", due)
    else:
        close(state, one, "expired", due)


OPEN: Final = Kind("reservation", LIVE_MAX, to_row, from_row, fire=_fire)
REMEMBERED: Final = Kind("remembered", REMEMBERED_MAX, to_row, from_row, evicts=True)
