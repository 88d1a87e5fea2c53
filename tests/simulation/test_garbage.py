"""The engine makes no cycles of objects, so that nobody has to look for them while it decides."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.simulation import asking, workload
from tests.simulation.driver import CONFIG, Driver

from neurorail.collector.engine.garbage import YOUNG_MAX, GarbageWatch

SEEDS = range(6)


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Nothing is collected by itself, and what a look finds is kept."""
    gc.collect()
    gc.disable()
    yield
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()
    gc.unfreeze()


def found() -> Counter[str]:
    """What only cycles keep alive, by type."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    return Counter(type(each).__name__ for each in gc.garbage)


@pytest.mark.usefixtures("uncollected")
def test_no_cycles_are_made() -> None:
    config = replace(CONFIG, entities_in_memory=3)
    drivers = []
    for seed in SEEDS:
        drivers += [Driver(config), Driver(config)]
        drivers[-2].run(workload.make(seed))
        drivers[-1].run(asking.make(seed))
    for driver in drivers:
        driver.engine.state.take_changes()
        driver.engine.state.evict()
    assert not found()


class Knot:
    """Refers to itself."""

    def __init__(self) -> None:
        self.itself = self


@pytest.mark.usefixtures("uncollected")
def test_a_cycle_would_be_found() -> None:
    Knot()
    assert found()["Knot"] == 1


@pytest.mark.usefixtures("uncollected")
def test_what_is_new_is_looked_at_once() -> None:
    watch = GarbageWatch()
    before = gc.get_freeze_count()
    kept = [Knot() for _ in range(YOUNG_MAX)]
    Knot()
    watch.look()
    assert gc.get_freeze_count() >= before + len(kept)
    assert gc.get_count()[0] < YOUNG_MAX
    assert not gc.isenabled()
    assert not found()


@pytest.mark.usefixtures("uncollected")
def test_what_is_restored_is_passed_over() -> None:
    watch = GarbageWatch()
    collections = gc.get_stats()[0]["collections"]
    kept = [Knot() for _ in range(YOUNG_MAX + 1)]
    watch.pass_over()
    watch.look()
    assert len(kept) > YOUNG_MAX
    assert gc.get_stats()[0]["collections"] == collections


@pytest.mark.usefixtures("uncollected")
def test_what_comes_faster_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neurorail.collector.engine.garbage.PAUSE_S", 3_600.0)
    watch = GarbageWatch()
    for knots in (YOUNG_MAX + 1, YOUNG_MAX + 1):
        collections = gc.get_stats()[0]["collections"]
        for _ in range(knots):
            Knot()
        watch.look()
    assert gc.get_stats()[0]["collections"] == collections
    assert gc.get_count()[0] < YOUNG_MAX
