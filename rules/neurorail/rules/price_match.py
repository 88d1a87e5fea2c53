"""Matching model and provider names against the clauses of a price table."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

_COMPACT_DATE: Final = re.compile(r"-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")
_DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def compile_clause(clause: Any) -> Callable[[str], bool]:
    """A predicate over lower-case names.

    A clause is an object with one of `equals`, `starts_with`, `ends_with`, `contains` (in any
    case), `regex` (searched for in the lower-case name), `or`, `and` (lists of clauses).

    Raises:
        ValueError: The clause has another form, or its expression does not compile.
    """
    if not isinstance(clause, dict) or len(clause) != 1:
        raise ValueError(f"match clause {clause!r} must have exactly one operator")
    ((operator, operand),) = clause.items()
    if operator in {"or", "and"}:
        return _several(operator, operand)
    if not isinstance(operand, str):
        raise ValueError(f"match clause {clause!r} needs a text after {operator!r}")
    if operator == "regex":
        try:
            search = re.compile(operand).search
        except re.error as error:
            raise ValueError(f"expression {operand!r} does not compile: {error}") from error
        return lambda name: search(name) is not None
    wanted = operand.lower()
    match operator:
        case "equals":
            return wanted.__eq__
        case "starts_with":
            return lambda name: name.startswith(wanted)
        case "ends_with":
            return lambda name: name.endswith(wanted)
        case "contains":
            return lambda name: wanted in name
    raise ValueError(
        f"match operator {operator!r} is unknown; use equals, starts_with, ends_with, contains, "
        "regex, or, and"
    )


def _several(operator: str, operands: Any) -> Callable[[str], bool]:
    if not isinstance(operands, list):
        raise ValueError(f"match operator {operator!r} needs a list of clauses, not {operands!r}")
    parts = tuple(compile_clause(operand) for operand in operands)
    if operator == "or":
        return lambda name: any(part(name) for part in parts)
    return lambda name: all(part(name) for part in parts)


def dashed_dates(name: str) -> str:
    """`model-20251211` as `model-2025-12-11`: some gateways write dates without dashes."""
    return _COMPACT_DATE.sub(_dashed, name)


def _dashed(match: re.Match[str]) -> str:
    year, month, day = (int(part) for part in match.groups())
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    last = 28 if month == 2 and not leap else _DAYS[month - 1]
    return f"-{year:04d}-{month:02d}-{day:02d}" if day <= last else match.group(0)
