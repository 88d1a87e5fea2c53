"""Charging: adding amounts to every entity of a chain."""

from __future__ import annotations

from neurorail.rules import budgets
from neurorail.rules.observations import Ids
from neurorail.rules.state import State

_SUMS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost_usd_pico",
    "unpriced_calls",
    "model_calls",
    "tool_calls",
)
"""Counters over everything, in the order of `Entity.totals`."""


def charge(state: State, ids: Ids, amounts: list[int], time: int, sign: int = 1) -> None:
    """Add amounts to every entity of a chain and check each one's budget."""
    added = [(place, sign * amount) for place, amount in enumerate(amounts) if amount]
    for entity_id in ids:
        entity = state.entity(entity_id) if entity_id else None
        if entity is None:
            continue
        totals = entity.totals
        for place, amount in added:
            totals[place] += amount
        state.touch(entity)
        if entity.budget is None:
            continue
        if sign > 0:
            budgets.check_usage(state, entity, time)
        else:
            budgets.usage_left(state, entity)
    counters = state.counters
    for place, amount in added:
        name = _SUMS[place]
        counters[name] = counters.get(name, 0) + amount
