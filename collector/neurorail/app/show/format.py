"""Numbers, times, states and ids as people read them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from rich.text import Text

STATE_STYLES: Final = {
    "pending": "dim",
    "queued": "cyan",
    "running": "bold blue",
    "succeeded": "green",
    "failed": "red",
    "timeout": "yellow",
    "cancelled": "magenta",
}
SEVERE: Final = frozenset(
    {
        "transition_rejected",
        "orphan_detected",
        "budget_violation",
        "timeout_enforced",
        "retry_exhausted",
        "parallelism_rejected",
        "record_failed",
        "dead_letter",
        "heartbeat_missed",
    }
)
"""Types of events that report that something is wrong."""
MILD: Final = frozenset({"budget_warning", "execution_failure", "retry_attempted", "gap_inferred"})


def state_text(state: str | None) -> Text:
    """A state in capitals and its colour; a dash where it is not known."""
    if not state:
        return Text("–", style="dim")
    return Text(state.upper(), style=STATE_STYLES.get(state, ""))


def event_style(event_type: str) -> str:
    """The style of a line about an event."""
    if event_type in SEVERE:
        return "bold red"
    return "yellow" if event_type in MILD else ""


def duration(milliseconds: int | None) -> str:
    """`340 ms`, `12.5 s`, `3 m 20 s`; empty when not known."""
    if milliseconds is None:
        return ""
    if milliseconds < 1_000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1_000:.1f} s"
    minutes, rest = divmod(milliseconds // 1_000, 60)
    return f"{minutes} m {rest} s"


def usd(pico: int) -> str:
    """Pico-USD as dollars with the digits that matter."""
    dollars = Decimal(pico) / 10**12
    if dollars and abs(dollars) < Decimal("0.01"):
        return f"${Decimal(f'{dollars:.2e}'):f}"
    return f"${dollars:,.4f}" if dollars < 1 else f"${dollars:,.2f}"


def pico_usd(dollars: object) -> int:
    """Pico-USD of an amount in JSON; 0 for none."""
    return round(Decimal(str(dollars or 0)) * 10**12)


def clock(timestamp: float) -> str:
    """Local time of day with milliseconds, of seconds since the Unix epoch."""
    moment = datetime.fromtimestamp(timestamp).astimezone()
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1_000:03d}"


def short_id(entity_id: str | None) -> str:
    """The prefix and the last ten characters of an id."""
    if not entity_id or len(entity_id) <= 14:
        return entity_id or ""
    return f"{entity_id[:2]}…{entity_id[-10:]}"


def counted(number: int, one: str, many: str = "") -> str:
    """`1 tool call`, `2 tool calls`; `many` where it is not made with an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def concerned(data: dict[str, Any]) -> str:
    """The id an event is about: its own entity, else the deepest of its chain."""
    names = ("entity_id", "resource_id", "attempt_id", "job_id", "plan_id", "mission_id")
    return next((str(data[name]) for name in names if data.get(name)), "")
