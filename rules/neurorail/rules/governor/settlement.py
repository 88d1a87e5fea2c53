"""Settlement: what was really used is charged once, whoever reports it.

A span's usage is charged where the span belongs, like any other, and to the pools that it touches.
What REST reports for a reservation is charged to the reservation's chain and pools. Where both
report, the larger counts: when the second comes, the difference is corrected there.
"""

from __future__ import annotations

from typing import Any

from neurorail.rules import placement
from neurorail.rules.charging import charge
from neurorail.rules.governor import (
    entity_limits,
    pools,
    reservations,
    shadow_pools,
    unasked,
)
from neurorail.rules.governor.amounts import PLACE, Amounts, add, given, none, of_totals, to_totals
from neurorail.rules.governor.reservation_row import CLOSED, Reservation, used
from neurorail.rules.manifest.facts import (
    Facts,
    FactValue,
    call_facts,
    facts_apart,
    request_facts,
)
from neurorail.rules.observations import (
    NO_IDS,
    RESOURCE,
    Ids,
    ReservationReported,
    SpanObserved,
    Usage,
)
from neurorail.rules.priced import cost_usd_pico
from neurorail.rules.reflex import circuits, observe
from neurorail.rules.state import State
from neurorail.rules.trace import Bill

RECONCILE = "reconcile"
"""The other operation releases."""


def usage_charged(
    state: State, seen: SpanObserved, ids: Ids, totals: list[int]
) -> list[Any] | None:
    """A call was charged to its chain: charge its pools, and settle its reservation.

    Returns:
        What to remember with its bill: reservation id, time, pools charged (rule id and name), and
        the call's own facts.
    """
    one = reservations.find(state, seen.reservation_id) if seen.reservation_id else None
    if one is not None and not _belongs(one, ids):
        state.count("reservations_misused")
        one = None
    policy = state.manifest
    entity_limits.usage_charged(state, ids)
    if seen.reservation_id is None and seen.trace_id:
        unasked.call_charged(state, seen, ids, totals)
    in_shadows = shadow_pools.count_usage(state)
    if one is None and not policy.pools and not in_shadows:
        return None
    at = min(seen.end_unix_nano, state.now)
    charged = [list(pool) for pool in one.pools] if one is not None else []
    facts: Facts = {}
    own: dict[str, FactValue] = {}
    if policy.pools or in_shadows:
        facts = of_call = call_facts(state, seen, ids, totals)
        own = facts_apart(of_call)
        charged += _further_pools(state, facts, at, charged)
    amounts = of_totals(totals)
    if in_shadows:
        shadow_pools.charged(state, facts, amounts, at, one)
    if charged:
        _consume(state, charged, ids, amounts, at)
        _tell_reflexes(state, charged, facts, ids, amounts)
    if one is not None:
        add(one.seen, amounts)
        correction = _correct(state, one, amounts, at)
        _settled(state, one, "settled", seen.end_unix_nano, correction)
    return [one.id if one is not None else None, at, charged, own]


def _belongs(one: Reservation, ids: Ids) -> bool:
    """Whether a chain is not another one than the reservation was granted for."""
    return all(
        mine is None or its is None or mine == its for mine, its in zip(one.ids, ids, strict=True)
    )


def _further_pools(state: State, facts: Facts, at: int, known: list[list[str]]) -> list[list[str]]:
    """The pools that a call belongs to, besides those in which it had a reservation."""
    keys = {(rule_id, name.partition("|")[2]) for rule_id, name in known}
    return [
        pool.named
        for pool in pools.matching(state.manifest, facts, at)
        if (pool.rule.id, pool.key) not in keys and pools.open_account(state, pool) is not None
    ]


def _consume(state: State, charged: list[list[str]], ids: Ids, amounts: Amounts, at: int) -> None:
    policy = state.manifest
    for rule_id, name in charged:
        pools.consume(state, name, ids, amounts, at, policy.pool_limits(rule_id))


def _tell_reflexes(
    state: State, charged: list[list[str]], facts: Facts, ids: Ids, amounts: Amounts
) -> None:
    """Let reflexes see how fast pools are used up."""
    watched = observe.watched_pools(state)
    if not watched:
        return
    policy = state.manifest
    for rule_id, name in charged:
        books = state.kept.get(pools.POOLS, state.tenant, name)
        if books is None or rule_id not in watched:
            continue
        for limit in policy.pool_limits(rule_id):
            place = PLACE[limit.kind]
            observe.pool_used(
                state,
                rule_id,
                limit.kind,
                facts,
                ids,
                consumed=amounts[place],
                used=books.consumed[place],
                limit=limit.amount,
                renews_unix_nano=books.ends or state.now + books.window_ns,
            )


