"""What calls cost by the prices that hold: the manifest's own, then the table's."""

from __future__ import annotations

from dataclasses import replace

from neurorail.rules.observations import Usage
from neurorail.rules.state import State


def cost_usd_pico(state: State, usage: Usage, at_unix_nano: int) -> int | None:
    """The cost of a call, in pico-USD; None where nothing prices it."""
    cost = None
    own = state.manifest.own_prices
    if own is not None:
        cost = own.cost_usd_pico(usage.provider, usage.model, usage, at_unix_nano)
    if cost is None and usage.has_tokens and state.prices is not None:
        cost = state.prices.cost_usd_pico(usage.provider, usage.model, usage, at_unix_nano)
    return cost


def most_usd_pico(state: State, usage: Usage, at_unix_nano: int) -> int | None:
    """The most that so many tokens can cost, whichever kind of tokens they turn out to be."""
    kinds = (
        usage,
        replace(usage, cache_write_tokens=usage.input_tokens),
        replace(usage, reasoning_tokens=usage.output_tokens),
        replace(
            usage,
            cache_write_tokens=usage.input_tokens,
            reasoning_tokens=usage.output_tokens,
        ),
    )
    costs = [cost_usd_pico(state, kind, at_unix_nano) for kind in kinds]
    known = [cost for cost in costs if cost is not None]
    return max(known) if known else None
