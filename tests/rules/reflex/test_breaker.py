"""The breaker: every state with everything that can happen to it, and how it heals."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import product

import pytest

from neurorail.rules.config import MS
from neurorail.rules.manifest.actions import Breaker as Settings
from neurorail.rules.reflex.breaker import (
    BREAKER_STATES,
    CLOSED,
    HALF_OPEN,
    OPEN,
    Breaker,
    cooldown_ns,
)

NOW = 1_800_000_000_000_000_000
SETTINGS = Settings(
    cooldown_ms=1_000,
    backoff_percent=200,
    cooldown_max_ms=5_000,
    probes=2,
    successes=2,
    probe_timeout_ms=500,
)


def make(state: str, *, held: bool = False) -> Breaker:
    """A breaker that entered `state` at NOW."""
    breaker = Breaker()
    if state != CLOSED:
        breaker.open(NOW - 1_000 * MS if state == HALF_OPEN else NOW, SETTINGS, hold=held)
    if state == HALF_OPEN:
        assert breaker.cooled_down(NOW)
        breaker.passed(NOW, SETTINGS, "mine")
    return breaker


Act = Callable[[Breaker], bool]
LATER = NOW + 100 * MS
ACTS: dict[str, Act] = {
    "open": lambda b: b.open(LATER, SETTINGS),
    "hold": lambda b: b.open(LATER, SETTINGS, hold=True),
    "close": lambda b: b.close(LATER),
    "too early": lambda b: b.cooled_down(LATER),
    "cooldown over": lambda b: b.cooled_down(NOW + 1_000 * MS),
    "cooldown over, but for downtime": lambda b: b.cooled_down(NOW + 1_000 * MS, 1),
    "failure": lambda b: b.ended(LATER, SETTINGS, LATER, True, ""),
    "success": lambda b: b.ended(LATER, SETTINGS, LATER, False, ""),
    "cancelled": lambda b: b.ended(LATER, SETTINGS, LATER, None, ""),
    "old failure": lambda b: b.ended(LATER, SETTINGS, NOW - 1, True, ""),
    "old success": lambda b: b.ended(LATER, SETTINGS, NOW - 1, False, ""),
    "probe failure": lambda b: b.ended(LATER, SETTINGS, NOW - 1, True, "mine"),
    "probe success": lambda b: b.ended(LATER, SETTINGS, NOW - 1, False, "mine"),
    "probe cancelled": lambda b: b.ended(LATER, SETTINGS, NOW - 1, None, "mine"),
    "foreign probe failure": lambda b: b.ended(LATER, SETTINGS, NOW - 1, True, "other"),
}
STARTS = (CLOSED, OPEN, "held", HALF_OPEN)
MOVES = {
    (CLOSED, "open"): OPEN,
    (CLOSED, "hold"): OPEN,
    (OPEN, "hold"): OPEN,
    (OPEN, "close"): CLOSED,
    (OPEN, "cooldown over"): HALF_OPEN,
    ("held", "close"): CLOSED,
    (HALF_OPEN, "open"): OPEN,
    (HALF_OPEN, "hold"): OPEN,
    (HALF_OPEN, "close"): CLOSED,
    (HALF_OPEN, "failure"): OPEN,
    (HALF_OPEN, "probe failure"): OPEN,
}
"""Every pair that moves a breaker; all others leave it as it is, and say so."""


@pytest.mark.parametrize(("start", "act"), list(product(STARTS, ACTS)))
def test_every_state_with_every_act(start: str, act: str) -> None:
    state = OPEN if start == "held" else start
    breaker = make(state, held=start == "held")
    until = breaker.until

    moved = ACTS[act](breaker)

    assert moved == ((start, act) in MOVES)
    assert breaker.state == MOVES.get((start, act), state)
    if not moved:
        assert breaker.until == until, "nothing but a move may change the cooldown"
    assert breaker.held == (act == "hold" or (start == "held" and act != "close"))


@pytest.mark.parametrize("state", BREAKER_STATES)
def test_row_restores_the_same_breaker(state: str) -> None:
    breaker = make(state)
    restored = Breaker.from_row(breaker.to_row())
    assert restored.to_row() == breaker.to_row()
    assert restored.may_pass(NOW, SETTINGS) == breaker.may_pass(NOW, SETTINGS)


def test_cooldown_grows_to_its_cap_and_starts_over_after_a_closing() -> None:
    breaker = Breaker()
    breaker.open(NOW, SETTINGS)
    cooldowns = []
    for _ in range(5):
        now = breaker.until
        cooldowns.append((now - breaker.since) // MS)
        assert breaker.cooled_down(now)
        assert breaker.ended(now, SETTINGS, now, True, "")
    assert cooldowns == [1_000, 2_000, 4_000, 5_000, 5_000]
    breaker.close(now)
    breaker.open(now, SETTINGS)
    assert breaker.until - now == 1_000 * MS


def test_cooldown_without_backoff_stays() -> None:
    flat = Settings(cooldown_ms=700, backoff_percent=100, cooldown_max_ms=5_000)
    assert [cooldown_ns(flat, n) // MS for n in (1, 2, 1_000)] == [700, 700, 700]


def test_probes_in_flight_are_bounded_and_every_end_frees_a_place() -> None:
    breaker = make(HALF_OPEN)
    assert breaker.may_pass(NOW, SETTINGS)
    breaker.passed(NOW, SETTINGS, "second")
    assert not breaker.may_pass(NOW, SETTINGS)
    breaker.ended(NOW, SETTINGS, NOW, None, "second")
    assert breaker.may_pass(NOW, SETTINGS)
    breaker.passed(NOW, SETTINGS, "third")
    breaker.release("third")
    assert breaker.may_pass(NOW, SETTINGS)


def test_lost_probes_free_their_places() -> None:
    breaker = make(HALF_OPEN)
    breaker.passed(NOW, SETTINGS, "second")
    assert not breaker.may_pass(NOW + 499 * MS, SETTINGS)
    assert breaker.may_pass(NOW + 500 * MS, SETTINGS)
    assert breaker.probes == {}


def test_enough_successes_close_it() -> None:
    breaker = make(HALF_OPEN)
    assert not breaker.ended(NOW, SETTINGS, NOW, False, "mine")
    assert breaker.state == HALF_OPEN
    assert breaker.ended(NOW, SETTINGS, NOW, False, "")
    assert breaker.state == CLOSED
    assert breaker.openings == 0


def test_calls_pass_a_closed_breaker_without_a_trace() -> None:
    breaker = Breaker()
    assert breaker.may_pass(NOW, SETTINGS)
    breaker.passed(NOW, SETTINGS, "call")
    assert breaker.probes == {}
    assert not make(OPEN).may_pass(NOW, SETTINGS)


def test_late_failures_of_an_outage_do_not_touch_the_closed_breaker() -> None:
    breaker = make(HALF_OPEN)
    breaker.close(LATER)
    breaker.ended(LATER, SETTINGS, LATER - 1, True, "")
    assert breaker.failures == 0
    breaker.ended(LATER, SETTINGS, LATER, True, "")
    assert breaker.failures == 1


@pytest.mark.parametrize("seed", range(30))
def test_random_lives_against_a_model_of_full_history(seed: int) -> None:
    """The model keeps every move ever made, and computes each answer from that list."""
    rng = random.Random(seed)
    breaker = Breaker()
    moves: list[tuple[int, str]] = [(0, CLOSED)]
    good = 0
    alive: dict[str, int] = {}
    now = NOW
    for number in range(400):
        now += rng.choice((1, 50, 300, 1_500)) * MS
        at, state = moves[-1]
        row = [s for _, s in moves]
        last_closed = len(row) - 1 - row[::-1].index(CLOSED)
        in_a_row = row[last_closed:].count(OPEN)
        cooldown = min(1_000 * 2 ** max(in_a_row - 1, 0), 5_000) * MS
        alive = {probe: lost for probe, lost in alive.items() if lost > now}
        new = state
        if state == OPEN and now >= at + cooldown:
            new = HALF_OPEN
        assert breaker.cooled_down(now) == (new != state)
        if new != state:
            moves.append((now, new))
            at, state, alive, good = now, new, {}, 0
        may = state == CLOSED or (state == HALF_OPEN and len(alive) < 2)
        assert breaker.may_pass(now, SETTINGS) == may
        probe = f"p{number}"
        if may and rng.random() < 0.7:
            breaker.passed(now, SETTINGS, probe)
            if state == HALF_OPEN:
                alive[probe] = now + 500 * MS
        failed = rng.choice((True, False, None))
        started = now - rng.choice((0, 20, 4_000)) * MS
        ending = rng.choice((*alive, "", "unknown"))
        counts = failed is not None and (ending in alive or started >= at)
        alive.pop(ending, None)
        new = state
        if counts and state == HALF_OPEN:
            good += not failed
            new = OPEN if failed else CLOSED if good >= 2 else state
        elif state == CLOSED and rng.random() < 0.1:
            new = OPEN
            breaker.open(now, SETTINGS)
        moved = breaker.ended(now, SETTINGS, started, failed, ending)
        assert moved == (state == HALF_OPEN and new != state)
        if new != state:
            moves.append((now, new))
            alive, good = {}, 0
        assert breaker.state == moves[-1][1]
    assert {state for _, state in moves} == set(BREAKER_STATES)
