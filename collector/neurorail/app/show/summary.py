"""What an event says, in one short line: by the type of the event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from neurorail.app.show.format import concerned, counted, duration, pico_usd, short_id, usd

Data = dict[str, Any]
PLAIN_FIELDS: Final = 3
_SHOWN: Final = frozenset(
    {"event_time", "entity_type", "entity_id"}
    | {f"{level}_id" for level in ("mission", "plan", "job", "attempt", "resource")}
)
"""Fields that say where and when, which is shown beside."""


def summary(event_type: str, data: Data) -> str:
    """One line, without the id that `concerned` names; empty where there is nothing to say."""
    return " ".join(_SENTENCES.get(event_type, _otherwise)(data).split())


def scope_text(scope: Any, own_id: str = "") -> str:
    """What a scope means to a person: `job`, `pool team a`, `provider openai, model gpt-5`.

    Args:
        scope: Names and values, or a text.
        own_id: The id that is shown already.
    """
    if not isinstance(scope, dict):
        return str(scope or "")
    if "entity_id" in scope:
        identity = str(scope["entity_id"])
        named = "" if identity == own_id else f" {short_id(identity)}"
        return f"{scope.get('entity_type') or 'entity'}{named}"
    if "pool" in scope:
        return " ".join(str(scope[name]) for name in ("pool", "key") if scope.get(name))
    return ", ".join(f"{name} {value}" for name, value in scope.items()) or "everything"


def _otherwise(data: Data) -> str:
    """The reason, else the first plain fields."""
    said = data.get("message") or data.get("reason") or data.get("question")
    if said:
        return str(said)
    plain = [
        f"{name.replace('_', ' ')} {value}"
        for name, value in data.items()
        if name not in _SHOWN and value not in (None, "") and not isinstance(value, dict | list)
    ]
    return ", ".join(plain[:PLAIN_FIELDS])


def _amount(kind: str, value: Any) -> str:
    """An amount in the unit of a limit."""
    if not isinstance(value, int | float):
        return "?"
    if kind in ("timeout", "wall_time"):
        return duration(int(value))
    return usd(pico_usd(value)) if kind == "cost" else f"{value:,}"


def _budget(data: Data) -> str:
    kind = str(data.get("violation_type") or "")
    used, limit = (_amount(kind, data.get(name)) for name in ("consumed", "limit"))
    whose = scope_text(data.get("scope"), concerned(data))
    said = f"{whose} {kind.replace('_', ' ')}: {used} of {limit}"
    return _with_code(said.strip(), data)


def _with_code(said: str, data: Data) -> str:
    return f"{said} {data['code']}" if data.get("code") else said


def _state_changed(data: Data) -> str:
    note = " (inferred)" if data.get("inferred") else ""
    return f"{_kind(data)} {data.get('from_state') or 'new'} → {data.get('to_state')}{note}"


def _transition_rejected(data: Data) -> str:
    why = data.get("reason") or data.get("code")
    return f"{_kind(data)} {data.get('transition')} refused in {data.get('current_state')}: {why}"


def _cost_tracked(data: Data) -> str:
    cost, tokens, tool = data.get("cost_usd_pico"), data.get("llm_tokens") or 0, data.get("tool")
    money = usd(cost) if isinstance(cost, int) and data.get("priced") else "unpriced"
    if tool and not tokens:
        return f"{tool}: a tool call, {money}" if cost else f"{tool}: a tool call"
    what = data.get("model") or tool or data.get("operation")
    return f"{what}: {counted(tokens, 'token')}, {money}"


def _retry_exhausted(data: Data) -> str:
    tried = counted(data.get("retries") or 0, "retry", "retries")
    return _with_code(f"{tried}, {data.get('max_retries')} allowed", data)


def _orphan_detected(data: Data) -> str:
    missing = data.get("missing") or ["parent"]
    names = missing if isinstance(missing, list) else [missing]
    return _with_code(f"{_kind(data)} without {' and '.join(map(str, names))}", data)


def _metrics_recorded(data: Data) -> str:
    tokens = (data.get("input_tokens") or 0) + (data.get("output_tokens") or 0)
    return f"{_kind(data)}: {duration(data.get('duration_ms'))}, {counted(tokens, 'token')}"


def _ended(data: Data) -> str:
    reason = f": {data['reason']}" if data.get("reason") else ""
    outcome = data.get("outcome") or "succeeded"
    return f"attempt {outcome} after {duration(data.get('duration_ms'))}{reason}"


def _access_denied(data: Data) -> str:
    needs = f", needs {data['permission']}" if data.get("permission") else ""
    times = f", {data['count']} times" if (data.get("count") or 0) > 1 else ""
    return f"credential {data.get('reason')}{needs}{times}: {data.get('operation')}"


def _snapshot(data: Data) -> str:
    running = (data.get("active_executions") or {}).get("running_missions") or 0
    missions = (data.get("entity_counts") or {}).get("missions") or 0
    return f"{running:,} of {counted(missions, 'mission')} running"


def _directive(data: Data) -> str:
    scope = scope_text(data.get("scope"), concerned(data))
    reason = f": {data['reason']}" if data.get("reason") else ""
    return f"{data.get('action')} {scope}{reason}"


def _circuit(data: Data) -> str:
    states = f"{data.get('from_state') or 'new'} → {data.get('to_state')}"
    return f"circuit of {scope_text(data.get('scope'), concerned(data))} {states}"


def _timed(words: str, field: str) -> Callable[[Data], str]:
    return lambda data: f"{_kind(data)} {words} {duration(data.get(field))}"


def _kind(data: Data) -> str:
    return str(data.get("entity_type") or "")


_SENTENCES: Final[Mapping[str, Callable[[Data], str]]] = MappingProxyType({
    "state_changed": _state_changed,
    "transition_rejected": _transition_rejected,
    "cost_tracked": _cost_tracked,
    "budget_warning": _budget,
    "budget_violation": _budget,
    "timeout_enforced": lambda data: _with_code(
        f"{_kind(data)} ran past {duration(data.get('timeout_ms'))}", data),
    "orphan_detected": _orphan_detected,
    "orphan_lifted": lambda data: f"{_kind(data)} found its parent",
    "retry_attempted": lambda data: f"attempt {data.get('attempt_number')}",
    "retry_exhausted": _retry_exhausted,
    "parallelism_rejected": lambda data: _with_code(
        f"{data.get('running')} attempts at once, {data.get('limit')} allowed", data),
    "execution_start": lambda data: f"attempt of {data.get('job_type') or 'a job'}",
    "execution_success": _ended,
    "execution_failure": _ended,
    "metrics_recorded": _metrics_recorded,
    "tt_first_signal": _timed("after", "tt_first_signal_ms"),
    "snapshot_created": _snapshot,
    "late_outcome": lambda data: f"{_kind(data)} is {data.get('state')}, reports "
                                 f"{data.get('outcome')}",
    "late_input": lambda data: f"{_kind(data)} is {data.get('state')}, reports "
                               f"{data.get('transition')}",
    "heartbeat_missed": _timed("silent for", "silent_ms"),
    "entity_idle": _timed("idle for", "idle_ms"),
    "agent_connected": lambda data: " ".join(
        str(data[name]) for name in ("agent", "service", "sdk") if data.get(name)),
    "reservation_settled": lambda data: f"reservation {data.get('how') or 'settled'}",
    "reservation_unsettled": lambda data: f"reservation waits for usage: {data.get('reason')}",
    "access_denied": _access_denied,
    "key_created": lambda data: f"nrk_{data.get('key_id')} {data.get('name') or ''}".rstrip(),
    "key_revoked": lambda data: f"nrk_{data.get('key_id')} {data.get('name') or ''}".rstrip(),
    "engine_epoch": lambda data: f"epoch {data.get('epoch')}, engine {data.get('engine_version')}",
    "prices_loaded": lambda data: f"{counted(data.get('models') or 0, 'model')}, "
                                  f"{data.get('version')}",
    "resumed": lambda data: f"after {duration(data.get('down_ms'))} away",
    "audit_checkpoint": lambda data: f"{counted(data.get('total') or 0, 'event')} signed",
    "directive_issued": _directive,
    "directive_lifted": _directive,
    "circuit_state_changed": _circuit,
})  # fmt: skip
