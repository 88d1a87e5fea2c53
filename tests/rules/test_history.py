"""What comes out of an archive is counted by its own times, and nothing is done about it now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.rules.reflex.world import World, ids_of, manifest
from tests.rules.scenario import BASE, SECOND, EvictingRunner, RestartingRunner, Runner, observation
from tests.rules.test_policies import HEAD

from neurorail.rules.config import EngineConfig
from neurorail.rules.directives import blocking
from neurorail.rules.entity import IMPORTED, Entity
from neurorail.rules.events import Event
from neurorail.rules.manifest.load import load
from neurorail.rules.observations import Budget, Fields, Observation, SpanObserved, Usage

DAY = 86_400 * SECOND
NOW = BASE + 30 * DAY
CHAIN = ["m_1", "p_1", "j_1", "a_1"]
RUNNERS = [Runner, RestartingRunner, EvictingRunner]


def seen(*specs: dict[str, Any]) -> list[Observation]:
    return [observation(spec | {"history": True}) for spec in specs]


@pytest.fixture(params=RUNNERS)
def runner(request: pytest.FixtureRequest) -> Runner:
    made: Runner = request.param(EngineConfig())
    made.now = NOW
    return made


def types(events: list[Event]) -> list[str]:
    return [event.type for event in events]


def mission_of(runner: Runner) -> Entity:
    found = runner.engine.state.entity_by_key("default|m_1")
    assert found is not None
    return found


def call(span: str, *, end: int = 2, **more: Any) -> dict[str, Any]:
    usage = {"in": 10, "out": 5}
    return {"span": span, "ids": CHAIN, "role": "inference", "usage": usage, "start": 1,
            "end": end, **more}  # fmt: skip


def test_usage_is_never_too_old_and_counted_once(runner: Runner) -> None:
    first = runner.apply(NOW, "default", seen(call("c")))
    again = runner.apply(NOW + 1, "default", seen(call("c")))
    assert types(first + again).count("cost_tracked") == 1
    assert "usage_too_late" not in types(first)
    late = runner.apply(NOW + 2, "default", [observation(call("d"))])
    assert "usage_too_late" in types(late), "what is sent as new and is old is another thing"
    assert all(event.data["imported"] for event in first)
    assert not any("imported" in event.data for event in late)


def test_end_that_comes_after_its_children_is_no_timeout(runner: Runner) -> None:
    budget = {"timeout_ms": 5_000}
    job = {"span": "j", "ids": CHAIN[:3], "entity": "job", "start": 0, "end": 4}
    # The limit is known before the end, as a manifest would have it.
    pending = {"span": "m", "ids": ["m_1"], "entity": "mission", "pending": True, "budget": budget}
    first = runner.apply(NOW, "default", seen(pending, job))
    between = runner.run_until(NOW + 60 * SECOND)
    mission = {"span": "m", "ids": ["m_1"], "entity": "mission", "start": 0, "end": 4.5}
    last = runner.apply(NOW + 61 * SECOND, "default", seen(mission))
    assert "timeout_enforced" not in types(first + between + last)
    assert mission_of(runner).state == "succeeded"


def test_what_never_ended_times_out_at_its_deadline_without_a_directive(runner: Runner) -> None:
    budget = {"timeout_ms": 5_000}
    pending = {"span": "m", "ids": ["m_1"], "entity": "mission", "pending": True, "budget": budget}
    runner.apply(NOW, "default", seen(pending))
    assert mission_of(runner).flags & IMPORTED
    events = runner.run_until(NOW + 2 * 3_600 * SECOND)
    assert "timeout_enforced" in types(events)
    assert "directive_issued" not in types(events)
    (moved,) = [event for event in events if event.type == "state_changed"]
    assert (moved.data["to_state"], moved.event_time_unix_nano) == ("timeout", BASE + 5 * SECOND)


def test_what_goes_on_is_governed_like_all_that_does(runner: Runner) -> None:
    runner.apply(NOW, "default", seen(call("c")))
    runner.apply(NOW + 1, "default", [observation(call("d"))])
    assert not mission_of(runner).flags & IMPORTED


def test_span_that_waited_is_still_history(runner: Runner) -> None:
    agent = {"span": "c", "parent": "b", "role": "inference", "usage": {"in": 7}}
    assert types(runner.apply(NOW, "default", seen(agent))) == []
    events = runner.run_until(NOW + 60 * SECOND)
    assert "cost_tracked" in types(events)
    assert all(event.data["imported"] for event in events if event.type == "cost_tracked")


def test_orphan_of_old_is_flagged_and_not_cancelled() -> None:
    world = World(load(HEAD + "policies: {orphans: cancel}", read_price=lambda _: {}))
    lonely = (None, None, "j_1", "a_1", None)
    start = world.engine.state.now or NOW
    world.apply(SpanObserved(b"o" * 16, b"o" * 8, b"", start, start, lonely, history=True))
    found = types(world.pass_ms(120_000))
    assert "orphan_detected" in found
    assert "directive_issued" not in found


def test_no_directive_comes_of_a_budget_that_was_broken() -> None:
    world = World(manifest())
    world.start(ids_of(level=0), Budget(max_tokens=100))
    usage = Usage("inference", "openai", "gpt-5", input_tokens=200, has_tokens=True)
    world.call(usage=usage, history=True)
    assert len(world.of("budget_violation")) == 1
    assert blocking(world.engine.state, {"mission_id": "m_1"}) == []


REFLEX = """
reflexes:
- id: failing
  trigger: {consecutive_failures: {count: 2}}
  actions: [alert]
"""


@pytest.mark.parametrize("history", [False, True])
def test_no_reflex_looks_at_what_failed_long_ago(history: bool) -> None:
    world = World(load(HEAD + REFLEX, read_price=lambda _: {}))
    for number in range(4):
        world.call(number, failed=True, history=history)
    assert bool(world.of("trigger_activated")) is not history


@pytest.mark.parametrize("history", [False, True])
def test_nobody_asked_in_the_past(history: bool) -> None:
    rules = replace(manifest(), default_mode="rail")
    world = World(rules)
    world.call(history=history, fields=Fields(model="gpt-5"))
    assert bool(world.of("call_unasked")) is not history
