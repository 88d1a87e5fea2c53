"""Reads the user's own prices from their YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from neurorail.collector.prices import InvalidPrices, read_overrides


def read_price_file(file: Path) -> list[dict[str, Any]]:
    """The checked entries of a file that holds a list of prices.

    Raises:
        InvalidPrices: the file is no YAML list, or an entry is wrong; names the file.
        OSError: the file cannot be read.
    """
    try:
        entries = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidPrices(f"{file}: no valid YAML: {error}") from None
    if not isinstance(entries, list):
        raise InvalidPrices(f"{file}: must hold a list of prices, not {type(entries).__name__}")
    try:
        return read_overrides(entries)
    except InvalidPrices as error:
        raise InvalidPrices(f"{file}: {error}") from None
