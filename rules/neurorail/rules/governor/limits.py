"""Checking a request's amounts against what every budget and pool has left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from neurorail.rules.amount_text import amount_text
from neurorail.rules.config import MS
from neurorail.rules.governor.amounts import NAMES, USED, WALL_TIME, Amounts
from neurorail.rules.governor.codes import budget_code
from neurorail.rules.governor.reasons import SOON_MS, Reason
from neurorail.rules.governor.scopes import Scope, places
from neurorail.rules.manifest.limits import ENFORCE, KINDS, OBSERVE, Limit

_WORDS: Final = {"pool": "pool {pool}", "entity": "{entity_type} {entity_id}"}


def fill_estimates(asked: Amounts, known: frozenset[int], scopes: list[Scope]) -> list[int]:
    """Reserve all that is left of what is limited and not estimated, in place.

    Only limits that refuse count. Nothing left still asks for 1: never nothing.

    Returns:
        The places that were filled.
    """
    filled = []
    for place in (*USED, WALL_TIME):
        if place in known:
            continue
        left = [
            scope.left(place, limit.amount)
            for scope in scopes
            for at, limit in places(scope)
            if at == place and limit.severity == ENFORCE and place in scope.holds
        ]
        if left:
            asked[place] = max(min(left), 1)
            filled.append(place)
    return filled


def shortfalls(
    scopes: list[Scope], asked: Amounts, now: int, assumed: Sequence[int] = ()
) -> list[Reason]:
    """Every limit that the amounts would pass, of those that are more than observed.

    Args:
        scopes: what the request touches.
        asked: the amounts.
        now: the time.
        assumed: places whose amount is the manifest's estimate.
    """
    found = []
    for scope in scopes:
        for place, limit in places(scope):
            if limit.severity != OBSERVE and _passes(scope, place, limit, asked):
                said = (
                    "estimated by the manifest, as none is stated" if place in assumed else "asked"
                )
                found.append(_reason(scope, place, limit, asked[place], now, said))
    return found


def _passes(scope: Scope, place: int, limit: Limit, asked: Amounts) -> bool:
    """A kind that is not asked for cannot pass its limit, except time: it passes by itself."""
    wanted = asked[place]
    if place == WALL_TIME and place not in scope.holds:
        return scope.consumed[place] + max(wanted, 1) > limit.amount
    return wanted > 0 and wanted > scope.left(place, limit.amount)


def _reason(scope: Scope, place: int, limit: Limit, wanted: int, now: int, said: str) -> Reason:
    code = "NR-E002" if limit.kind == "wall_time" and scope.pool else budget_code(limit.kind)
    left = max(scope.left(place, limit.amount), 0)
    wait = _wait_ms(scope, place, limit, wanted, now)
    name = _WORDS["pool" if scope.pool else "entity"].format(**scope.label)
    later = "" if wait is None else f", try again in {wait} ms"
    kind = KINDS[place]
    what = "" if kind == "cost" else f" {kind}"
    has, of, more = (amount_text(kind, amount) for amount in (left, limit.amount, wanted))
    message = f"{name} has {has} of {of}{what} left, {more} {said}{later}"
    return Reason(
        limit.rule_id,
        code,
        limit.severity,
        message,
        wait,
        line(scope, place, limit) | {"asked": wanted},
    )


def _wait_ms(scope: Scope, place: int, limit: Limit, wanted: int, now: int) -> int | None:
    """When trying again can help: once what others hold is freed, or the window has moved on."""
    if wanted > limit.amount:
        return None
    if scope.consumed[place] + wanted <= limit.amount:
        return SOON_MS
    if scope.pool is None or scope.account is None:
        return None
    at = _renewed_at(scope, place, limit.amount - wanted)
    return max(-(-(at - now) // MS), 1)


def _renewed_at(scope: Scope, place: int, bearable: int) -> int:
    """When so much of what is consumed has left the window that the rest is bearable."""
    assert scope.account is not None, "what is consumed has an account"
    account = scope.account
    if account.ends:
        return account.ends
    rest = account.consumed[place]
    for begins, amounts in account.slices:
        rest -= amounts[place]
        if rest <= bearable:
            return account.leaves_at(begins)
    raise AssertionError("an empty window bears whatever does not pass the limit itself")


# ── what is left ─────────────────────────────────────────────────────────────────────────────


def line(scope: Scope, place: int, limit: Limit) -> dict[str, Any]:
    """One limit of one scope: how much of it is consumed and held, and when it renews."""
    return {
        "scope": scope.label,
        "kind": limit.kind,
        "limit": limit.amount,
        "consumed": scope.consumed[place],
        "held": scope.held[place],
        "left": max(limit.amount - scope.consumed[place] - scope.held[place], 0),
        "renews_at_unix_nano": scope.renews_at or None,
    }


def remaining(scopes: list[Scope]) -> dict[str, int]:
    """What is left of each kind that any refusing limit limits: the least of all of them."""
    left: dict[str, int] = {}
    for scope in scopes:
        for place, limit in places(scope):
            if limit.severity == ENFORCE:
                amount = max(limit.amount - scope.consumed[place] - scope.held[place], 0)
                name = NAMES[place]
                left[name] = min(left.get(name, amount), amount)
    return left
