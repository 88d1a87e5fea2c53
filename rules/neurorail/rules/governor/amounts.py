"""Amounts of what budgets limit: one whole number a kind, in the order of `KINDS`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from neurorail.rules.entity import COST, INPUT, MODEL_CALLS, OUTPUT, TOOL_CALLS
from neurorail.rules.manifest.limits import KINDS

Amounts: TypeAlias = "list[int]"
"""Tokens, input tokens, output tokens, pico-USD, tool calls, model calls, milliseconds, retries,
attempts at once."""

_KINDS: Final = len(KINDS)
PLACE: Final = {kind: place for place, kind in enumerate(KINDS)}
NAMES: Final = tuple("cost_usd_pico" if kind == "cost" else kind for kind in KINDS)
"""Names of the kinds in events, with the unit of money."""

TOKENS: Final = PLACE["tokens"]
INPUT_TOKENS: Final = PLACE["input_tokens"]
OUTPUT_TOKENS: Final = PLACE["output_tokens"]
COST_USD_PICO: Final = PLACE["cost"]
TOOLS: Final = PLACE["tool_calls"]
MODELS: Final = PLACE["model_calls"]
WALL_TIME: Final = PLACE["wall_time"]
RETRIES: Final = PLACE["retries"]
PARALLEL: Final = PLACE["parallel"]

USED: Final = (TOKENS, INPUT_TOKENS, OUTPUT_TOKENS, COST_USD_PICO, TOOLS, MODELS)
"""Kinds that calls use up: what usage settles."""


def none() -> Amounts:
    """Nothing of any kind."""
    return [0] * _KINDS


def add(to: Amounts, amounts: Amounts, sign: int = 1) -> None:
    """Add amounts in place, or take them away."""
    for place, amount in enumerate(amounts):
        if amount:
            to[place] += sign * amount


def of_totals(totals: list[int]) -> Amounts:
    """What `Entity.totals`, or a call's share in them, uses up."""
    amounts = none()
    amounts[INPUT_TOKENS] = totals[INPUT]
    amounts[OUTPUT_TOKENS] = totals[OUTPUT]
    amounts[TOKENS] = totals[INPUT] + totals[OUTPUT]
    amounts[COST_USD_PICO] = totals[COST]
    amounts[TOOLS] = totals[TOOL_CALLS]
    amounts[MODELS] = totals[MODEL_CALLS]
    return amounts


def to_totals(amounts: Amounts) -> list[int]:
    """The same as a share in `Entity.totals`. Tokens of neither kind count as output."""
    totals = [0] * 9
    totals[INPUT] = amounts[INPUT_TOKENS]
    totals[OUTPUT] = amounts[TOKENS] - amounts[INPUT_TOKENS]
    totals[COST] = amounts[COST_USD_PICO]
    totals[TOOL_CALLS] = amounts[TOOLS]
    totals[MODEL_CALLS] = amounts[MODELS]
    return totals


def named(amounts: Amounts) -> dict[str, int]:
    """The amounts that are not zero, by name."""
    return {NAMES[place]: amount for place, amount in enumerate(amounts) if amount}


_GIVEN: Final = {name: place for place, name in enumerate(NAMES)} | {"duration_ms": WALL_TIME}


def given(values: Mapping[str, int]) -> Amounts:
    """Amounts by name (`tokens`, `cost_usd_pico`, `duration_ms`); tokens hold their parts."""
    amounts = none()
    for name, amount in values.items():
        amounts[_GIVEN[name]] = amount
    parts = amounts[INPUT_TOKENS] + amounts[OUTPUT_TOKENS]
    amounts[TOKENS] = max(amounts[TOKENS], parts)
    return amounts
