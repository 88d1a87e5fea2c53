"""Checks of what tokens cost."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from neurorail.app.config import Config
from neurorail.app.doctor.finding import OK, WRONG, Finding


def prices(config: Config) -> Finding:
    """The built-in table is there and the own prices can be read."""
    from neurorail.app.price_file import read_price_file
    from neurorail.collector.prices import InvalidPrices

    try:
        table = f"genai-prices {version('genai-prices')}"
    except PackageNotFoundError:
        remedy = 'pip install "neurorail[collector]"'
        return Finding("prices", WRONG, "genai-prices is not installed", remedy)
    file = config.prices.override_file
    if file is None:
        return Finding("prices", OK, table)
    try:
        own = read_price_file(file)
    except (InvalidPrices, OSError) as error:
        return Finding("prices", WRONG, str(error), "mend prices.override_file")
    return Finding("prices", OK, f"{table} and {len(own)} own prices of {file}")
