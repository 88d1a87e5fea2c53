"""What the active manifest would have said of a call, had it been asked: nothing is set aside.

For backtests, which ask about calls that nobody asked for when they happened. The amounts are what
a call really used, as if it had been estimated perfectly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from neurorail.rules import directives
from neurorail.rules.governor.amounts import Amounts
from neurorail.rules.governor.limits import shortfalls
from neurorail.rules.governor.reasons import Reason, ordered
from neurorail.rules.governor.scopes import limited_scopes
from neurorail.rules.manifest.facts import Facts
from neurorail.rules.manifest.limits import ENFORCE
from neurorail.rules.manifest.model import CONFIRM, RAIL, REFUSE, Manifest
from neurorail.rules.observations import Ids

if TYPE_CHECKING:
    from neurorail.rules.state import State

AFTERWARDS: Final = frozenset(
    {"outcome", "failed", "error_code", "error_category", "first_signal_ms"}
)
"""Facts that nobody knows before a call."""

_CODES: Final = {CONFIRM: "NR-E009", REFUSE: "NR-E200"}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What would have been said."""

    mode: str
    refusals: tuple[Reason, ...]
    """Why the call would not have happened, the strictest first; empty if it would have."""


def may_refuse(state: State) -> bool:
    """Whether `judge` could refuse any call at all now."""
    policy = state.manifest
    on_rail = policy.default_mode == RAIL or bool(policy.mode_rules)
    return on_rail or directives.hold(state)


def judge(state: State, facts: Facts, ids: Ids, asked: Amounts) -> Judgement:
    """Judge a call by the active manifest and the directives in force.

    On the rail all count, and budgets are looked at themselves. Directly, an agent does not ask,
    but it is told of directives, also of those that say that a budget is used up.
    """
    policy = state.manifest
    mode = policy.mode_of(facts)
    on_rail = mode == RAIL
    told: list[Reason] = []
    if directives.hold(state):
        told = [
            Reason(one.rule or one.directive_id, one.code, ENFORCE, one.reason, one.retry_after_ms)
            for one in directives.blocking(state, facts, reserved=on_rail)
        ]
    if not on_rail:
        return Judgement(mode, tuple(told))
    short = shortfalls(limited_scopes(state, policy, ids, facts), asked, state.now)
    reasons = ordered([*told, *_against(policy, facts), *short])
    return Judgement(mode, tuple(one for one in reasons if one.refuses))


def _against(policy: Manifest, facts: Facts) -> list[Reason]:
    """What mode rules have against a call."""
    return [
        Reason(
            rule.id,
            rule.code or _CODES[rule.effect],
            ENFORCE,
            rule.reason or f"rule {rule.id} says {rule.effect}",
        )
        for rule in policy.modes_of.matching(facts)
        if rule.severity == ENFORCE and rule.effect in _CODES
    ]
