"""Random work, told in random order and batches, with restarts: the same end every time."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.simulation.driver import CONFIG, Driver, digest, random_cut
from tests.simulation.oracle import expected
from tests.simulation.workload import Workload, make
from tests.support.waiting import PROGRAM_S

from neurorail.rules.engine import Engine
from neurorail.rules.events import Event

ROOT = Path(__file__).resolve().parents[2]
ENDED = {"succeeded", "failed", "timeout", "cancelled"}
LISTED = {
    ("", "create", "pending"),
    ("pending", "enqueue", "queued"),
    ("pending", "cancel", "cancelled"),
    ("queued", "start", "running"),
    ("queued", "cancel", "cancelled"),
    ("running", "succeed", "succeeded"),
    ("running", "fail", "failed"),
    ("running", "timeout", "timeout"),
    ("running", "cancel", "cancelled"),
}


def commit_seed() -> int:
    """A seed of this commit's own: every commit tries something new, reproducibly."""
    asked = os.environ.get("SIMULATION_SEED")
    if asked:
        return int(asked)
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True,
                               text=True, check=True)  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return 0
    return int(found.stdout[:8], 16)


SEEDS = [*range(1, 25), *range(commit_seed(), commit_seed() + 6)]


@pytest.fixture(params=SEEDS)
def work(request: pytest.FixtureRequest) -> Workload:
    seed: int = request.param
    workload = make(seed)
    print(f"SEED={seed} {workload.options} observations={len(workload.sent)}")
    return workload


def states_of(events: list[Event]) -> dict[str, str]:
    """Where every entity ended, every step being one the table lists, none after the end."""
    states: dict[str, str] = {}
    for event in events:
        if event.type == "state_changed":
            data = event.data
            before = states.get(data["entity_id"], "")
            assert before not in ENDED, event
            assert (data["from_state"] or "") == before, event
            assert (before, data["transition"], data["to_state"]) in LISTED, event
            states[data["entity_id"]] = data["to_state"]
    return states


def totals_of(engine: Engine) -> dict[str, tuple[int, int, int]]:
    return {
        entity.id: (entity.tokens, entity.totals[5], entity.totals[8])
        for entity in engine.state.entities.values()
        if any(entity.totals)
    }


def violated_in(events: list[Event]) -> set[tuple[str, str]]:
    return {
        (event.data["scope"]["entity_id"], event.data["violation_type"])
        for event in events
        if event.type == "budget_violation"
    }


def test_the_end_is_what_a_naive_model_expects(work: Workload) -> None:
    driver = Driver()
    events = driver.run(work)
    wanted = expected(work)
    states, totals = states_of(events), totals_of(driver.engine)
    assert {one: states.get(one) for one in wanted.states} == wanted.states
    spent = {one: amounts for one, amounts in wanted.totals.items() if any(amounts)}
    assert {one: totals.get(one) for one in spent} == spent
    named = {one: amounts for one, amounts in totals.items() if one in work.things}
    assert set(named) <= set(spent)
    assert violated_in(events) == wanted.violated


def test_no_call_counts_twice_and_none_is_lost(work: Workload) -> None:
    driver = Driver()
    events = driver.run(work)
    tracked = sum(event.data["llm_tokens"] for event in events if event.type == "cost_tracked")
    taken_back = sum(
        event.data["llm_tokens"]
        for event in events
        if event.type == "usage_moved" and event.data["to_ids"] is None
    )
    roots = sum(
        entity.tokens for entity in driver.engine.state.entities.values() if entity.level == 0
    )
    counters = driver.engine.state.counters
    summed = counters.get("input_tokens", 0) + counters.get("output_tokens", 0)
    assert tracked - taken_back == roots == summed


def test_batches_may_be_cut_anywhere(work: Workload) -> None:
    told = digest(Driver().run(work))
    for cut in range(2):
        assert digest(Driver().run(work, random_cut(cut))) == told


def test_restarts_and_little_memory_change_nothing(work: Workload) -> None:
    told = Driver().run(work)
    for unrest in range(2):
        config = replace(CONFIG, entities_in_memory=5)
        assert Driver(config, unrest=unrest).run(work) == told


def test_restarts_change_nothing_when_few_traces_are_remembered(work: Workload) -> None:
    few = replace(CONFIG, traces_in_memory=3)
    told = Driver(few).run(work)
    states_of(told)
    restless = Driver(replace(few, entities_in_memory=5), unrest=work.options.seed)
    assert restless.run(work) == told


@pytest.mark.parametrize("hash_seed", ["0", "1", "4242"])
def test_the_hash_seed_of_the_process_changes_nothing(hash_seed: str) -> None:
    seeds = [str(seed) for seed in SEEDS[:5]]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed,
                   "PYTHONPATH": os.pathsep.join(sys.path)}  # fmt: skip
    found = subprocess.run(
        [sys.executable, "-m", "tests.simulation.driver", *seeds],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=PROGRAM_S,
    )  # fmt: skip
    assert found.stdout.split() == [digest(Driver().run(make(int(seed)))) for seed in seeds]


def test_seeds_explore_different_corners() -> None:
    chosen = [make(seed).options for seed in SEEDS]
    for name in ("lost", "duplicated", "late", "nested", "budgets", "contradicting", "illegal"):
        values = [getattr(one, name) for one in chosen]
        assert 0 in values
        assert max(values) > 0
