"""A seeded workload: what agents really did, and how their telemetry arrives.

The seed decides the options too (a swarm: in some runs nothing is lost, in others much is late), so
that different seeds explore different corners. Everything is printed with a failing test.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any

from neurorail.rules.observations import (
    Budget,
    Fields,
    Heartbeat,
    Ids,
    Observation,
    SpanLinks,
    SpanObserved,
    TransitionReported,
    Usage,
)

SECOND = 1_000_000_000
BASE = 1_800_000_000 * SECOND
END_TRANSITION = {"succeeded": "succeed", "failed": "fail", "cancelled": "cancel"}


@dataclass(frozen=True)
class Options:
    """What may happen in a run: chances between 0 and 1, times in seconds."""

    seed: int
    missions: int
    foreign: int
    lost: float
    duplicated: float
    late: float
    delay_s: float
    logs: float
    nested: float
    budgets: float
    contradicting: float
    illegal: float
    skew_s: float
    batch_s: float


def options(seed: int) -> Options:
    """The options of a seed; each of them is often off."""
    rng = random.Random(seed)

    def sometimes(value: float) -> float:
        return value * rng.random() if rng.random() < 0.6 else 0.0

    return Options(
        seed=seed,
        missions=rng.randint(1, 6),
        foreign=rng.randint(0, 4),
        lost=sometimes(0.4),
        duplicated=sometimes(0.5),
        late=sometimes(0.4),
        delay_s=rng.choice([0.0, 1.0, 5.0]),
        logs=rng.choice([0.0, 0.5, 1.0]),
        nested=sometimes(0.6),
        budgets=sometimes(1.0),
        contradicting=sometimes(0.3),
        illegal=sometimes(0.3),
        skew_s=rng.choice([0.0, 0.0, 2.0]),
        batch_s=rng.choice([0.001, 1.0, 7.0]),
    )


@dataclass
class Call:
    """A call that happened; the outer report of a nested pair names the inner ones."""

    span_id: bytes
    ids: Ids
    tokens_in: int
    tokens_out: int
    cost: int
    tools: int
    inner: list[bytes] = field(default_factory=list)


@dataclass
class Thing:
    """An entity and what is said about it."""

    entity_id: str
    ids: Ids
    level: int
    budget: Budget | None


@dataclass
class Sent:
    """One observation on its way."""

    received: int
    order: int
    seen: Observation


@dataclass
class Workload:
    """What happened, and what arrived of it in which order."""

    options: Options
    things: dict[str, Thing] = field(default_factory=dict)
    calls: dict[bytes, Call] = field(default_factory=dict)
    foreign: dict[str, list[bytes]] = field(default_factory=dict)
    """Missions derived from traces, and the calls below them."""
    sent: list[Sent] = field(default_factory=list)

    def batches(self) -> Iterator[tuple[int, list[Observation]]]:
        """Observations that arrive together, with the time they arrive at."""
        step = max(int(self.options.batch_s * SECOND), 1)
        groups: dict[int, list[Observation]] = {}
        for one in self.sent:
            groups.setdefault(-(-one.received // step) * step, []).append(fresh(one.seen))
        yield from sorted(groups.items(), key=lambda item: item[0])


def fresh(value: Any) -> Any:
    """A copy, so that no run of an engine sees what another made of an observation."""
    if not hasattr(type(value), "__dataclass_fields__"):
        return value
    return replace(value, **{part.name: fresh(getattr(value, part.name)) for part in fields(value)})


class Author:
    """Makes up a workload."""

    def __init__(self, chosen: Options) -> None:
        self.options = chosen
        self.rng = random.Random(chosen.seed * 7919 + 1)
        self.work = Workload(chosen)
        self.spans = 0

    def write(self) -> Workload:
        for number in range(self.options.missions):
            self._mission(number)
        for number in range(self.options.foreign):
            self._foreign_trace(number)
        self.work.sent.sort(key=lambda one: (one.received, one.order))
        return self.work

    # ── what happens ─────────────────────────────────────────────────────────────────────────

    def _mission(self, number: int) -> None:
        rng = self.rng
        skew = int(rng.uniform(-1, 1) * self.options.skew_s * SECOND)
        self.trace = (1000 + number).to_bytes(16, "big")
        start = BASE + rng.randrange(60) * SECOND + skew
        mission = f"m_{number}"
        root = self._span_id()
        at = start
        for plan_number in range(rng.randint(1, 2)):
            plan = f"p_{number}.{plan_number}"
            plan_span = self._span_id()
            began = at
            for job_number in range(rng.randint(1, 3)):
                at = self._job((mission, plan, f"j_{number}.{plan_number}.{job_number}"),
                               plan_span, at)  # fmt: skip
            self._entity((mission, plan, None, None, None), 1, plan_span, root, began, at)
        self._entity((mission, None, None, None, None), 0, root, b"", start, at)

    def _job(self, above: tuple[str, str, str], parent: bytes, start: int) -> int:
        span_id = self._span_id()
        at = start
        for number in range(1, self.rng.randint(1, 3) + 1):
            ids: Ids = (*above, f"a{above[2][1:]}.{number}", None)
            attempt_span = self._span_id()
            end = at + self.rng.randint(10, 3000) * 1_000_000
            self._calls(ids, attempt_span, at, end)
            self._entity(ids, 3, attempt_span, span_id, at, end, number)
            at = end
        self._entity((*above, None, None), 2, span_id, parent, start, at)
        return at

    def _calls(self, ids: Ids, parent: bytes, start: int, end: int) -> None:
        for _ in range(self.rng.randint(0, 3)):
            if self.rng.random() >= self.options.nested:
                self._call(ids, parent, start, end)
                continue
            # Two instrumentations report it: the outer repeats the sum of the inner ones.
            outer = Call(self._span_id(), ids, 0, 0, 0, 0)
            for _ in range(self.rng.randint(1, 2)):
                inner = self._call(ids, outer.span_id, start, end, inner=True)
                outer.inner.append(inner.span_id)
                outer.tokens_in += inner.tokens_in
                outer.tokens_out += inner.tokens_out
                outer.cost += inner.cost
            self._tell(outer, parent, start, end)

    def _call(self, ids: Ids, parent: bytes, start: int, end: int, inner: bool = False) -> Call:
        rng = self.rng
        tool = not inner and rng.random() < 0.3
        call = Call(self._span_id(), ids, 0, 0, 0, int(tool))
        if not tool:
            call.tokens_in, call.tokens_out = rng.randrange(100), rng.randrange(50)
            call.cost = rng.randrange(999)
        self._tell(call, parent, start, end, keep=inner)
        return call

    def _tell(self, call: Call, parent: bytes, start: int, end: int, keep: bool = False) -> None:
        self.work.calls[call.span_id] = call
        usage = None
        if not call.tools:
            usage = Usage(
                "inference",
                input_tokens=call.tokens_in,
                output_tokens=call.tokens_out,
                cost_usd_pico=call.cost,
                has_tokens=True,
            )
        role = "tool" if call.tools else "inference"
        span = SpanObserved(
            self.trace, call.span_id, parent, start, end, call.ids, role=role, usage=usage
        )
        self._send(end, span, keep=keep)

    def _foreign_trace(self, number: int) -> None:
        """An agent and its calls that know nothing of NeuroRail, in one trace."""
        self.trace = (5000 + number).to_bytes(16, "big")
        start = BASE + self.rng.randrange(60) * SECOND
        end = start + 5 * SECOND
        agent = self._span_id()
        nowhere: Ids = (None, None, None, None, None)
        below = [self._call(nowhere, agent, start, end).span_id
                 for _ in range(self.rng.randint(1, 4))]  # fmt: skip
        self.work.foreign[f"m_{self.trace.hex()}"] = below
        self._send(end, SpanObserved(self.trace, agent, b"", start, end, role="agent"))

    # ── what is said about it ────────────────────────────────────────────────────────────────

    def _entity(
        self, ids: Ids, level: int, span_id: bytes, parent: bytes, start: int, end: int,
        attempt_number: int | None = None,
    ) -> None:  # fmt: skip
        rng = self.rng
        entity_id = ids[level]
        assert entity_id is not None
        budget = None
        if rng.random() < self.options.budgets:
            budget = Budget(max_tokens=rng.choice([None, 0, 50, 300]),
                            max_cost_usd_pico=rng.choice([None, 900, 5000]),
                            max_tool_calls=rng.choice([None, 0, 1, 4]),
                            max_retries=rng.choice([None, 0, 1]))  # fmt: skip
        self.work.things[entity_id] = Thing(entity_id, ids, level, budget)
        said = Fields(attempt_number=attempt_number, budget=budget)
        outcome = rng.choice(["succeeded", "succeeded", "failed", "cancelled"])
        if rng.random() < self.options.logs:
            for name, time in (("create", start), ("enqueue", start), ("start", start)):
                self._report(ids, level, name, time, said)
            # A cancelled attempt may never have started: whether it counts is not for the model.
            if rng.random() < 0.5 and (level != 3 or outcome != "cancelled"):
                other = "failed" if outcome == "succeeded" else outcome
                contradicts = rng.random() < self.options.contradicting
                told = other if contradicts else outcome
                self._report(ids, level, END_TRANSITION[told], end, None)
        if level == 3 and rng.random() < 0.2:
            self._send(start, Heartbeat(level, ids, start))
        if rng.random() < self.options.illegal:
            self._report(ids, level, rng.choice(["start", "jump"]), end + 20 * SECOND, None, 90)
        span = SpanObserved(self.trace, span_id, parent, start, end, ids, level,
                            outcome=outcome, fields=fresh(said))  # fmt: skip
        if rng.random() < 0.2:
            self._send(start, replace(span, pending=True, outcome=None, fields=fresh(said)))
        self._send(end, span, keep=level == 3)
        if rng.random() < 0.2:
            self._send(end, SpanLinks(self.trace + self._span_id() + span_id))

    def _report(
        self, ids: Ids, level: int, name: str, time: int, said: Fields | None, after_s: int = 0
    ) -> None:
        seen = TransitionReported(level, ids, name, time, "log", fields=fresh(said))
        self._send(time + after_s * SECOND, seen)

    def _span_id(self) -> bytes:
        self.spans += 1
        return self.spans.to_bytes(8, "big")

    def _send(self, time: int, seen: Observation, keep: bool = False) -> None:
        """Put an observation on its way: lost, duplicated, delayed, late."""
        rng = self.rng
        if not keep and rng.random() < self.options.lost:
            return
        copies = 1 + (rng.random() < self.options.duplicated)
        for _ in range(copies):
            delay = rng.random() * self.options.delay_s
            if rng.random() < self.options.late:
                delay += rng.uniform(10, 120)
            received = max(time, BASE) + int(delay * SECOND)
            self.work.sent.append(Sent(received, len(self.work.sent), fresh(seen)))


def make(seed: int) -> Workload:
    """The workload of a seed."""
    return Author(options(seed)).write()
