"""What was decided, in numbers, and the newest decisions: one object a tenant."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from neurorail.rules.kept import Kind, Row
from neurorail.rules.state import State

RECENT_MAX: Final = 20
_NAME: Final = "all"


@dataclass(slots=True)
class Decided:
    """Counts since the data directory was made."""

    total: int = 0
    refused: int = 0
    by_mode: dict[str, int] = field(default_factory=dict)
    by_code: dict[str, int] = field(default_factory=dict)
    """Refusals; codes are the project's own or NR-E2xx, so that there are few."""
    recent: list[dict[str, Any]] = field(default_factory=list)
    """Newest last."""


def _to_row(one: Decided) -> Row:
    return [one.total, one.refused, one.by_mode, one.by_code, one.recent]


def _from_row(row: Row) -> Decided:
    return Decided(row[0], row[1], dict(row[2]), dict(row[3]), list(row[4]))


DECIDED: Final = Kind("decided", 1, _to_row, _from_row)


def decided(state: State, tenant: str) -> Decided:
    """The tenant's numbers."""
    return state.kept.get(DECIDED, tenant, _NAME) or Decided()


def note(state: State, summary: dict[str, Any]) -> None:
    """Count a decision: `mode`, `allowed`, `code` and what else a list of decisions shows."""
    one = state.kept.get(DECIDED, state.tenant, _NAME)
    if one is None:
        one = Decided()
        state.kept.put(DECIDED, state.tenant, _NAME, one)
    one.total += 1
    mode, code = summary["mode"], summary["code"]
    one.by_mode[mode] = one.by_mode.get(mode, 0) + 1
    if not summary["allowed"]:
        one.refused += 1
        one.by_code[code] = one.by_code.get(code, 0) + 1
    one.recent.append(summary)
    del one.recent[:-RECENT_MAX]
    state.kept.changed(DECIDED, state.tenant, _NAME)
