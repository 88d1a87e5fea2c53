"""Amounts as people read them: dollars, milliseconds, and bare counts."""

from __future__ import annotations

from typing import Final

_PICO_PER_USD: Final = 10**12
_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1))
_TIMES: Final = frozenset({"timeout", "wall_time"})


def usd_text(pico: int) -> str:
    """Pico-USD as an exact decimal number of USD, without trailing zeros."""
    sign = "-" if pico < 0 else ""
    whole, part = divmod(abs(pico), _PICO_PER_USD)
    decimals = f"{part:012d}".rstrip("0")
    return f"{sign}{whole}.{decimals}" if decimals else f"{sign}{whole}"


def amount_text(kind: str, amount: int) -> str:
    """An amount of what a budget limits: `$0.04` of cost, `1500 ms` of time, else the number."""
    if kind == "cost":
        return f"${usd_text(amount)}"
    return f"{amount} ms" if kind in _TIMES else str(amount)


def duration_text(ms: int) -> str:
    """A time in its two largest units: `1 d`, `23 h 59 min`, `1 s 500 ms`."""
    parts = []
    for unit, size in _UNITS:
        whole, ms = divmod(ms, size)
        if whole:
            parts.append(f"{whole} {unit}")
    return " ".join(parts[:2]) or "0 ms"
