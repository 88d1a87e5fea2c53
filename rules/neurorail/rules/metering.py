"""Metering: each call is charged once, to its resource and everything above it.

A call is known by its span; two spans of one trace that report the same call (the same response id,
or one inside the other) are one call, and the innermost is billed. What turns out later to belong
elsewhere is moved by a compensating entry, never edited.
"""

from __future__ import annotations

from typing import Any

from neurorail.rules.charging import charge
from neurorail.rules.config import DAY_NS, MS
from neurorail.rules.entity import (
    CACHE_READ,
    CACHE_WRITE,
    COST,
    INPUT,
    LEVEL_NAMES,
    LEVEL_OF_PREFIX,
    MODEL_CALLS,
    OUTPUT,
    REASONING,
    TOOL_CALLS,
    UNPRICED,
)
from neurorail.rules.governor import settlement
from neurorail.rules.observations import Ids, SpanObserved, Usage, UsageReported
from neurorail.rules.priced import cost_usd_pico
from neurorail.rules.reflex import observe
from neurorail.rules.state import State
from neurorail.rules.trace import LINKS_MAX, About, Bill, Trace

BILLABLE = frozenset({"inference", "embedding", "tool"})
"""Roles of spans that are calls; agent and workflow spans only repeat their children's numbers."""


def bill_span(state: State, trace: Trace, seen: SpanObserved, ids: Ids) -> None:
    """Charge the call that a finished span reports, unless it has been charged already."""
    usage = seen.usage
    if usage is None and seen.role in BILLABLE:
        usage = Usage(seen.role)
    if usage is None or seen.pending:
        return
    span_id = seen.span_id
    known = trace.bills.get(span_id)
    if known is not None:
        state.count("duplicate_usage")
        return
    age_ns = state.now - seen.end_unix_nano
    if not seen.history and age_ns > state.times.billing_memory_days * DAY_NS:
        _too_late(state, seen, usage, ids, age_ns)
        return
    amounts, priced = amounts_of(state, usage, seen.start_unix_nano)
    bill = Bill(ids, usage.operation, usage.response_id, amounts, True, _about(seen, usage))
    if usage.operation != "tool":
        bill.counted = not _repeats_another(trace, span_id, bill)
    forgotten = trace.bill(span_id, bill)
    if forgotten:
        state.count("bills_forgotten", forgotten)
    if not bill.counted:
        state.count("duplicate_usage")
        return
    if state.before_charge is not None and not state.before_charge(seen, ids, amounts):
        bill.counted = False
        return
    if usage.operation != "tool":
        _mark_above(state, trace, span_id)
    charge(state, ids, amounts, seen.end_unix_nano)
    if "cost_tracked" not in state.quiet:
        _tracked(state, seen, usage, ids, amounts, priced)
    observe.call_ended(state, seen, ids, amounts)
    bill.governed = settlement.usage_charged(state, seen, ids, amounts)


def _about(seen: SpanObserved, usage: Usage) -> About:
    fields = seen.fields
    if fields is None:
        return (usage.provider, usage.model, None, None, None)
    return (usage.provider, usage.model, fields.agent, fields.service, fields.tool)


def amounts_of(state: State, usage: Usage, at_unix_nano: int) -> tuple[list[int], bool]:
    """What a call adds to the totals, in their order, and whether its cost is known."""
    amounts = [0] * 9
    if usage.operation == "tool":
        amounts[TOOL_CALLS] = 1
        if usage.cost_usd_pico is not None:
            amounts[COST] = usage.cost_usd_pico
        return amounts, True
    amounts[INPUT] = usage.input_tokens
    amounts[OUTPUT] = usage.output_tokens
    amounts[CACHE_READ] = usage.cache_read_tokens
    amounts[CACHE_WRITE] = usage.cache_write_tokens
    amounts[REASONING] = usage.reasoning_tokens
    amounts[MODEL_CALLS] = 1
    cost = cost_usd_pico(state, usage, at_unix_nano)
    if cost is None:
        cost = usage.cost_usd_pico
    if cost is None:
        amounts[UNPRICED] = 1 if usage.has_tokens else 0
        return amounts, not usage.has_tokens
    amounts[COST] = cost
    return amounts, True


