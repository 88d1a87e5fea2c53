"""The books as they stand: what of each budget and pool is consumed, held and left."""

from __future__ import annotations

from typing import Any

from neurorail.rules.entity import Entity, entity_key
from neurorail.rules.governor import pools
from neurorail.rules.governor.accounts import Account
from neurorail.rules.governor.limits import line
from neurorail.rules.governor.scopes import Scope, places, pool_scope, scope_at, scopes_of
from neurorail.rules.manifest.facts import entity_facts
from neurorail.rules.observations import MISSION
from neurorail.rules.state import State


def of_entity(state: State, entity: Entity) -> list[dict[str, Any]]:
    """The budgets of an entity and of all above it, and the pools that it belongs to."""
    facts = entity_facts(state, entity)
    return [_shown(scope) for scope in scopes_of(state, state.manifest, entity.ids, facts)]


def of_missions(state: State, most: int) -> list[dict[str, Any]]:
    """The budgets of the newest open missions that are limited, at most so many, newest first.

    Of those that memory holds: one that nobody heard of for long is asked for by its id.
    """
    found: list[dict[str, Any]] = []
    for mission_id in reversed(state.recent_missions.get(state.tenant, {})):
        mission = state.entities.get(entity_key(state.tenant, mission_id))
        if mission is None or mission.terminal:
            continue
        facts = entity_facts(state, mission)
        scope = scope_at(state, state.manifest, MISSION, mission_id, facts)
        if scope.limits:
            found.append(_shown(scope))
        if len(found) == most:
            break
    return found


def of_pools(state: State, most: int) -> list[dict[str, Any]]:
    """The newest windows of all pools of the manifest in force, at most so many, newest first."""
    found = []
    for name, account in reversed(list(state.kept.of(pools.POOLS, state.tenant))):
        window = pools.window_named(state.manifest, name, account)
        if window is not None and not pools.is_over(account, state.now):
            found.append(_shown(pool_scope(state, window)))
            if len(found) == most:
                break
    return found


def _shown(scope: Scope) -> dict[str, Any]:
    account = scope.account or Account()
    pool = scope.pool
    return {
        **scope.label,
        "begins_unix_nano": pool.begins if pool is not None else 0,
        "ends_unix_nano": pool.ends if pool is not None else 0,
        "rolling_ms": pool.rule.window.rolling_ms if pool is not None else None,
        "open_reservations": len(account.live),
        "limits": [
            {
                **line(scope, place, limit),
                "reserved": account.reserved[place],
                "unsettled": account.unsettled[place],
                "severity": limit.severity,
                "rule_id": limit.rule_id,
            }
            for place, limit in places(scope)
        ],
    }
