"""Which functions of the engine a reader may call: whole families that only compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

FAMILIES: Final = frozenset({
    "Arithmetic", "Arrays", "Bit", "Bitmap", "Comparison", "Conditional", "Dates and Times",
    "Distance", "Encoding", "Hash", "IP Address", "JSON", "Logical", "Map", "Mathematical", "Null",
    "Rounding", "String", "String Replacement", "String Search", "String Splitting", "Time Window",
    "Tuple", "Type Conversion", "URL", "UUID",
})  # fmt: skip
"""Families of `system.functions`, as the engine names them."""

SINGLE: Final = frozenset({
    "_cast", "array", "bar", "cast", "columns", "countdigits", "currentdatabase", "database",
    "displayname", "equals",
    "formatreadabledecimalsize", "formatreadablequantity", "formatreadablesize",
    "formatreadabletimedelta", "globalin", "globalnotin", "identity", "ignore", "in", "interval",
    "lambda", "materialize", "notin", "range", "revision", "rownumberinallblocks",
    "runningdifference",
    "timezone", "totypename", "transform", "tuple", "tupleelement", "version", "lagInFrame".lower(),
    "leadInFrame".lower(), "row_number", "rank", "dense_rank", "ntile", "percent_rank",
})  # fmt: skip
"""Functions of no such family that tools and dashboards use."""

NEVER: Final = frozenset({"file", "format", "getsetting", "getserversetting", "arrayfold"})
"""Functions of those families that reach further, or that also are table functions."""


def allowed_functions(
    rows: Sequence[Mapping[str, Any]],
) -> tuple[frozenset[str], frozenset[str]]:
    """The scalar and the aggregate functions, in lower case, out of the rows of `system.functions`.

    Args:
        rows: `name`, `is_aggregate`, `categories`, `alias_to` of each function.
    """
    kept: set[str] = set()
    aggregates: set[str] = set()
    for row in rows:
        if row["is_aggregate"]:
            aggregates.add(row["name"].lower())
        elif row["categories"] in FAMILIES:
            kept.add(row["name"].lower())
    for row in rows:
        target = row["alias_to"].lower()
        if target in kept:
            kept.add(row["name"].lower())
        if target in aggregates:
            aggregates.add(row["name"].lower())
    return frozenset((kept | SINGLE) - NEVER), frozenset(aggregates - NEVER)
