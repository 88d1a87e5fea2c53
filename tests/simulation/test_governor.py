"""Random requests, reports and usage: no grant beyond a limit, and the same answers every time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.simulation.asking import Asking, make
from tests.simulation.driver import CONFIG, Driver, digest, random_cut
from tests.simulation.naive_governor import Naive
from tests.simulation.test_simulation import commit_seed
from tests.simulation.workload import SECOND

from neurorail.rules.governor.accounts import ENTITY_ACCOUNTS
from neurorail.rules.governor.pools import POOLS
from neurorail.rules.governor.reservations import OPEN
from neurorail.rules.observations import Tick

ONCE_RED = (2490769907,)
"""Seeds that found something: here that a child draws on its parent where usage passed a limit."""
SEEDS = [*range(1, 41), *ONCE_RED, *range(commit_seed(), commit_seed() + 10)]


@pytest.fixture(params=SEEDS)
def asking(request: pytest.FixtureRequest) -> Asking:
    seed: int = request.param
    work = make(seed)
    print(f"SEED={seed} {work.weights} budgets={work.budgets}")
    return work


def test_a_naive_model_finds_every_grant_and_refusal_right(asking: Asking) -> None:
    naive = Naive(asking, Driver().run(asking))
    naive.run()
    assert naive.checked > 0


def test_records_may_be_cut_anywhere(asking: Asking) -> None:
    told = digest(Driver().run(asking))
    assert digest(Driver().run(asking, random_cut(asking.seed))) == told


def test_restarts_at_any_record_change_nothing(asking: Asking) -> None:
    told = Driver().run(asking)
    config = replace(CONFIG, entities_in_memory=3)
    assert Driver(config, unrest=asking.seed).run(asking) == told


def test_all_that_is_held_is_free_in_the_end(asking: Asking) -> None:
    driver = Driver()
    driver.run(asking)
    ends = asking.steps[-1][0] + 600 * SECOND
    while (deadline := driver.engine.next_deadline()) is not None and deadline <= ends:
        driver.engine.apply(deadline, "default", [Tick()])
    kept = driver.engine.state.kept
    assert (kept.total(OPEN), kept.total(ENTITY_ACCOUNTS)) == (0, 0)
    assert not any(any(books.reserved) or any(books.unsettled)
                   for _, books in kept.of(POOLS, "default"))  # fmt: skip


def test_seeds_reach_what_matters() -> None:
    events = [event for seed in SEEDS for event in Driver().run(make(seed))]
    types = {event.type for event in events}
    assert {"reservation_settled", "reservation_unsettled", "budget_violation"} <= types
    assert {"budget_changed", "budget_change_refused"} <= types
    ways = {event.data["how"] for event in events if event.type == "reservation_settled"}
    assert ways == {"settled", "reconciled", "released", "expired"}
    decided = [event.data for event in events if event.type == "mode_decided"]
    assert {one["allowed"] for one in decided} == {True, False}
    refusals = {
        (reason["scope"].get("pool", "mission"), reason["kind"])
        for one in decided
        for reason in one["reasons"]
        if reason["code"] == "NR-E002"
    }
    assert refusals == {
        ("mission", "cost"), ("mission", "tokens"), ("minute", "cost"), ("rolling", "cost"),
        ("rolling", "tokens"),
    }  # fmt: skip
