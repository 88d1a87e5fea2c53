"""Runs rule tests on the engine itself, with the ticks that a server would have made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from neurorail.rules.config import MS, EngineConfig
from neurorail.rules.engine import Engine
from neurorail.rules.events import EVENT_TYPES, Event
from neurorail.rules.manifest.facts import FactValue, as_text
from neurorail.rules.manifest.faults import nearest
from neurorail.rules.manifest.model import Manifest
from neurorail.rules.manifest.windows import unix_s
from neurorail.rules.observations import (
    ATTEMPT,
    RESOURCE,
    Budget,
    DecideRequested,
    Fields,
    Heartbeat,
    Ids,
    ManifestDrafted,
    ManifestMoved,
    Observation,
    SpanObserved,
    Tick,
    TransitionReported,
    Usage,
)
from neurorail.rules.rule_tests.document import (
    LEVELS,
    Begin,
    Call,
    Decide,
    End,
    ExpectedDecision,
    ExpectedEvent,
    RuleTest,
    Step,
)

TENANT: Final = "default"
_END: Final = {"succeeded": "succeed", "failed": "fail", "timeout": "timeout",
               "cancelled": "cancel"}  # fmt: skip
_ESTIMATES: Final = ("tokens", "cost_usd_pico", "tool_calls", "duration_ms")


@dataclass(frozen=True, slots=True)
class Failure:
    """One expectation that was not met."""

    step: int
    """From 1."""
    message: str


def run_test(
    manifest: Manifest, test: RuleTest, heard: Callable[[Event], None] = lambda event: None
) -> list[Failure]:
    """What of a test was not met, in order; empty if all of it was.

    Args:
        manifest: Active from the beginning.
        test: What happens, and what has to be said.
        heard: Called with every event that is said.
    """
    return list(_Run(manifest, test, heard).failures())


class _Run:
    def __init__(self, manifest: Manifest, test: RuleTest, heard: Callable[[Event], None]) -> None:
        self._test = test
        self._heard = heard
        self._engine = Engine(EngineConfig())
        self._begin = unix_s(test.start) * 1_000_000_000
        self._now = self._begin - 1
        self._number = 0
        self._events: list[Event] = []
        self._tell(
            self._now,
            ManifestDrafted(manifest.json),
            ManifestMoved(manifest.version, "activate", "test", True),
        )
        self._events = []

    def failures(self) -> Iterator[Failure]:
        """Run every step."""
        before = 0
        for place, step in enumerate(self._test.steps):
            number = place + 1
            if step.at_ms < before:
                yield Failure(number, f"it is at {step.at_ms} ms, before the step before it")
                return
            before = step.at_ms + (step.repeat - 1) * step.every_ms
            for message in self._step(step):
                yield Failure(number, message)

    def _step(self, step: Step) -> Iterator[str]:
        for turn in range(step.repeat):
            self._pass_time(self._begin + (step.at_ms + turn * step.every_ms) * MS)
            for seen in self._observations(step):
                self._tell(self._now, seen)
        said, self._events = self._events, []
        for event in said:
            self._heard(event)
        yield from _unmet(step, said)

    # ── into the engine ──────────────────────────────────────────────────────────────────────

    def _pass_time(self, until: int) -> None:
        while (due := self._engine.next_deadline()) is not None and due <= until:
            self._now = max(due, self._now + 1)
            self._tell(self._now, Tick())
        self._now = max(until, self._now + 1)

    def _tell(self, now: int, *seen: Observation) -> None:
        self._events += self._engine.apply(now, TENANT, seen)

    def _observations(self, step: Step) -> Iterator[Observation]:
        self._number += 1
        if step.begin is not None:
            yield from self._begun(step.begin)
        if step.decide is not None:
            yield self._decide(step.decide)
        if step.call is not None:
            yield self._call(step.call)
        if step.heartbeat is not None:
            yield Heartbeat(ATTEMPT, step.heartbeat.ids(), self._now)
        if step.end is not None:
            yield self._ended(step.end)

    def _call(self, call: Call) -> SpanObserved:
        operation = "inference" if call.tool is None else "tool"
        usage = Usage(
            operation,
            call.provider,
            call.model,
            input_tokens=call.input_tokens,
            output_tokens=call.output_tokens,
            cost_usd_pico=call.cost_usd_pico,
            has_tokens=bool(call.input_tokens or call.output_tokens),
        )
        fields = Fields(
            agent=call.agent,
            service=call.service,
            model=call.model,
            provider=call.provider,
            tool=call.tool,
            tags=_tags(call.tags),
        )
        return SpanObserved(
            b"rule test trace.",
            self._number.to_bytes(8, "big"),
            b"",
            self._now - call.duration_ms * MS,
            self._now,
            call.ids(f"r_{self._number}"),
            entity=RESOURCE,
            role=operation,
            outcome=call.outcome,
            error_code=call.error_code,
            error=call.outcome != "succeeded",
            fields=fields,
            usage=usage,
            reservation_id=_reservation(call.reservation),
            first_signal_ms=call.first_signal_ms,
            arguments=call.arguments,
        )

    def _decide(self, asked: Decide) -> DecideRequested:
        named = (asked.mission or "m_1", asked.plan, asked.job, asked.attempt, None)
        estimates = tuple(
            (name, amount)
            for name in _ESTIMATES
            if (amount := getattr(asked, name)) is not None
        )  # fmt: skip
        return DecideRequested(
            f"d_{self._number}",
            _reservation(asked.reservation) or f"v_{self._number}",
            named,
            asked.job_type,
            tuple(sorted(asked.context.items())),
            estimates,
        )

    def _begun(self, begun: Begin) -> Iterator[Observation]:
        level = LEVELS.index(begun.level)
        fields = Fields(
            job_type=begun.job_type,
            agent=begun.agent,
            service=begun.service,
            tags=_tags(begun.tags),
            budget=_budget(begun),
        )
        ids = _down_to(begun.ids(begun.resource), level)
        if begun.orphan:
            ids = _alone(ids, level)
        for transition in ("create", "enqueue", "start"):
            yield TransitionReported(
                level,
                ids,
                transition, self._now, "log",
                fields=fields,
            )  # fmt: skip

    def _ended(self, ended: End) -> TransitionReported:
        level = LEVELS.index(ended.level)
        return TransitionReported(
            level,
            _down_to(ended.ids(ended.resource), level),
            _END[ended.outcome],
            self._now,
            "log",
            error_code=ended.error_code,
        )


def _down_to(ids: Ids, level: int) -> Ids:
    named = [entity_id if at <= level else None for at, entity_id in enumerate(ids)]
    if level == RESOURCE and named[RESOURCE] is None:
        named[RESOURCE] = "r_1"
    return (named[0], named[1], named[2], named[3], named[4])


def _alone(ids: Ids, level: int) -> Ids:
    own = [entity_id if at == level else None for at, entity_id in enumerate(ids)]
    return (own[0], own[1], own[2], own[3], own[4])


def _tags(tags: Mapping[str, FactValue]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, as_text(value)) for key, value in tags.items()))


def _reservation(name: str | None) -> str | None:
    return None if name is None else f"v_{name}"


def _budget(begun: Begin) -> Budget | None:
    limits = begun.budget
    if limits is None:
        return None
    return Budget(
        limits.wall_time_ms,
        limits.max_tokens,
        limits.max_cost_usd_pico,
        limits.max_retries,
        limits.max_parallel,
        limits.max_tool_calls,
    )


# ── what was said, and what had to be ────────────────────────────────────────────────────────


def _unmet(step: Step, said: list[Event]) -> Iterator[str]:
    expect = step.expect
    if expect.decision is not None:
        yield from _decision(expect.decision, said)
    for wanted in expect.events:
        message = _event(wanted, said)
        if message is not None:
            yield message
    for event_type in expect.never:
        found = [event for event in said if event.type == event_type]
        if event_type not in EVENT_TYPES:
            yield f"{event_type!r} is no type of event; {nearest(event_type, EVENT_TYPES)}"
        elif found:
            yield f"{event_type} was said: {found[0].message}"


def _decision(wanted: ExpectedDecision, said: list[Event]) -> Iterator[str]:
    decided = [event.data for event in said if event.type == "mode_decided"]
    if not decided:
        yield "nothing was decided: the step has no `decide`"
        return
    data = decided[-1]
    for name, value, found in (
        ("allowed", wanted.allowed, data["allowed"]),
        ("mode", wanted.mode, data["mode"]),
        ("code", wanted.code, data["code"]),
        ("recovery", wanted.recovery, data["recovery_strategy"]),
    ):
        if value is not None and value != found:
            yield f"{name} is {_shown(found)}, expected {_shown(value)}: {data['reason']}"
    if wanted.rules is not None:
        named = sorted({*data["matched_rules"], *(one["rule_id"] for one in data["reasons"])})
        if named != sorted(set(wanted.rules)):
            listed = ", ".join(named) or "none"
            yield f"the rules are {listed}, expected {', '.join(wanted.rules) or 'none'}"


def _event(wanted: ExpectedEvent, said: list[Event]) -> str | None:
    if wanted.type not in EVENT_TYPES:
        return f"{wanted.type!r} is no type of event; {nearest(wanted.type, EVENT_TYPES)}"
    of_type = [event for event in said if event.type == wanted.type]
    found = [event for event in of_type if _fits(wanted, event)]
    if found if wanted.count is None else len(found) == wanted.count:
        return None
    often = "" if wanted.count is None else f" {wanted.count} times"
    where = "".join(f", {name} {_shown(value)}" for name, value in wanted.where.items())
    there = "; ".join(event.message for event in of_type[:3]) or "none was said"
    return f"{wanted.type}{where} was expected{often}, found {len(found)}: {there}"


def _fits(wanted: ExpectedEvent, event: Event) -> bool:
    chain = dict(zip((f"{level}_id" for level in LEVELS), event.ids, strict=True))
    data: dict[str, Any] = {**chain, **event.data}
    return all(as_text(data.get(name)) == as_text(value) for name, value in wanted.where.items())


def _shown(value: object) -> str:
    return "nothing" if value is None else as_text(value)
