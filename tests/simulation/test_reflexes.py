"""Reflexes over random calls: late, repeated, out of order, with restarts, against a naive model.

The model keeps every call that ever arrived and computes each answer from that list: what a rule
has seen since it fired last, and how a breaker moved. It shares no code with the engine.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from tests.rules.reflex.test_triggers import CASES, History
from tests.rules.reflex.world import BASE, World, manifest
from tests.simulation.driver import digest
from tests.simulation.test_simulation import commit_seed

from neurorail.rules.config import MS
from neurorail.rules.directives import blocking
from neurorail.rules.manifest.actions import Alert, Breaker, Suspend
from neurorail.rules.manifest.model import Manifest, ReflexRule
from neurorail.rules.observations import Fields, SpanObserved, Usage
from neurorail.rules.reflex.step import END, Step

BREAKS = "consecutive_failures"
RULES = ("error_rate", BREAKS, "latency", "first_signal", "repeated_call", "ping_pong", "condition")
QUIET_MS = {"error_rate": 0, BREAKS: 0, "latency": 3_000, "condition": 700}
PROVIDERS = ("openai", "mistral")
COOLDOWN_MS, COOLDOWN_MAX_MS, SUCCESSES = 2_000, 7_000, 2
SEEDS = [*range(1, 11), *range(commit_seed(), commit_seed() + 4)]


def rules() -> Manifest:
    return manifest(
        *[
            ReflexRule(
                id=name,
                trigger=CASES[name].trigger,
                per=("provider",),
                actions=(Suspend() if name == BREAKS else Alert(),),
                breaker=Breaker(
                    cooldown_ms=COOLDOWN_MS, cooldown_max_ms=COOLDOWN_MAX_MS, successes=SUCCESSES
                ),
                quiet_ms=QUIET_MS.get(name, 0),
            )
            for name in RULES
        ]
    )


@dataclass(frozen=True)
class Call:
    """One call, and when the server hears of it."""

    number: int
    provider: str
    model: str
    arguments: str
    tokens: int
    started_ms: int
    took_ms: int
    first_signal_ms: int | None
    outcome: str
    code: str | None
    heard_ms: int

    def observed(self) -> SpanObserved:
        span = self.number.to_bytes(8, "big")
        usage = Usage("inference", self.provider, self.model, input_tokens=self.tokens,
                      has_tokens=True)  # fmt: skip
        start = BASE + self.started_ms * MS
        return SpanObserved(
            b"trace of" + span, span, b"", start, start + self.took_ms * MS,
            ("m_1", "p_1", "j_1", "a_1", None), role="inference", outcome=self.outcome,
            error_code=self.code, first_signal_ms=self.first_signal_ms, usage=usage,
            arguments=self.arguments or None,
            fields=Fields(provider=self.provider, model=self.model),
        )  # fmt: skip

    def step(self) -> Step:
        """What the model makes of it."""
        said_nothing = self.outcome == "cancelled" or self.code == "NR-E006"
        return Step(
            END,
            failed=None if said_nothing else self.outcome != "succeeded",
            duration_ms=self.took_ms,
            first_signal_ms=self.first_signal_ms,
            name=self.model,
            fingerprint=f"{self.model}:{self.arguments}" if self.arguments else "",
            facts={"tokens": self.tokens},
        )


def calls_of(seed: int) -> list[Call]:
    """Calls in the order in which they arrive; some twice, some late."""
    rng = random.Random(seed)
    bad = rng.choice((0.2, 0.5, 0.8))
    now, sent = 10_000, []
    for number in range(1, 160):
        now += rng.choice((1, 50, 400, 1_200))
        failed = rng.random() < bad
        took = rng.choice((20, 501, 900))
        in_turns = number % 40 < 9  # Two calls in turns now and then, or nothing would alternate.
        call = Call(
            number, PROVIDERS[0] if in_turns else rng.choice(PROVIDERS),
            ("search", "fetch")[number % 2] if in_turns else rng.choice(("search", "fetch")),
            "" if in_turns else rng.choice(("", "a", "b")), rng.randrange(500), now - took, took,
            rng.choice((None, 10, 301)),
            rng.choice(("failed", "timeout", "cancelled")) if failed else "succeeded",
            rng.choice((None, "NR-E006")) if failed else None,
            now + rng.choice((0, 0, 0, 150, 2_500)),
        )  # fmt: skip
        sent.append(call)
        if rng.random() < 0.1:
            again = {**call.__dict__, "heard_ms": call.heard_ms + rng.choice((0, 900))}
            sent.append(Call(**again))
    return sorted(sent, key=lambda call: call.heard_ms)


# ── the model ────────────────────────────────────────────────────────────────────────────────


@dataclass
class Circuit:
    """Every move a breaker made: when, and to which state."""

    moves: list[tuple[int, str]] = field(default_factory=list)
    good: int = 0

    def at(self, now_ms: int) -> str:
        """Its state, after what time alone did."""
        if not self.moves:
            return "closed"
        since, state = self.moves[-1]
        if state == "open" and now_ms >= since + self.cooldown_ms():
            self.move(since + self.cooldown_ms(), "half_open")
        return self.moves[-1][1]

    def cooldown_ms(self) -> int:
        states = [state for _, state in self.moves]
        last_closed = max((at for at, state in enumerate(states) if state == "closed"), default=-1)
        in_a_row = states[last_closed + 1 :].count("open")
        return int(min(COOLDOWN_MS * 2 ** (in_a_row - 1), COOLDOWN_MAX_MS))

    def move(self, at_ms: int, state: str) -> None:
        self.moves.append((at_ms, state))
        self.good = 0

    def hides(self, call: Call, step: Step) -> bool:
        """Take a call in; whether the trigger is to see nothing of it."""
        state = self.at(call.heard_ms)
        if not self.moves:
            return False
        says = step.failed is not None and call.started_ms >= self.moves[-1][0]
        since = self.moves[-1][0]
        if state == "half_open" and says:
            if step.failed:
                self.move(call.heard_ms, "open")
            else:
                self.good += 1
                if self.good == SUCCESSES:
                    self.move(call.heard_ms, "closed")
        return state != "closed" or call.started_ms < since


@dataclass
class Model:
    """What has to come of calls."""

    fired: list[tuple[int, str, str]] = field(default_factory=list)
    circuits: dict[str, Circuit] = field(default_factory=dict)
    seen: dict[tuple[str, str], History] = field(default_factory=dict)
    quiet_ms: dict[tuple[str, str], int] = field(default_factory=dict)
    known: set[int] = field(default_factory=set)

    def take(self, call: Call) -> None:
        if call.number in self.known:
            return
        self.known.add(call.number)
        step = call.step()
        for rule in RULES:
            key = (rule, call.provider)
            circuit = self.circuits.setdefault(call.provider, Circuit())
            if rule == BREAKS and circuit.hides(call, step):
                continue
            if call.heard_ms < self.quiet_ms.get(key, 0):
                continue
            history = self.seen.setdefault(key, [])
            history.append((BASE + call.heard_ms * MS, step))
            if CASES[rule].model(history):
                self.fired.append((call.heard_ms, rule, call.provider))
                self.quiet_ms[key] = call.heard_ms + QUIET_MS.get(rule, 0)
                self.seen[key] = []
                if rule == BREAKS:
                    circuit.move(call.heard_ms, "open")


# ── comparing ────────────────────────────────────────────────────────────────────────────────


def run(calls: list[Call], *, restarts: bool, together: bool) -> tuple[World, Model]:
    """Both, side by side; what is stopped is compared after every record."""
    world, model = World(rules()), Model()
    rng = random.Random(len(calls))
    for batch in _batches(calls, together):
        world.restarts = restarts and rng.random() < 0.15
        world.pass_ms(batch[0].heard_ms - world.now_ms)
        world.apply(*[call.observed() for call in batch])
        for call in batch:
            model.take(call)
        for provider in PROVIDERS:
            found = blocking(world.engine.state, {"provider": provider})
            state = model.circuits.setdefault(provider, Circuit()).at(world.now_ms)
            # Nobody asks here, so that a half-open breaker always lets the next one pass.
            assert [one.rule for one in found] == ([BREAKS] if state == "open" else [])
    return world, model


def _batches(calls: list[Call], together: bool) -> Iterator[list[Call]]:
    batch: list[Call] = []
    for call in calls:
        if batch and (not together or batch[0].heard_ms != call.heard_ms):
            yield batch
            batch = []
        batch.append(call)
    yield batch


@pytest.mark.parametrize("seed", SEEDS)
def test_reflexes_agree_with_a_naive_model(seed: int) -> None:
    print(f"SEED={seed}")
    calls = calls_of(seed)
    world, model = run(calls, restarts=False, together=True)
    assert [
        ((event.event_time_unix_nano - BASE) // MS, event.data["trigger_id"],
         event.data["key"]["provider"])
        for event in world.events
        if event.type == "trigger_activated"
    ] == model.fired  # fmt: skip
    for provider in PROVIDERS:
        assert [
            ((event.event_time_unix_nano - BASE) // MS, event.data["to_state"])
            for event in world.events
            if event.type == "circuit_state_changed" and event.data["scope"]["provider"] == provider
        ] == model.circuits[provider].moves
    restarted, _ = run(calls, restarts=True, together=True)
    assert digest(restarted.events) == digest(world.events)
    cut, _ = run(calls, restarts=True, together=False)
    assert digest(cut.events) == digest(world.events)


def test_the_seeds_try_everything() -> None:
    """A simulation in which nothing happens shows nothing."""
    fired: set[str] = set()
    states: set[str] = set()
    for seed in range(1, 11):
        _, model = run(calls_of(seed), restarts=False, together=True)
        fired |= {rule for _, rule, _ in model.fired}
        states |= {state for one in model.circuits.values() for _, state in one.moves}
    assert fired == set(RULES)
    assert states == {"open", "half_open", "closed"}
