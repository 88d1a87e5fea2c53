"""What a file of rule tests holds. Times are counted from the beginning of a test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from neurorail.rules.manifest.facts import FactValue
from neurorail.rules.manifest.kinds import (
    Choice,
    Duration,
    Flag,
    ListOf,
    MapOf,
    Scalar,
    Section,
    Text,
    Usd,
    Whole,
    spec,
)
from neurorail.rules.manifest.limits import Limits
from neurorail.rules.manifest.model import MODES, RECOVERIES
from neurorail.rules.observations import Ids

LEVELS = ("mission", "plan", "job", "attempt", "resource")
OUTCOMES = ("succeeded", "failed", "timeout", "cancelled")
REPEAT_MAX = 100_000
_ID = r"[mpjar]_[A-Za-z0-9._-]{1,64}"


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Where something happens; what is not named is `m_1`, `p_1`, `j_1`, `a_1`."""

    mission: str | None = field(default=None, metadata=spec(Text(_ID), "Id of the mission."))
    plan: str | None = field(default=None, metadata=spec(Text(_ID), "Id of the plan."))
    job: str | None = field(default=None, metadata=spec(Text(_ID), "Id of the job."))
    attempt: str | None = field(default=None, metadata=spec(Text(_ID), "Id of the attempt."))

    def ids(self, resource: str | None = None) -> Ids:
        """The chain, with `m_1` and so on where nothing is named."""
        return (
            self.mission or "m_1", self.plan or "p_1", self.job or "j_1", self.attempt or "a_1",
            resource,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Chain):
    """A call of a model or tool that has just ended."""

    model: str | None = field(default=None, metadata=spec(Text(), "The model."))
    provider: str | None = field(default=None, metadata=spec(Text(), "Who serves it."))
    tool: str | None = field(default=None, metadata=spec(Text(), "The tool, if it is one."))
    arguments: str = field(
        default="", metadata=spec(Text(), "What it was called with; equal texts are equal calls.")
    )
    agent: str | None = field(default=None, metadata=spec(Text(), "Who calls."))
    service: str | None = field(default=None, metadata=spec(Text(), "Its service."))
    tags: Mapping[str, FactValue] = field(
        default_factory=_nothing, metadata=spec(MapOf(Scalar()), "Tags.")
    )
    input_tokens: int = field(default=0, metadata=spec(Whole(), "Input tokens."))
    output_tokens: int = field(default=0, metadata=spec(Whole(), "Output tokens."))
    cost_usd_pico: int | None = field(
        default=None, metadata=spec(Usd(), "What it cost.", "cost_usd")
    )
    duration_ms: int = field(
        default=1_000, metadata=spec(Duration(least_ms=0), "How long it took.", "duration")
    )
    first_signal_ms: int | None = field(
        default=None, metadata=spec(Duration(), "Time to its first sign of life.", "first_signal")
    )
    outcome: str = field(default="succeeded", metadata=spec(Choice(OUTCOMES), "How it ended."))
    error_code: str | None = field(default=None, metadata=spec(Text(), "Why it failed."))
    reservation: str | None = field(
        default=None, metadata=spec(Text(), "Name of the reservation that it was granted.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Decide(Chain):
    """An agent asks whether it may."""

    job_type: str = field(default="llm_call", metadata=spec(Text(), "The type of the job."))
    context: Mapping[str, FactValue] = field(
        default_factory=_nothing, metadata=spec(MapOf(Scalar()), "What it says of itself.")
    )
    tokens: int | None = field(default=None, metadata=spec(Whole(), "Its estimate of tokens."))
    cost_usd_pico: int | None = field(
        default=None, metadata=spec(Usd(), "Its estimate of cost.", "cost_usd")
    )
    tool_calls: int | None = field(
        default=None, metadata=spec(Whole(), "Its estimate of tool calls.")
    )
    duration_ms: int | None = field(
        default=None, metadata=spec(Duration(), "Its estimate of time.", "duration")
    )
    reservation: str | None = field(
        default=None, metadata=spec(Text(), "Name of what it is granted, for calls to name.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin(Chain):
    """An entity is created and starts."""

    level: str = field(metadata=spec(Choice(LEVELS), "What it is."))
    resource: str | None = field(default=None, metadata=spec(Text(_ID), "Id of the resource."))
    orphan: bool = field(default=False, metadata=spec(Flag(), "Nothing says what it belongs to."))
    job_type: str | None = field(default=None, metadata=spec(Text(), "The type of a job."))
    agent: str | None = field(default=None, metadata=spec(Text(), "Who works on it."))
    service: str | None = field(default=None, metadata=spec(Text(), "Its service."))
    tags: Mapping[str, FactValue] = field(
        default_factory=_nothing, metadata=spec(MapOf(Scalar()), "Tags.")
    )
    budget: Limits | None = field(
        default=None, metadata=spec(Section(Limits), "Limits that it states itself.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class End(Chain):
    """An entity ends."""

    level: str = field(metadata=spec(Choice(LEVELS), "What it is."))
    resource: str | None = field(default=None, metadata=spec(Text(_ID), "Id of the resource."))
    outcome: str = field(default="succeeded", metadata=spec(Choice(OUTCOMES), "How it ended."))
    error_code: str | None = field(default=None, metadata=spec(Text(), "Why it failed."))


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat(Chain):
    """An attempt says that it is alive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedDecision:
    """What has to be decided; what is not stated may be anything."""

    allowed: bool | None = field(default=None, metadata=spec(Flag(), "Whether it may."))
    mode: str | None = field(default=None, metadata=spec(Choice(MODES), "direct or rail."))
    code: str | None = field(default=None, metadata=spec(Text(), "The code of the refusal."))
    recovery: str | None = field(
        default=None, metadata=spec(Choice(RECOVERIES), "What is to be done after a failure.")
    )
    rules: tuple[str, ...] | None = field(
        default=None, metadata=spec(ListOf(Text()), "All rules that are named, in any order.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedEvent:
    """An event that has to be said; what is not stated may be anything."""

    type: str = field(metadata=spec(Text(), "The type of the event."))
    where: Mapping[str, FactValue] = field(
        default_factory=_nothing, metadata=spec(MapOf(Scalar()), "Fields with their values.")
    )
    count: int | None = field(
        default=None, metadata=spec(Whole(), "How often exactly; without, at least once.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """What has to be said between the step before and this one."""

    decision: ExpectedDecision | None = field(
        default=None, metadata=spec(Section(ExpectedDecision), "Of the step's own decision.")
    )
    events: tuple[ExpectedEvent, ...] = field(
        default=(), metadata=spec(ListOf(Section(ExpectedEvent)), "Events, in any order.")
    )
    never: tuple[str, ...] = field(
        default=(), metadata=spec(ListOf(Text()), "Types of events that must not be said.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happens; none of them lets time pass."""

    at_ms: int = field(
        metadata=spec(Duration(least_ms=0), "When, counted from the beginning.", "at")
    )
    call: Call | None = field(default=None, metadata=spec(Section(Call), "A call ends."))
    decide: Decide | None = field(default=None, metadata=spec(Section(Decide), "An agent asks."))
    begin: Begin | None = field(default=None, metadata=spec(Section(Begin), "An entity starts."))
    end: End | None = field(default=None, metadata=spec(Section(End), "An entity ends."))
    heartbeat: Heartbeat | None = field(
        default=None, metadata=spec(Section(Heartbeat), "An attempt is alive.")
    )
    repeat: int = field(default=1, metadata=spec(Whole(1, REPEAT_MAX), "How often it happens."))
    every_ms: int = field(
        default=0, metadata=spec(Duration(least_ms=0), "Time between repetitions.", "every")
    )
    expect: Expect = field(
        default=Expect(), metadata=spec(Section(Expect), "What has to be said to it.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTest:
    """One test: an engine of its own, the manifest active from the beginning."""

    name: str = field(metadata=spec(Text(), "What it shows."))
    start: str = field(
        default="2026-01-05T00:00:00Z",
        metadata=spec(
            Text(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "Its beginning, in UTC; a Monday without."
        ),
    )
    steps: tuple[Step, ...] = field(
        metadata=spec(ListOf(Section(Step), least=1), "What happens, in ascending order of time.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTests:
    """A file of tests of one manifest."""

    manifest: str = field(
        metadata=spec(Text(), "The manifest's file, counted from this file's folder.")
    )
    tests: tuple[RuleTest, ...] = field(
        metadata=spec(ListOf(Section(RuleTest), least=1, unique="name"), "The tests.")
    )
