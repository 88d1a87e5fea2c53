"""Prices that a user states: checked, and put before the shipped ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal, DecimalException
from typing import Any, Final

from neurorail.rules.price_match import compile_clause
from neurorail.rules.pricing import REQUESTS, UNITS

_PRICES: Final = (*UNITS, REQUESTS)
_KEYS: Final = frozenset({"provider", "model", "match", "start", *_PRICES})
_EPOCH: Final = date(1970, 1, 1)


class InvalidPrices(ValueError):
    """The user's prices cannot be used; the message names the entry and how to mend it."""


def read_overrides(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The table entries for a list of overrides, as a YAML document gives it.

    An entry names a `model` (or a `match` clause), optionally its `provider` and the date from
    which it holds (`start`, UTC), and prices in USD for a million tokens: `input_mtok`,
    `output_mtok`, `cache_read_mtok`, `cache_write_mtok`, `output_reasoning_mtok`; for a thousand
    requests `requests_kcount`. A price is a number, a decimal text, or
    `{base, tiers: [[more than so many input tokens, price], …]}`.

    Raises:
        InvalidPrices: An entry has unknown keys, no model, no price or a price that is no amount.
    """
    return [_entry(place, entry) for place, entry in enumerate(entries)]


def _entry(place: int, entry: Mapping[str, Any]) -> dict[str, Any]:
    where = f"price override {place + 1}"
    if not isinstance(entry, Mapping):
        raise InvalidPrices(f"{where} is {entry!r}; write a mapping with `model` and prices")
    unknown = sorted(str(key) for key in entry if key not in _KEYS)
    if unknown:
        raise InvalidPrices(f"{where} has unknown keys {unknown}; known are {sorted(_KEYS)}")
    prices: dict[str, Any] = {
        key: _price(where, key, entry[key]) for key in _PRICES if key in entry
    }
    if not prices:
        raise InvalidPrices(f"{where} has no price; give at least `input_mtok`")
    if "start" in entry:
        prices["start_day"] = _start_day(where, entry["start"])
    result: dict[str, Any] = {"match": _match(where, entry), "prices": [prices]}
    if "provider" in entry:
        result["provider"] = str(entry["provider"]).lower()
    return result


def _match(where: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    if ("model" in entry) == ("match" in entry):
        raise InvalidPrices(f"{where} must have either `model` or `match`")
    clause = {"equals": str(entry["model"])} if "model" in entry else entry["match"]
    try:
        compile_clause(clause)
    except ValueError as error:
        raise InvalidPrices(f"{where}: {error}") from error
    found: dict[str, Any] = clause
    return found


def _start_day(where: str, start: Any) -> int:
    if isinstance(start, str):
        try:
            start = date.fromisoformat(start)
        except ValueError as error:
            raise InvalidPrices(f"{where}: start {start!r} is no date; use 2026-01-31") from error
    if not isinstance(start, date):
        raise InvalidPrices(f"{where}: start {start!r} is no date; use 2026-01-31")
    return date(start.year, start.month, start.day).toordinal() - _EPOCH.toordinal()


def _price(where: str, key: str, value: Any) -> str | dict[str, Any]:
    if isinstance(value, Mapping):
        tiers = value.get("tiers", [])
        if set(value) - {"base", "tiers"} or "base" not in value or not isinstance(tiers, list):
            raise InvalidPrices(f"{where}: {key} must be an amount or {{base, tiers}}")
        return {
            "base": _amount(where, key, value["base"]),
            "tiers": [_tier(where, key, tier) for tier in tiers],
        }
    return _amount(where, key, value)


def _tier(where: str, key: str, tier: Any) -> list[Any]:
    if not isinstance(tier, list) or len(tier) != 2 or type(tier[0]) is not int or tier[0] < 0:
        raise InvalidPrices(f"{where}: tier {tier!r} of {key} must be [tokens, price]")
    return [tier[0], _amount(where, key, tier[1])]


def _amount(where: str, key: str, value: Any) -> str:
    try:
        # The text of a number, never its binary value: 0.1 is one tenth.
        amount = Decimal(value if isinstance(value, str) else repr(value))
    except DecimalException as error:
        raise InvalidPrices(f"{where}: {key} {value!r} is no amount of USD") from error
    if not amount.is_finite() or amount < 0 or amount.adjusted() > 9:
        raise InvalidPrices(f"{where}: {key} {value!r} must be from 0 to 9999999999 USD")
    return format(amount, "f")
