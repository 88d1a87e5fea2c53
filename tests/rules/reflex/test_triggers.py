"""Each trigger against a naive model that looks at everything since it fired last."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import pytest

from neurorail.rules.config import MS
from neurorail.rules.manifest import triggers
from neurorail.rules.manifest.condition import Condition
from neurorail.rules.reflex.no_progress import NoProgress
from neurorail.rules.reflex.repeated_call import REMEMBERED_MAX, RepeatedCall
from neurorail.rules.reflex.step import CHILD, END, GONE, SIGN_OF_LIFE, USE, VIOLATION, Step
from neurorail.rules.reflex.watching import MACHINES, machine_for
from neurorail.rules.reflex.window import PARTS, Window, part_ns

BASE = 1_800_000_000_000_000_000
WINDOW_MS = 10_000

History = list[tuple[int, Step]]
"""Everything since the trigger fired last, the newest step included."""


def within(history: History, window_ms: int = WINDOW_MS) -> list[Step]:
    """The steps of the last twenty parts of a window, by its definition."""
    part = window_ms * MS // 20
    newest = history[-1][0] // part
    return [step for at, step in history if at // part > newest - 20]


def outcomes(history: History) -> list[bool]:
    return [step.failed for step in within(history) if step.failed is not None]


def error_rate(history: History) -> bool:
    seen = outcomes(history)
    failed = bool(history[-1][1].failed)
    return failed and len(seen) >= 5 and sum(seen) / len(seen) >= 0.6


def consecutive(history: History) -> bool:
    seen = [step.failed for _, step in history if step.failed is not None]
    return history[-1][1].failed is True and len(seen) >= 4 and all(seen[-4:])


def percentile(times: list[int], percent: int) -> int:
    """By nearest rank."""
    rank = -(-len(times) * percent // 100)
    return sorted(times)[rank - 1]


def latency(history: History) -> bool:
    last = history[-1][1]
    if last.duration_ms is None or last.failed is None or last.duration_ms <= 500:
        return False
    times = [
        step.duration_ms
        for step in within(history)
        if step.duration_ms is not None and step.failed is not None
    ]
    return len(times) >= 5 and percentile(times, 75) > 500


def first_signal(history: History) -> bool:
    last = history[-1][1]
    if last.first_signal_ms is None or last.first_signal_ms <= 300:
        return False
    times = [s.first_signal_ms for s in within(history) if s.first_signal_ms is not None]
    return len(times) >= 5 and percentile(times, 75) > 300


def burn_rate(history: History) -> bool:
    now, last = history[-1]

    def counts(at: int, step: Step) -> bool:
        return step.kind == USE and step.consumed > 0 and step.renews_unix_nano > at

    if not counts(now, last):
        return False
    recent = within(history)
    spent = sum(s.consumed for at, s in history if s in recent and counts(at, s))
    per_ns = spent / (WINDOW_MS * MS)
    left = max(last.limit - last.used, 0)
    will_need = per_ns * (last.renews_unix_nano - now)
    return last.used / last.limit >= 0.2 and will_need > left


def repeated(history: History) -> bool:
    now, last = history[-1]
    calls = [s.fingerprint for at, s in history if at > now - WINDOW_MS * MS]
    return last.fingerprint != "" and calls.count(last.fingerprint) >= 4


def ping_pong(history: History) -> bool:
    if not (history[-1][1].fingerprint or history[-1][1].name):
        return False
    taken = [(at, s.fingerprint or s.name) for at, s in history if s.fingerprint or s.name][-6:]
    names = [name for _, name in taken]
    alternate = len(names) == 6 and names[0] != names[1] and names == names[:2] * 3
    return alternate and taken[0][0] > history[-1][0] - WINDOW_MS * MS


def counted(matches: Callable[[Step], bool]) -> Callable[[History], bool]:
    def model(history: History) -> bool:
        return matches(history[-1][1]) and sum(map(matches, within(history))) >= 4

    return model


@dataclass
class Case:
    trigger: triggers.Trigger
    model: Callable[[History], bool]


HOLDS = Condition({"tokens": {"more_than": 300}})

CASES = {
    "error_rate": Case(
        triggers.ErrorRate(window_ms=WINDOW_MS, percent=60, min_volume=5), error_rate
    ),
    "consecutive_failures": Case(triggers.ConsecutiveFailures(count=4), consecutive),
    "latency": Case(
        triggers.LatencyQuantile(window_ms=WINDOW_MS, percent=75, more_than_ms=500, min_volume=5),
        latency,
    ),
    "first_signal": Case(
        triggers.TimeToFirstSignal(window_ms=WINDOW_MS, percent=75, more_than_ms=300, min_volume=5),
        first_signal,
    ),
    "burn_rate": Case(
        triggers.BurnRate(kind="tokens", level="job", lookback_ms=WINDOW_MS, min_used_percent=20),
        burn_rate,
    ),
    "repeated_call": Case(triggers.RepeatedCall(count=4, window_ms=WINDOW_MS), repeated),
    "ping_pong": Case(triggers.PingPong(rounds=3, window_ms=WINDOW_MS), ping_pong),
    "fan_out": Case(
        triggers.FanOut(level="job", count=4, window_ms=WINDOW_MS),
        counted(lambda s: s.kind == CHILD),
    ),
    "violation_storm": Case(
        triggers.ViolationStorm(count=4, window_ms=WINDOW_MS),
        counted(lambda s: s.kind == VIOLATION),
    ),
    "condition": Case(
        triggers.ConditionMet(window_ms=WINDOW_MS, holds=HOLDS, count=4),
        counted(lambda s: s.kind == END and int(s.facts["tokens"]) > 300),
    ),
}


def random_step(rng: random.Random, now: int, weights: list[float], used: int) -> Step:
    consumed = rng.choice((0, 1, 5, 40))
    return Step(
        rng.choices((END, CHILD, VIOLATION, SIGN_OF_LIFE, USE), weights)[0],
        failed=rng.choice((True, True, False, None)),
        duration_ms=rng.choice((None, 100, 500, 501, 9_000)),
        first_signal_ms=rng.choice((None, 10, 300, 301)),
        name=rng.choice(("", "search", "fetch")),
        fingerprint=rng.choice(("", "", "a", "b")),
        consumed=consumed,
        used=used + consumed,
        limit=1_000,
        renews_unix_nano=now + rng.choice((-1, 5_000, 60_000)) * MS,
        facts={"tokens": rng.randrange(500)},
    )


@pytest.mark.parametrize("name", CASES)
def test_trigger_agrees_with_a_naive_model_on_random_histories(name: str) -> None:
    case = CASES[name]
    fired = 0
    for seed in range(40):
        rng = random.Random(seed)
        weights = [rng.random() for _ in range(5)]
        trigger, history, now, used = machine_for(case.trigger), History(), BASE, 0
        for _ in range(200):
            now += rng.choice((1, 200, 499, 500, 501, 1_000, 4_000)) * MS + rng.choice((0, 1))
            step = random_step(rng, now, weights, used)
            used = step.used
            history.append((now, step))
            expected = case.model(history)
            found = trigger.observe(now, step)
            assert (found is not None) == expected, f"seed {seed}, {found}"
            if found is not None:
                assert found.reason
                assert found.evidence
                fired += 1
                history = []
            restored = machine_for(case.trigger)
            restored.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(trigger.to_row())))
            trigger = restored
    assert fired > 10, "a model that never fires tests nothing"


@pytest.mark.parametrize("name", CASES)
def test_cleared_trigger_is_like_a_new_one(name: str) -> None:
    trigger = machine_for(CASES[name].trigger)
    rng = random.Random(7)
    for number in range(20):
        trigger.observe(BASE + number * MS, random_step(rng, BASE, [1, 1, 1, 1, 1], 0))
    trigger.clear()
    assert trigger.to_row() == machine_for(CASES[name].trigger).to_row()


def test_every_trigger_of_a_manifest_has_a_machine_and_a_model() -> None:
    assert set(MACHINES) == set(triggers.TRIGGERS.values())
    modelled = {type(case.trigger) for case in CASES.values()} | {triggers.NoProgress}
    assert modelled == set(MACHINES)


def test_repeated_calls_remember_a_bounded_number() -> None:
    trigger = RepeatedCall(triggers.RepeatedCall(count=10**6, window_ms=10**9))
    for number in range(3 * REMEMBERED_MAX):
        trigger.observe(BASE, Step(END, fingerprint=f"f{number}"))
    assert len(trigger.to_row()) == REMEMBERED_MAX
    assert trigger.count == REMEMBERED_MAX


def test_window_never_holds_more_than_its_parts() -> None:
    window = Window()
    for number in range(1_000):
        window.add(BASE + number * 7 * MS, 20 * MS, 1)
        assert len(window.parts) <= PARTS
    assert part_ns(1) == 1


SILENCE = triggers.NoProgress(silent_ms=1_000)


def test_no_progress_fires_once_after_silence() -> None:
    trigger = NoProgress(SILENCE)
    assert trigger.deadline() == 0
    assert trigger.due(BASE) is None
    trigger.observe(BASE, Step(CHILD))
    assert trigger.deadline() == BASE + 1_000 * MS
    trigger.observe(BASE + 5, Step(SIGN_OF_LIFE))
    assert trigger.due(BASE + 1_000 * MS) is None
    restored = NoProgress(SILENCE)
    restored.restore(trigger.to_row())
    fired = restored.due(BASE + 1_000 * MS + 5)
    assert fired is not None
    assert fired.evidence == {"silent_ms": 1_000}
    assert restored.due(BASE + 9_000 * MS) is None


@pytest.mark.parametrize("end", ["gone", "cleared"])
def test_no_progress_waits_for_nothing_after_an_end(end: str) -> None:
    trigger = NoProgress(SILENCE)
    trigger.observe(BASE, Step(CHILD))
    if end == "gone":
        trigger.observe(BASE + 1, Step(GONE))
    else:
        trigger.clear()
    assert trigger.deadline() == 0
    assert trigger.due(BASE + 10**12) is None
