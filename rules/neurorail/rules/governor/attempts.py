"""What attempts use up of pools: time, and retries."""

from __future__ import annotations

from neurorail.rules.entity import Entity
from neurorail.rules.governor import pools, shadow_pools
from neurorail.rules.governor.amounts import RETRIES, WALL_TIME, none
from neurorail.rules.manifest.facts import entity_facts
from neurorail.rules.manifest.limits import KINDS
from neurorail.rules.state import State


def retried(state: State, attempt: Entity, retries: int) -> None:
    """An attempt began that repeats another one."""
    if retries:
        _consume(state, attempt, RETRIES, retries, attempt.started)


def ended(state: State, attempt: Entity, duration_ms: int | None) -> None:
    """An attempt ended after some time."""
    if duration_ms:
        _consume(state, attempt, WALL_TIME, duration_ms, attempt.ended)


def _consume(state: State, attempt: Entity, place: int, amount: int, time: int) -> None:
    kind, policy = KINDS[place], state.manifest
    limited = kind in policy.pooled_kinds
    in_shadows = shadow_pools.count_usage(state)
    if not (limited or in_shadows):
        return
    amounts = none()
    amounts[place] = amount
    at = min(time, state.now)
    facts = entity_facts(state, attempt)
    for pool in pools.matching(policy, facts, at) if limited else ():
        if kind in pool.kinds and pools.open_account(state, pool) is not None:
            pools.consume(state, pool.name, attempt.ids, amounts, at, pool.limits)
    if in_shadows:
        shadow_pools.charged(state, facts, amounts, at)
