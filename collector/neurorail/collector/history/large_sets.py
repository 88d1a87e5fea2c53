"""How a query that looks for many ids of another query is to run."""

from __future__ import annotations

from typing import Final

READ_LARGE_SETS: Final = "SETTINGS use_index_for_in_with_subqueries = 0"
"""Looking for every id of a large set in the index of every granule costs more than it spares."""
