"""Prices: what a call cost, in whole pico-USD, by a table that is data.

The table is JSON (see `neurorail.collector.prices`, which makes it). Everything here is exact:
prices are decimal texts in USD, sums are whole numbers over a common denominator, and the one
rounding, half to even, is of the total to the pico-USD. What the table does not price has no cost,
which is not a cost of zero.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import lcm
from typing import Any, Final, TypeAlias

from neurorail.rules.observations import Usage
from neurorail.rules.price_match import compile_clause, dashed_dates

Matcher: TypeAlias = Callable[[str], bool]

FORMAT: Final = 1
LOOKUPS_MAX: Final = 8192
"""Remembered (provider, model) pairs; the memory is emptied when it is full."""
NAME_MAX: Final = 512
"""A longer model name is nobody's."""

_PICO: Final = 10**12
_NS_A_SECOND: Final = 10**9
_SECONDS_A_DAY: Final = 86_400
_PER: Final = 1_000_000

INPUT, OUTPUT, CACHE_READ, CACHE_WRITE, REASONING = range(5)
UNITS: Final = (
    "input_mtok",
    "output_mtok",
    "cache_read_mtok",
    "cache_write_mtok",
    "output_reasoning_mtok",
)
"""Prices in USD for a million tokens of a kind."""
REQUESTS: Final = "requests_kcount"
"""Price in USD for a thousand requests."""


@dataclass(frozen=True, slots=True)
class _Rate:
    """One price: whole numbers over the price set's denominator, by input size."""

    base: int
    tiers: tuple[tuple[int, int], ...] = ()
    """(more than so many input tokens, rate), the highest threshold first."""

    def at(self, input_tokens: int) -> int:
        for start, rate in self.tiers:
            if input_tokens > start:
                return rate
        return self.base


