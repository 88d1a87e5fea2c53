"""The data of the pinned `genai-prices` package as the table that `neurorail.rules.pricing` reads.

Importing that package takes more than a second and its objects stay in memory, so that this module
is only run as a program, by `neurorail.collector.prices.table`, once for each version.
"""

from __future__ import annotations

import sys
from datetime import date, time
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import msgspec
from genai_prices import types
from genai_prices.data import providers

from neurorail.rules.pricing import FORMAT, REQUESTS, UNITS

ALIASES: Final[dict[str, str | None]] = {
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "gcp.gen_ai": "google",
    "x_ai": "x-ai",
    "xai": "x-ai",
    "xai.chat": "x-ai",
    "langchain": None,
}
"""Names of telemetry that the data does not know. None is a framework, not a provider: then the
model's name decides."""

_EPOCH: Final = date(1970, 1, 1)
_FREE: Final = ":free"


def table() -> dict[str, Any]:
    """The whole table."""
    return {
        "format": FORMAT,
        "version": f"genai-prices {version('genai-prices')}",
        "provider_aliases": ALIASES,
        "providers": [_provider(provider) for provider in providers],
    }


def _provider(provider: types.Provider) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": provider.id}
    if provider.provider_match is not None:
        entry["provider_match"] = _clause(provider.provider_match)
    if provider.model_match is not None:
        entry["model_match"] = _clause(provider.model_match)
    if provider.fallback_model_providers:
        entry["fallback"] = provider.fallback_model_providers
    entry["models"] = [_model(model) for model in provider.models]
    return entry


def _model(model: types.ModelInfo) -> dict[str, Any]:
    free = model.id.endswith(_FREE)
    if isinstance(model.prices, types.ModelPrice):
        dated = [types.ConditionalPrice(prices=model.prices)]
    else:
        dated = model.prices
    return {
        "id": model.id,
        "match": _clause(model.match),
        "prices": [_prices(conditional, free) for conditional in dated],
    }


def _prices(conditional: types.ConditionalPrice, free: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    for unit in (*UNITS, REQUESTS):
        price = getattr(conditional.prices, unit)
        if price is not None:
            entry[unit] = _price(price)
    # No price in the data is an unknown price, save for models whose name says that they are free.
    if not entry and free:
        entry = dict.fromkeys(UNITS[:2], "0")
    constraint = conditional.constraint
    if isinstance(constraint, types.StartDateConstraint):
        entry["start_day"] = (constraint.start_date - _EPOCH).days
    elif isinstance(constraint, types.TimeOfDateConstraint):
        entry["hours"] = [_second(constraint.start_time), _second(constraint.end_time)]
    return entry


def _price(price: Decimal | types.TieredPrices) -> str | dict[str, Any]:
    if isinstance(price, Decimal):
        return str(price)
    return {
        "base": str(price.base),
        "tiers": [[tier.start, str(tier.price)] for tier in price.tiers],
    }


def _second(moment: time) -> int:
    offset = moment.utcoffset()
    seconds = moment.hour * 3600 + moment.minute * 60 + moment.second
    return (seconds - (0 if offset is None else int(offset.total_seconds()))) % 86_400


def _clause(clause: Any) -> dict[str, Any]:
    for operator in ("starts_with", "ends_with", "contains", "regex", "equals"):
        if hasattr(clause, operator):
            return {operator: getattr(clause, operator)}
    operator = "or" if hasattr(clause, "or_") else "and"
    return {operator: [_clause(part) for part in getattr(clause, f"{operator}_")]}


def main(target: Path) -> None:
    """Writes the table to `target`, complete or not at all."""
    partial = target.with_name(f"{target.name}.partial")
    partial.write_bytes(msgspec.json.encode(table()))
    partial.replace(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
