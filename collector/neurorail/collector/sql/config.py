"""How much one reader of the store may ask for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SqlConfig:
    """Limits of one query and of all together."""

    database: str = "neurorail"
    """What unqualified names mean; beside it only parts of `system` can be read."""
    max_execution_time_s: int = 30
    max_memory_bytes: int = 1 << 30
    """Of one query."""
    max_result_bytes: int = 128 << 20
    """Before compression; a larger result is an error, never cut."""
    max_result_rows: int = 1_000_000
    """More are an error, too: columns that are the same in all rows take nearly no bytes until
    they are formatted."""
    max_query_bytes: int = 256 << 10
    queries: int = 2
    """Queries that run at once."""
    waiting: int = 32
    """Queries that wait for one of those; more are refused with code 202."""
