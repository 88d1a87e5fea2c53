"""The code of a broken budget, by kind."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

_CODES: Final = MappingProxyType(
    {"retries": "NR-E003", "timeout": "NR-E001", "wall_time": "NR-E001"}
)


def budget_code(kind: str) -> str:
    """NR-E001 for time, NR-E003 for retries, NR-E002 for what is used up."""
    return _CODES.get(kind, "NR-E002")