@dataclass(frozen=True, slots=True)
class _Prices:
    """The prices of a model at some time."""

    priced: bool
    """Whether anything that the telemetry of a call reports has a price."""
    rates: tuple[_Rate | None, ...]
    request: int
    denominator: int
    start_day: int | None
    """Days since the Unix epoch from which these prices hold."""
    from_second: int | None
    """Second of the day (UTC) at which they begin to hold, every day …"""
    until_second: int | None
    """… and end; earlier than the beginning if they hold over midnight."""

    def active(self, at_unix_nano: int) -> bool:
        day, second = divmod(at_unix_nano // _NS_A_SECOND, _SECONDS_A_DAY)
        if self.start_day is not None:
            return day >= self.start_day
        if self.from_second is None or self.until_second is None:
            return True
        if self.until_second < self.from_second:
            return second >= self.from_second or second < self.until_second
        return self.from_second <= second < self.until_second

    def cost(self, usage: Usage) -> int | None:
        if not self.priced:
            return None
        counts = _counts(usage, self.rates)
        total = self.request
        for rate, count in zip(self.rates, counts, strict=True):
            if rate is not None and count:
                total += rate.at(usage.input_tokens) * count
        return _rounded(total, self.denominator)


@dataclass(frozen=True, slots=True)
class _Model:
    matches: Matcher
    prices: tuple[_Prices, ...]

    def at(self, at_unix_nano: int) -> _Prices | None:
        """The last prices that hold, else the first."""
        for prices in reversed(self.prices):
            if prices.active(at_unix_nano):
                return prices
        return self.prices[0] if self.prices else None


@dataclass(frozen=True, slots=True)
class _Provider:
    id: str
    matches_id: Matcher | None
    matches_model: Matcher | None
    fallback: tuple[str, ...]
    models: tuple[_Model, ...]

    def model(self, name: str) -> _Model | None:
        return next((model for model in self.models if model.matches(name)), None)


class PriceTable:
    """Looks up what a call cost.

    Args:
        data: The decoded table.

    Raises:
        ValueError: The table is not one that this version reads.
    """

    def __init__(self, data: dict[str, Any]) -> None:
        if data.get("format") != FORMAT:
            raise ValueError(
                f"price table has format {data.get('format')!r}; make it again for format {FORMAT}"
            )
        try:
            self.version = str(data["version"])
            self._aliases: dict[str, str | None] = dict(data.get("provider_aliases", {}))
            self._providers = [_provider(entry) for entry in data["providers"]]
            self._overrides = [
                (entry.get("provider"), _model(entry)) for entry in data.get("overrides", ())
            ]
        except (KeyError, TypeError, AttributeError, ArithmeticError) as error:
            raise ValueError(f"price table is malformed: {error!r}; make it again") from error
        self._by_id = {provider.id: provider for provider in self._providers}
        self._known: dict[tuple[str | None, str], _Model | None] = {}

    @property
    def models(self) -> int:
        """How many models the table knows."""
        return sum(len(provider.models) for provider in self._providers) + len(self._overrides)

    @classmethod
    def from_json(cls, data: bytes) -> PriceTable:
        """The table in JSON bytes.

        Raises:
            ValueError: The bytes are no JSON, or no table that this version reads.
        """
        decoded = json.loads(data)
        if not isinstance(decoded, dict):
            raise ValueError("price table is no JSON object; make it again")
        return cls(decoded)

    def cost_usd_pico(
        self, provider: str | None, model: str | None, usage: Usage, at_unix_nano: int
    ) -> int | None:
        """What a call cost, in pico-USD; None if the table has no price for it.

        Args:
            provider: Who was called, by the name telemetry gives; None to go by the model's name.
            model: The model that answered, else the one that was asked for.
            usage: What was used. Cached tokens are part of the input, reasoning of the output.
            at_unix_nano: When the call started: prices have dates.
        """
        if not model or usage.operation == "tool" or not usage.has_tokens:
            return None
        key = (provider, model)
        try:
            found = self._known[key]
        except KeyError:
            found = self._find(provider, model)
            if len(self._known) >= LOOKUPS_MAX:
                self._known.clear()
            self._known[key] = found
        if found is None:
            return None
        prices = found.at(at_unix_nano)
        return None if prices is None else prices.cost(usage)

    def _find(self, provider: str | None, model: str) -> _Model | None:
        name = model.strip().lower()
        if len(name) > NAME_MAX:
            return None
        stated = None if provider is None else provider.strip().lower()
        if stated is not None:
            stated = self._aliases.get(stated, stated)
        if stated == "litellm" and "/" in name:
            inner, _, rest = name.partition("/")
            if self._provider(inner) is not None:
                stated, name = inner, rest
        by = self._provider(stated) if stated else None
        if by is None and stated in (None, "", "litellm"):
            by = next((each for each in self._providers if _is_home(each, name)), None)
        override = self._override(stated, by, name)
        if override is not None:
            return override
        return None if by is None else self._model(by, name)

    def _override(self, stated: str | None, by: _Provider | None, name: str) -> _Model | None:
        meant = {None, stated, None if by is None else by.id}
        for provider, model in self._overrides:
            if provider in meant and model.matches(name):
                return model
        return None

    def _provider(self, name: str) -> _Provider | None:
        exact = self._by_id.get(name)
        if exact is not None:
            return exact
        for provider in self._providers:
            if provider.matches_id is not None and provider.matches_id(name):
                return provider
        return None

    def _model(self, provider: _Provider, name: str) -> _Model | None:
        names = dict.fromkeys((name, dashed_dates(name)))
        for each in names:
            found = provider.model(each)
            if found is not None:
                return found
            for other in provider.fallback:
                home = self._by_id.get(other)
                found = None if home is None else home.model(each)
                if found is not None:
                    return found
        return None


def _is_home(provider: _Provider, model: str) -> bool:
    return provider.matches_model is not None and provider.matches_model(model)


def _counts(usage: Usage, rates: tuple[_Rate | None, ...]) -> tuple[int, int, int, int, int]:
    """Tokens of each kind that has a price of its own; the rest is plain input or output."""
    read = usage.cache_read_tokens if rates[CACHE_READ] is not None else 0
    write = usage.cache_write_tokens if rates[CACHE_WRITE] is not None else 0
    reasoning = usage.reasoning_tokens if rates[REASONING] is not None else 0
    return (
        max(0, usage.input_tokens - read - write),
        max(0, usage.output_tokens - reasoning),
        read,
        write,
        reasoning,
    )


def _rounded(total: int, denominator: int) -> int:
    whole, rest = divmod(total, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and whole % 2):
        return whole + 1
    return whole


def _clause(clause: Any) -> Matcher | None:
    return None if clause is None else compile_clause(clause)


def _provider(entry: dict[str, Any]) -> _Provider:
    return _Provider(
        id=entry["id"],
        matches_id=_clause(entry.get("provider_match")),
        matches_model=_clause(entry.get("model_match")),
        fallback=tuple(entry.get("fallback", ())),
        models=tuple(_model(model) for model in entry["models"]),
    )


def _model(entry: dict[str, Any]) -> _Model:
    return _Model(
        compile_clause(entry["match"]), tuple(_prices(prices) for prices in entry["prices"])
    )


def _prices(entry: dict[str, Any]) -> _Prices:
    exact: list[Fraction] = []
    for unit in UNITS:
        exact.extend(_fractions(entry.get(unit), _PER))
    exact.extend(_fractions(entry.get(REQUESTS), 1000))
    denominator = lcm(*(fraction.denominator for fraction in exact))
    hours = entry.get("hours")
    return _Prices(
        priced=bool(exact),
        rates=tuple(_rate(entry.get(unit), denominator) for unit in UNITS),
        request=sum(
            _scaled(fraction, denominator) for fraction in _fractions(entry.get(REQUESTS), 1000)
        ),
        denominator=denominator,
        start_day=entry.get("start_day"),
        from_second=None if hours is None else int(hours[0]),
        until_second=None if hours is None else int(hours[1]),
    )


def _fractions(price: Any, per: int) -> list[Fraction]:
    """Every amount in a price, in pico-USD for one."""
    if price is None:
        return []
    if isinstance(price, str):
        return [_amount(price, per)]
    return [_amount(price["base"], per), *(_amount(tier[1], per) for tier in price["tiers"])]


@lru_cache(maxsize=4096)
def _amount(text: Any, per: int) -> Fraction:
    if not isinstance(text, str):
        raise ValueError(f"price {text!r} is no decimal text; write it in quotes")
    try:
        amount = Fraction(text) * _PICO / per
    except ValueError as error:
        raise ValueError(f"price {text!r} is no decimal text; write digits and a point") from error
    if amount < 0:
        raise ValueError(f"price {text!r} is negative; prices start at 0")
    return amount


def _scaled(amount: Fraction, denominator: int) -> int:
    return amount.numerator * (denominator // amount.denominator)


def _rate(price: Any, denominator: int) -> _Rate | None:
    if price is None:
        return None
    if isinstance(price, str):
        return _Rate(_scaled(_amount(price, _PER), denominator))
    tiers = sorted(
        (
            (int(start), _scaled(_amount(amount, _PER), denominator))
            for start, amount in price["tiers"]
        ),
        reverse=True,
    )
    return _Rate(_scaled(_amount(price["base"], _PER), denominator), tuple(tiers))
