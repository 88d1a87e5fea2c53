"""Limits that consumption approaches or passes: said once, and again after it fell below."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from neurorail.rules import events
from neurorail.rules.amount_text import amount_text
from neurorail.rules.errors import category
from neurorail.rules.governor.accounts import Account
from neurorail.rules.governor.codes import budget_code
from neurorail.rules.manifest.limits import ENFORCE, OBSERVE, WARN, Limit
from neurorail.rules.observations import Ids
from neurorail.rules.state import State

WARNING: Final = "warning"
VIOLATION: Final = "violation"
_SEVERITY: Final = {OBSERVE: events.INFO, WARN: events.WARNING, ENFORCE: events.ERROR}


def crossed(books: Account, limit: Limit, consumed: int) -> str | None:
    """What there is to say about a limit now, if it was not said before."""
    if consumed < limit.near and not books.warned and not books.violated:
        return None
    mark = f"{limit.rule_id} {limit.kind}"
    if consumed > limit.amount:
        if mark in books.violated:
            return None
        books.violated[mark] = None
        return VIOLATION
    books.violated.pop(mark, None)
    reached = [share for share in limit.warn_percent if consumed * 100 >= limit.amount * share]
    level = max(reached, default=0) if limit.amount else 0
    before = books.warned.pop(mark, 0)
    if level:
        books.warned[mark] = level
    return WARNING if level > before and limit.severity != OBSERVE else None


def _data(label: Mapping[str, str], limit: Limit, consumed: int, held: int) -> dict[str, Any]:
    return {
        "violation_type": limit.kind,
        "limit": limit.amount,
        "consumed": consumed,
        "reserved": held,
        "scope": dict(label),
        "rule_id": limit.rule_id,
        "severity": limit.severity,
    }


def tell_warning(
    state: State, label: Mapping[str, str], ids: Ids, limit: Limit, consumed: int, held: int
) -> None:
    """Say that a limit is approached."""
    percent = consumed * 100 // limit.amount
    state.emit(
        "budget_warning",
        ids,
        state.now,
        {**_data(label, limit, consumed, held), "percent": percent},
        f"{_name(label)} used {percent} % of its {limit.kind} budget",
        events.WARNING,
    )


def tell_violation(
    state: State, label: Mapping[str, str], ids: Ids, limit: Limit, consumed: int, held: int
) -> None:
    """Say that a limit was passed."""
    code = "NR-E002" if "pool" in label else budget_code(limit.kind)
    state.count("violations")
    state.emit(
        "budget_violation",
        ids,
        state.now,
        {
            **_data(label, limit, consumed, held),
            "code": code,
            "category": category(code),
            "overshoot": consumed - limit.amount,
            "evidence": {},
        },
        f"{_name(label)} broke its {limit.kind} budget: {amount_text(limit.kind, consumed)} of"
        f" {amount_text(limit.kind, limit.amount)}",
        _SEVERITY[limit.severity],
    )


def _name(label: Mapping[str, str]) -> str:
    return f"pool {label['pool']}" if "pool" in label else label["entity_type"]