def move_bill(
    state: State, trace: Trace, span_id: bytes, to_ids: Ids | None, time: int, reason: str
) -> None:
    """Move a charge to another chain, or take it back (`to_ids` None), by a compensating entry."""
    bill = trace.bills[span_id]
    from_ids = bill.ids
    if not bill.counted or from_ids == to_ids:
        return
    if to_ids is None:
        charge(state, from_ids, bill.amounts, time, -1)
        bill.counted = False
        settlement.usage_taken_back(state, bill)
    else:
        away: Any = tuple(a if a != b else None for a, b in zip(from_ids, to_ids, strict=True))
        toward: Any = tuple(b if a != b else None for a, b in zip(from_ids, to_ids, strict=True))
        charge(state, away, bill.amounts, time, -1)
        charge(state, toward, bill.amounts, time)
        bill.ids = to_ids
        settlement.usage_moved(state, bill)
    amounts = bill.amounts
    provider, model, agent, service, tool = bill.about
    state.emit(
        "usage_moved",
        to_ids or from_ids,
        time,
        {
            "from_ids": list(from_ids),
            "to_ids": None if to_ids is None else list(to_ids),
            "span_id": span_id.hex(),
            "llm_tokens": amounts[INPUT] + amounts[OUTPUT],
            "input_tokens": amounts[INPUT],
            "output_tokens": amounts[OUTPUT],
            "cost_usd_pico": amounts[COST],
            "tool_calls": amounts[TOOL_CALLS],
            "operation": bill.operation,
            "provider": provider,
            "model": model,
            "agent": agent,
            "service": service,
            "tool": tool,
            "reason": reason,
        },
        f"usage of one call moved: {reason}",
    )


# ── nested instrumentations ──────────────────────────────────────────────────────────────────


def _repeats_another(trace: Trace, span_id: bytes, bill: Bill) -> bool:
    """Whether a call inside this span is billed already, or the same response elsewhere.

    A billed span above this one is no reason: it is taken back, since the innermost wins.
    """
    if span_id in trace.above:
        return True
    other_id = trace.responses.get(bill.response_id) if bill.response_id is not None else None
    other = trace.bills.get(other_id) if other_id is not None else None
    if other is None or other_id is None or not other.counted:
        return False
    current = trace.links.get(span_id)
    for _ in range(LINKS_MAX):
        if not current:
            return True
        if current == other_id:
            return False
        current = trace.links.get(current)
    return True


def _mark_above(state: State, trace: Trace, start: bytes) -> None:
    """Walk up from a billed call: what lies above only repeats it."""
    current = start
    while True:
        parent = trace.links.get(current)
        if parent is None:
            trace.unlinked[current] = None
            return
        if not parent or parent in trace.above:
            return
        trace.above.add(parent)
        outer = trace.bills.get(parent)
        if outer is not None and outer.counted and outer.operation != "tool":
            reason = "an inner span reports the call"
            move_bill(state, trace, parent, None, state.now, reason)
        current = parent


def link_found(state: State, trace: Trace, span_id: bytes) -> None:
    """The parent of a span became known at which a way up from a billed call had ended."""
    trace.unlinked.pop(span_id, None)
    _mark_above(state, trace, span_id)


# ── saying so ────────────────────────────────────────────────────────────────────────────────


def _tracked(
    state: State,
    seen: SpanObserved,
    usage: Usage,
    ids: Ids,
    amounts: list[int],
    priced: bool,
) -> None:
    fields = seen.fields
    own = next(entity_id for entity_id in reversed(ids) if entity_id is not None)
    state.emit(
        "cost_tracked",
        ids,
        seen.end_unix_nano,
        {
            "entity_type": LEVEL_NAMES[LEVEL_OF_PREFIX[own[:2]]],
            "entity_id": own,
            "operation": usage.operation,
            "provider": usage.provider,
            "model": usage.model,
            "llm_tokens": amounts[INPUT] + amounts[OUTPUT],
            "input_tokens": amounts[INPUT],
            "output_tokens": amounts[OUTPUT],
            "cache_read_tokens": amounts[CACHE_READ],
            "cache_write_tokens": amounts[CACHE_WRITE],
            "reasoning_tokens": amounts[REASONING],
            "cost_usd_pico": amounts[COST] if priced else None,
            "priced": priced,
            "price_version": _price_version(state, usage, seen) if priced else None,
            "agent": fields.agent if fields is not None else None,
            "service": fields.service if fields is not None else None,
            "tool": fields.tool if fields is not None else None,
            "sampled": seen.sampled,
        },
        "call metered" if priced else f"call metered, model {usage.model} has no price",
    )


def _price_version(state: State, usage: Usage, seen: SpanObserved) -> str:
    own, at = state.manifest.own_prices, seen.start_unix_nano
    if own is not None and own.cost_usd_pico(usage.provider, usage.model, usage, at) is not None:
        return own.version
    return state.prices_version


def _too_late(state: State, seen: SpanObserved, usage: Usage, ids: Ids, age_ns: int) -> None:
    state.count("usage_too_late")
    state.emit(
        "usage_too_late",
        ids,
        seen.end_unix_nano,
        {
            "span_id": seen.span_id.hex(),
            "llm_tokens": usage.input_tokens + usage.output_tokens,
            "age_ms": age_ns // MS,
        },
        "usage is older than the billing memory",
    )


def usage_reported(state: State, seen: UsageReported, ids: Ids) -> None:
    """Charge usage that was written through REST."""
    amounts, priced = amounts_of(state, seen.usage, seen.time_unix_nano)
    charge(state, ids, amounts, seen.time_unix_nano)
    span = SpanObserved(b"", b"", b"", seen.time_unix_nano, seen.time_unix_nano, usage=seen.usage)
    _tracked(state, span, seen.usage, ids, amounts, priced)
    settlement.usage_charged(state, span, ids, amounts)
