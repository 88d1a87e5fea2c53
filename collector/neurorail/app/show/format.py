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


def summary(event_type: str, data: dict[str, Any]) -> str:
    """What an event says, in one short line."""
    match event_type:
        case "state_changed":
            note = " (inferred)" if data.get("inferred") else ""
            before = data.get("from_state") or "new"
            return f"{data.get('entity_type')} {before} → {data.get('to_state')}{note}"
        case "transition_rejected":
            return (
                f"{data.get('entity_type')} {data.get('transition')} refused in "
                f"{data.get('current_state')}: {data.get('reason') or data.get('code')}"
            )
        case "cost_tracked":
            cost = data.get("cost_usd_pico")
            money = usd(cost) if isinstance(cost, int) and data.get("priced") else "unpriced"
            what = data.get("model") or data.get("tool") or data.get("operation")
            return f"{what}: {data.get('llm_tokens', 0)} tokens, {money}"
        case "budget_warning" | "budget_violation":
            return (
                f"{data.get('scope')} {data.get('violation_type')}: {data.get('consumed')} "
                f"of {data.get('limit')} {data.get('code') or ''}"
            ).rstrip()
        case "timeout_enforced":
            limit = data.get("timeout_ms")
            return f"{data.get('entity_type')} ran past {limit} ms {data.get('code')}"
        case "orphan_detected":
            missing = data.get("missing")
            return f"{data.get('entity_type')} without {missing} {data.get('code')}"
        case "retry_attempted":
            return f"attempt {data.get('attempt_number')}"
        case "execution_success" | "execution_failure":
            spent = duration(data.get("duration_ms"))
            return f"attempt {data.get('outcome') or 'succeeded'} after {spent}"
        case "metrics_recorded":
            tokens = (data.get("input_tokens") or 0) + (data.get("output_tokens") or 0)
            spent = duration(data.get("duration_ms"))
            return f"{data.get('entity_type')}: {spent}, {tokens} tokens"
    reason = data.get("message") or data.get("reason") or ""
    return str(reason)


def concerned(data: dict[str, Any]) -> str:
    """The id an event is about: its own entity, else the deepest of its chain."""
    names = ("entity_id", "resource_id", "attempt_id", "job_id", "plan_id", "mission_id")
    return next((str(data[name]) for name in names if data.get(name)), "")
