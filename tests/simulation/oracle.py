"""A naive model of what the engine must end up with: it looks at everything that ever arrived.

It shares no code with the engine: no state machine, no waiting, no compensation. What it knows:
the first proof of an end that arrives wins, whoever ran has run all above it, each call counts
once, and of two reports of one call the inner counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.simulation.workload import Call, Workload

from neurorail.rules.observations import Heartbeat, Ids, SpanObserved, TransitionReported

ENDS = {"succeed": "succeeded", "fail": "failed", "cancel": "cancelled"}
RANK = {"pending": 1, "queued": 2, "running": 3}


@dataclass
class Expected:
    """The end of a run."""

    states: dict[str, str] = field(default_factory=dict)
    totals: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """Tokens, cost in pico-USD, tool calls."""
    violated: set[tuple[str, str]] = field(default_factory=set)


def expected(work: Workload) -> Expected:
    """What the engine must end up with."""
    result = Expected()
    arrived = [one.seen for one in work.sent]
    for seen in arrived:
        _state(result.states, seen)
    counted = _counted_calls(work, arrived)
    for call in counted:
        for entity_id in call.ids:
            if entity_id is not None:
                _add(result.totals, entity_id, call)
    for mission_id, below in work.foreign.items():
        for call in counted:
            if call.span_id in below:
                _add(result.totals, mission_id, call)
    _violations(work, arrived, result)
    return result


# ── states ───────────────────────────────────────────────────────────────────────────────────


def _state(states: dict[str, str], seen: object) -> None:
    match seen:
        case TransitionReported(transition="jump"):
            # Who reports it exists, and worked, as far as its ancestors are concerned.
            _reach(states, seen.ids, seen.level, "running")
        case TransitionReported(transition=name):
            own = seen.ids[seen.level]
            reached = {"create": "pending", "enqueue": "queued"}.get(name, "running")
            above = "pending" if reached != "running" else "running"
            _reach(states, seen.ids, seen.level, above)
            _reach(states, seen.ids, seen.level + 1, reached, seen.level)
            if name in ENDS:
                _end(states, own, ENDS[name])
        case SpanObserved(entity=level):
            depth = 5 if level is None else level + 1
            _reach(states, seen.ids, depth, "running")
            if level is not None and not seen.pending:
                _end(states, seen.ids[level], seen.outcome or "succeeded")
        case Heartbeat(level=level):
            _reach(states, seen.ids, level + 1, "running")


def _reach(states: dict[str, str], ids: Ids, depth: int, state: str, first: int = 0) -> None:
    for entity_id in ids[first:depth]:
        if entity_id is not None:
            known = states.get(entity_id)
            if known is None or (known in RANK and RANK[known] < RANK[state]):
                states[entity_id] = state


def _end(states: dict[str, str], entity_id: str | None, outcome: str) -> None:
    assert entity_id is not None
    if states[entity_id] in RANK:
        states[entity_id] = outcome


# ── totals ───────────────────────────────────────────────────────────────────────────────────


def _counted_calls(work: Workload, arrived: Sequence[object]) -> list[Call]:
    """Calls that arrived, but for outer reports whose inner one arrived too."""
    there = {seen.span_id for seen in arrived if isinstance(seen, SpanObserved)}
    return [
        call
        for call in work.calls.values()
        if call.span_id in there and not there.intersection(call.inner)
    ]


def _add(totals: dict[str, tuple[int, int, int]], entity_id: str, call: Call) -> None:
    tokens, cost, tools = totals.get(entity_id, (0, 0, 0))
    added = call.tokens_in + call.tokens_out
    totals[entity_id] = (tokens + added, cost + call.cost, tools + call.tools)


# ── budgets ──────────────────────────────────────────────────────────────────────────────────


def _violations(work: Workload, arrived: Sequence[object], result: Expected) -> None:
    told = _entities_that_told_their_budget(arrived)
    started = {one for one in result.states if one.startswith("a_")}
    for thing in work.things.values():
        budget = thing.budget
        if budget is None or thing.entity_id not in told:
            continue
        tokens, cost, tools = result.totals.get(thing.entity_id, (0, 0, 0))
        jobs = {one.entity_id for one in work.things.values()
                if one.level == 2 and thing.entity_id in one.ids}  # fmt: skip
        attempts = [work.things[one].ids[2] for one in started]
        retries = sum(max(attempts.count(job) - 1, 0) for job in jobs)
        for kind, limit, used in (
            ("tokens", budget.max_tokens, tokens),
            ("cost", budget.max_cost_usd_pico, cost),
            ("tool_calls", budget.max_tool_calls, tools),
            ("retries", budget.max_retries if thing.level < 3 else None, retries),
        ):
            if limit is not None and used > limit:
                result.violated.add((thing.entity_id, kind))


def _entities_that_told_their_budget(arrived: Sequence[object]) -> set[str | None]:
    told: set[str | None] = set()
    for seen in arrived:
        if isinstance(seen, TransitionReported) and seen.fields is not None:
            told.add(seen.ids[seen.level])
        elif isinstance(seen, SpanObserved) and seen.entity is not None:
            told.add(seen.ids[seen.entity])
    return told
