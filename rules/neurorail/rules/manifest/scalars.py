"""Scalars as people write them: numbers, amounts of money, lengths of time."""

from __future__ import annotations

import re
from decimal import Decimal, DecimalException
from typing import Final

from yaml import Node, ScalarNode

from neurorail.rules.manifest.kinds import INT64_MAX
from neurorail.rules.manifest.yaml_tree import DECIMAL, FLAG, NULL, WHOLE, kind_of, said

USD_MAX: Final = 9_000_000
"""In pico-USD it still is a 64-bit number."""
_UNITS_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION: Final = re.compile(r"(\d{1,15})(ms|s|m|h|d)")
_WHOLE: Final = re.compile(r"[+-]?\d{1,19}(_\d{3})*")
_TRUE: Final = frozenset({"true", "yes", "on"})


class Unreadable(ValueError):
    """A scalar is not what is asked for; the message says what would be."""


def read_text(node: Node) -> str:
    """A text; a number is taken as it is written.

    Raises:
        Unreadable: it is something else.
    """
    if not isinstance(node, ScalarNode) or kind_of(node) in (NULL, FLAG):
        quotes = " (in quotes, if that is one)" if isinstance(node, ScalarNode) else ""
        raise Unreadable(f"{said(node)} is no text: write a text{quotes}")
    value: str = node.value
    return value


def read_whole(node: Node, least: int, most: int) -> int:
    """A whole number within bounds, also with `_` between its digits.

    Raises:
        Unreadable: it is something else.
    """
    text = node.value if isinstance(node, ScalarNode) and kind_of(node) == WHOLE else ""
    if not isinstance(text, str) or not _WHOLE.fullmatch(text):
        raise Unreadable(f"{said(node)} is no whole number")
    return _bounded(int(text), text, least, most)


def _bounded(value: int, text: str, least: int, most: int) -> int:
    if value < least:
        raise Unreadable(f"{text} is too small: at least {least}")
    if value > most:
        raise Unreadable(f"{text} is too large: at most {most}")
    return value


def read_flag(node: Node) -> bool:
    """True or false.

    Raises:
        Unreadable: it is something else.
    """
    if not isinstance(node, ScalarNode) or kind_of(node) != FLAG:
        raise Unreadable(f"{said(node)} is neither true nor false")
    return node.value.lower() in _TRUE


def write_duration(ms: int) -> str:
    """A length of time as people write it, in the largest unit that holds it exactly."""
    name, size = max(
        ((name, size) for name, size in _UNITS_MS.items() if ms % size == 0),
        key=lambda unit: unit[1],
    )
    return f"{ms // size}{name}" if ms else "0"


def read_duration(node: Node, least_ms: int, most_ms: int) -> int:
    """A length of time, in milliseconds.

    Raises:
        Unreadable: it is something else.
    """
    text = node.value if isinstance(node, ScalarNode) else ""
    found = _DURATION.fullmatch(text)
    if found is None and text != "0":
        raise Unreadable(f"{said(node)} is no length of time: write 250ms, 30s, 10m, 24h or 7d")
    value_ms = int(found[1]) * _UNITS_MS[found[2]] if found is not None else 0
    if value_ms < least_ms:
        raise Unreadable(f"{text} is too short: at least {least_ms} ms")
    if value_ms > most_ms:
        raise Unreadable(f"{text} is too long: at most {most_ms // 86_400_000} days")
    return value_ms


def read_usd_pico(node: Node) -> int:
    """An amount in US dollars, in pico-USD; exact.

    Raises:
        Unreadable: it is something else.
    """
    text = node.value if isinstance(node, ScalarNode) else ""
    try:
        amount = Decimal(text.replace("_", ""))
    except DecimalException:
        raise Unreadable(f"{said(node)} is no amount of US dollars: write 0.25") from None
    if not amount.is_finite() or amount < 0 or amount > USD_MAX:
        raise Unreadable(f"{text} is no amount from 0 to {USD_MAX:,} US dollars")
    pico = amount.scaleb(12)
    if pico != int(pico):
        raise Unreadable(f"{text} has more than 12 decimals")
    return int(pico)


def plain(node: Node) -> object:
    """A scalar as the value it has in YAML: for what is read elsewhere.

    Amounts keep their text, so that 0.1 stays one tenth.
    """
    kind = kind_of(node)
    if kind == NULL:
        return None
    if kind == FLAG:
        return read_flag(node)
    if kind == WHOLE:
        return read_whole(node, -INT64_MAX, INT64_MAX)
    value: str = node.value
    return value if kind != DECIMAL else value.replace("_", "")