def _correct(state: State, one: Reservation, just_charged: Amounts, at: int) -> Amounts:
    """Let what is charged for a reservation be what was used, no more and no less."""
    wanted = used(one)
    correction = [
        now - before - just
        for now, before, just in zip(wanted, one.charged, just_charged, strict=True)
    ]
    one.charged = wanted
    if any(correction):
        # Whoever is named exists, even if nobody else spoke of it so far.
        placement.imply_ancestors(state, one.ids, RESOURCE + 1, at, running=False, fields=None)
        charge(state, one.ids, to_totals(correction), at)
        entity_limits.usage_charged(state, one.ids)
        _consume(state, one.pools, one.ids, correction, at)
        shadow_pools.corrected(state, one, correction, at)
    return correction


def _settled(state: State, one: Reservation, how: str, time: int, correction: Amounts) -> None:
    if one.state != CLOSED:
        reservations.close(state, one, how, time, correction)
        return
    state.kept.changed(reservations.REMEMBERED, state.tenant, one.id)
    reservations.tell(state, one, how, time, correction)


# ── bills that change ────────────────────────────────────────────────────────────────────────


def usage_taken_back(state: State, bill: Bill) -> None:
    """A charge was taken back, since another span reports the same call."""
    if bill.governed is None:
        return
    reservation_id, at, charged, own = bill.governed
    bill.governed = None
    amounts = [-amount for amount in of_totals(bill.amounts)]
    _consume(state, charged, bill.ids, amounts, at)
    one = reservations.find(state, reservation_id) if reservation_id else None
    if shadow_pools.count_usage(state):
        facts = {**request_facts(state, bill.ids, None, {}, {}), **own}
        shadow_pools.charged(state, facts, amounts, at, one)
    if one is not None:
        add(one.seen, amounts)
        correction = _correct(state, one, amounts, at)
        _settled(state, one, "settled", state.now, correction)


def usage_moved(state: State, bill: Bill) -> None:
    """A charge moved to another chain: pools that go by the chain change with it."""
    if bill.governed is None or not bill.governed[3]:
        return
    reservation_id, at, charged, own = bill.governed
    one = reservations.find(state, reservation_id) if reservation_id else None
    stays = [list(pool) for pool in one.pools] if one is not None else []
    facts = {**request_facts(state, bill.ids, None, {}, {}), **own}
    goes_to = stays + _further_pools(state, facts, at, stays)
    amounts = of_totals(bill.amounts)
    left = [pool for pool in charged if pool not in goes_to]
    _consume(state, left, bill.ids, [-amount for amount in amounts], at)
    _consume(state, [pool for pool in goes_to if pool not in charged], bill.ids, amounts, at)
    bill.governed = [reservation_id, at, goes_to, own]


# ── reports through REST ─────────────────────────────────────────────────────────────────────


def reported(state: State, seen: ReservationReported) -> None:
    """Somebody reconciles or releases a reservation."""
    one = reservations.find(state, seen.reservation_id)
    if one is None or seen.owner not in (None, one.principal):
        state.emit(
            "reservation_unknown",
            NO_IDS,
            state.now,
            {"reservation_id": seen.reservation_id, "operation": seen.operation},
            "a reservation was reported on that is not known",
        )
        return
    if seen.operation == RECONCILE:
        _raise_reported(one, _priced(state, seen))
    correction = _correct(state, one, none(), state.now)
    how = "reconciled" if seen.operation == RECONCILE else "released"
    circuits.released(state, one.id)
    _settled(state, one, how, state.now, correction)


def _priced(state: State, seen: ReservationReported) -> dict[str, int]:
    """The usage that was reported, with what its tokens cost where only they are stated."""
    usage = dict(seen.usage)
    if seen.model is None or "cost_usd_pico" in usage:
        return usage
    tokens = Usage(
        "inference",
        seen.provider,
        seen.model,
        input_tokens=usage.get("input_tokens", 0),
        output_tokens=usage.get("output_tokens", 0),
        has_tokens=True,
    )
    cost = cost_usd_pico(state, tokens, state.now)
    return usage if cost is None else {**usage, "cost_usd_pico": cost}


def _raise_reported(one: Reservation, usage: dict[str, int]) -> None:
    """Take over what REST says was used, where it is more than it said before."""
    said = given(usage)
    one.reported = [max(a, b) for a, b in zip(one.reported, said, strict=True)]
