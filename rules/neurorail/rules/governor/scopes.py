"""Scopes: the budgets and pools that a request touches, with what they have left.

Every entity of the chain is one, and every pool whose rule matches.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from neurorail.rules.entity import LEVEL_NAMES
from neurorail.rules.governor import by_hand, pools
from neurorail.rules.governor.accounts import ENTITY_ACCOUNTS, Account
from neurorail.rules.governor.amounts import (
    PARALLEL,
    PLACE,
    RETRIES,
    USED,
    WALL_TIME,
    Amounts,
    none,
)
from neurorail.rules.governor.consumed import consumed_by
from neurorail.rules.manifest.facts import FACTS, Facts
from neurorail.rules.manifest.limits import ENFORCE, Limit
from neurorail.rules.manifest.model import Manifest
from neurorail.rules.observations import Budget, Ids
from neurorail.rules.state import State

OWN_BUDGET: Final = "own_budget"
"""Rule id of limits that REST or telemetry set an entity."""

OF_BUDGET: Final = (
    ("tokens", "max_tokens"),
    ("input_tokens", "max_input_tokens"),
    ("output_tokens", "max_output_tokens"),
    ("cost", "max_cost_usd_pico"),
    ("tool_calls", "max_tool_calls"),
    ("model_calls", "max_model_calls"),
    ("wall_time", "timeout_ms"),
    ("retries", "max_retries"),
    ("parallel", "max_parallel"),
)
"""Kinds of limits, and the fields of `Budget` that hold them."""
HELD_BY_ENTITY: Final = frozenset({*USED, RETRIES, PARALLEL})
HELD_BY_POOL: Final = frozenset({*USED, WALL_TIME, RETRIES, PARALLEL})


@dataclass(slots=True)
class Scope:
    """One budget or pool, as a request finds it."""

    label: dict[str, str]
    """Which it is, as events say it."""
    limits: tuple[Limit, ...]
    consumed: Amounts
    held: Amounts
    """Reserved or unsettled."""
    holds: frozenset[int]
    """The kinds that reservations set aside here. Time of an entity passes by itself."""
    entity_id: str | None = None
    pool: pools.PoolWindow | None = None
    account: Account | None = None
    started: bool = False
    """Whether the entity runs or has run."""
    attempts: int = 0
    """Attempts that have begun below the entity."""
    drawable: Amounts = field(default_factory=none)
    """What is held here already by the reservation that the request draws from."""

    def left(self, place: int, limit: int) -> int:
        """What a limit leaves for a request, what it may draw included."""
        return limit - self.consumed[place] - self.held[place] + self.drawable[place]

    @property
    def renews_at(self) -> int:
        """When what is consumed counts no more, all of it or the first of it; 0 is never."""
        return 0 if self.pool is None else self.pool.renews_at(self.account)


def scopes_of(state: State, policy: Manifest, ids: Ids, facts: Facts) -> list[Scope]:
    """All scopes of a request: from the mission down, then the pools in the manifest's order."""
    found = []
    for level, entity_id in enumerate(ids):
        if entity_id is not None:
            found.append(scope_at(state, policy, level, entity_id, facts))
    found += [pool_scope(state, pool) for pool in pools.matching(policy, facts, state.now)]
    return found


def limited_scopes(state: State, policy: Manifest, ids: Ids, facts: Facts) -> list[Scope]:
    """Those scopes of a request that may limit it, in the same order."""
    found = []
    for level, entity_id in enumerate(ids):
        if entity_id is None:
            continue
        if policy.limits_at(LEVEL_NAMES[level]) is None:
            entity = state.entity(entity_id)
            if entity is None or entity.budget is None:
                continue
        found.append(scope_at(state, policy, level, entity_id, facts))
    found += [pool_scope(state, pool) for pool in pools.matching(policy, facts, state.now)]
    return found


def pool_scope(state: State, pool: pools.PoolWindow) -> Scope:
    """A window of a pool as it stands now."""
    account = pools.account(state, pool)
    scope = Scope(pool.label, pool.limits, none(), none(), HELD_BY_POOL, pool=pool)
    if account is not None:
        account.roll(state.now)
        scope.account = account
        scope.consumed = account.consumed
        scope.held = held_in(account)
    return scope


def scope_at(state: State, policy: Manifest, level: int, entity_id: str, facts: Facts) -> Scope:
    """The budget of one entity of a chain, as it stands now."""
    entity = state.entity(entity_id)
    label = {"entity_type": LEVEL_NAMES[level], "entity_id": entity_id}
    scope = Scope(label, (), none(), none(), HELD_BY_ENTITY, entity_id=entity_id)
    if entity is not None:
        scope.consumed = consumed_by(state, entity)
        scope.started, scope.attempts = bool(entity.started), entity.attempts
        if entity.budget is not None:
            scope.limits = own_limits(entity.budget, state.config.warn_percent)
    of_level = policy.limits_at(LEVEL_NAMES[level])
    if of_level is not None:
        limits = of_level.of_all
        if limits is None:
            limits = of_level.of(_facts_at(level, facts))
        scope.limits += limits if entity is None else by_hand.in_force(entity, limits)
    scope.account = state.kept.get(ENTITY_ACCOUNTS, state.tenant, entity_id)
    if scope.account is not None:
        scope.held = held_in(scope.account)
    return scope


def own_limits(budget: Budget, warn_percent: int) -> tuple[Limit, ...]:
    """The limits that an entity states itself, or was given through REST."""
    stated = ((kind, getattr(budget, name)) for kind, name in OF_BUDGET)
    return tuple(
        Limit(kind, amount, ENFORCE, (warn_percent,), OWN_BUDGET)
        for kind, amount in stated
        if amount is not None
    )


def held_in(account: Account) -> Amounts:
    """What is reserved or unsettled in an account."""
    return [one + other for one, other in zip(account.reserved, account.unsettled, strict=True)]


def _facts_at(level: int, facts: Facts) -> Facts:
    """What of a request's facts an entity of a level knows too."""
    return {
        name: value
        for name, value in facts.items()
        if (known := FACTS.get(name)) is None or known.lowest_level <= level
    }


def places(scope: Scope) -> list[tuple[int, Limit]]:
    """The limits of a scope with the places of their kinds."""
    return [(PLACE[limit.kind], limit) for limit in scope.limits]
