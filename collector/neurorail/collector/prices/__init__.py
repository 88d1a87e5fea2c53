"""The price table that the engine is given: the pinned `genai-prices` data and the user's own."""

from neurorail.collector.prices.overrides import InvalidPrices, read_overrides
from neurorail.collector.prices.table import PriceFile, load_prices

__all__ = ["InvalidPrices", "PriceFile", "load_prices", "read_overrides"]
