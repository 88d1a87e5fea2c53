"""The lifecycle table, and every state against every transition, reported and inferred."""

from __future__ import annotations

from itertools import product

import pytest
from tests.rules.scenario import BASE, SECOND

from neurorail.rules import transitions
from neurorail.rules.config import EngineConfig
from neurorail.rules.engine import Engine
from neurorail.rules.entity import TRANSITION_BIT, Entity
from neurorail.rules.events import Event
from neurorail.rules.lifecycle import (
    MISSING_STEPS,
    NONE,
    OUTCOME_TRANSITION,
    STATES,
    TERMINAL,
    TRANSITION_NAMES,
    TRANSITIONS,
    allowed_transitions,
)
from neurorail.rules.observations import Ids, SpanObserved, Tick, TransitionReported

TABLE = {
    ("", "create"): "pending",
    ("pending", "enqueue"): "queued",
    ("pending", "cancel"): "cancelled",
    ("queued", "start"): "running",
    ("queued", "cancel"): "cancelled",
    ("running", "succeed"): "succeeded",
    ("running", "fail"): "failed",
    ("running", "timeout"): "timeout",
    ("running", "cancel"): "cancelled",
}
WAY_TO = {
    "": (),
    "pending": ("create",),
    "queued": ("create", "enqueue"),
    "running": ("create", "enqueue", "start"),
    "succeeded": ("create", "enqueue", "start", "succeed"),
    "failed": ("create", "enqueue", "start", "fail"),
    "timeout": ("create", "enqueue", "start", "timeout"),
    "cancelled": ("create", "enqueue", "start", "cancel"),
}
GAPS = {
    ("", "create"): (),
    ("", "enqueue"): ("create",),
    ("", "cancel"): ("create",),
    ("", "start"): ("create", "enqueue"),
    ("", "succeed"): ("create", "enqueue", "start"),
    ("", "fail"): ("create", "enqueue", "start"),
    ("", "timeout"): ("create", "enqueue", "start"),
    ("pending", "enqueue"): (),
    ("pending", "cancel"): (),
    ("pending", "start"): ("enqueue",),
    ("pending", "succeed"): ("enqueue", "start"),
    ("pending", "fail"): ("enqueue", "start"),
    ("pending", "timeout"): ("enqueue", "start"),
    ("queued", "start"): (),
    ("queued", "cancel"): (),
    ("queued", "succeed"): ("start",),
    ("queued", "fail"): ("start",),
    ("queued", "timeout"): ("start",),
    ("running", "succeed"): (),
    ("running", "fail"): (),
    ("running", "timeout"): (),
    ("running", "cancel"): (),
}
MISSION: Ids = ("m_1", None, None, None, None)
GRID = list(product(("", *STATES), TRANSITION_NAMES))
IDS = [f"{(state or 'none').upper()}--{name}" for state, name in GRID]


def test_the_table_is_the_one_that_was_agreed() -> None:
    assert dict(TRANSITIONS) == TABLE
    assert set(TRANSITION_NAMES) == set(TRANSITION_BIT) == {name for _, name in TABLE}
    assert {"succeeded", "failed", "timeout", "cancelled"} == TERMINAL == set(OUTCOME_TRANSITION)
    assert dict(MISSING_STEPS) == GAPS


@pytest.mark.parametrize("state", ["", *STATES])
def test_allowed_transitions_are_the_tables(state: str) -> None:
    assert list(allowed_transitions(state)) == [name for at, name in TABLE if at == state]
    assert not (state in TERMINAL and allowed_transitions(state))


class Rail:
    """An engine with one mission, told things a second apart."""

    def __init__(self, state: str) -> None:
        self.engine = Engine(EngineConfig())
        self.at = BASE
        for name in WAY_TO[state]:
            self.report(name, "log")
        assert self.state == state

    @property
    def state(self) -> str:
        found = self.engine.state.entities.get("default|m_1")
        return found.state if found is not None else NONE

    def report(self, name: str, source: str, after: int = SECOND) -> list[Event]:
        self.at += after
        seen = TransitionReported(0, MISSION, name, self.at, source)
        return self.engine.apply(self.at, "default", [seen])

    def tick(self, seconds: int) -> list[Event]:
        self.at += seconds * SECOND
        return self.engine.apply(self.at, "default", [Tick()])


def of_type(events: list[Event], *types: str) -> list[Event]:
    return [event for event in events if event.type in types]


def steps(events: list[Event]) -> list[tuple[str, bool]]:
    moved = of_type(events, "state_changed")
    return [(event.data["transition"], event.data["inferred"]) for event in moved]


@pytest.mark.parametrize(("state", "name"), GRID, ids=IDS)
def test_rest_report_is_judged_at_once_by_the_table(state: str, name: str) -> None:
    rail = Rail(state)
    events = rail.report(name, "rest", 60 * SECOND)
    if (state, name) in TABLE:
        assert rail.state == TABLE[state, name]
        assert steps(events) == [(name, False)]
        assert not of_type(events, "transition_rejected")
    else:
        (rejected,) = of_type(events, "transition_rejected")
        assert rail.state == state
        assert not steps(events)
        assert rejected.data["code"] == "NR-E301"
        assert rejected.data["allowed_transitions"] == list(allowed_transitions(state))


@pytest.mark.parametrize(("state", "name"), GRID, ids=IDS)
def test_telemetry_report_waits_for_a_gap_and_is_judged_when_the_lateness_is_over(
    state: str, name: str
) -> None:
    rail = Rail(state)
    events = rail.report(name, "log", 60 * SECOND)
    if (state, name) in TABLE:
        assert steps(events) == [(name, False)]
    elif (state, name) in GAPS:
        assert (rail.state, events) == (state, [])
        assert not rail.tick(9)
        events = rail.tick(1)
        assert steps(events) == [*((step, True) for step in GAPS[state, name]), (name, False)]
        (gap,) = of_type(events, "gap_inferred")
        assert gap.data["steps"] == list(GAPS[state, name])
        gaps = [event.data.get("gap") for event in of_type(events, "state_changed")]
        assert gaps == [*[True] * len(GAPS[state, name]), None]
    else:
        (rejected,) = of_type(events, "transition_rejected")
        assert rail.state == state
        assert rejected.data["code"] == "NR-E301"


@pytest.mark.parametrize("outcome", OUTCOME_TRANSITION)
@pytest.mark.parametrize("state", WAY_TO)
def test_finished_span_proves_every_step_and_never_reopens(state: str, outcome: str) -> None:
    rail = Rail(state)
    span = SpanObserved(
        b"t" * 16, b"s" * 8, b"", rail.at, rail.at + SECOND, MISSION, entity=0, outcome=outcome
    )
    events = rail.engine.apply(rail.at + 2 * SECOND, "default", [span])
    if state in TERMINAL:
        assert rail.state == state
        assert not steps(events)
        assert len(of_type(events, "late_outcome")) == (state != outcome)
    else:
        missing = GAPS[state, "succeed"]
        end = OUTCOME_TRANSITION[outcome]
        assert steps(events) == [*((step, True) for step in missing), (end, True)]
        assert rail.state == outcome
    assert not of_type(events, "transition_rejected", "gap_inferred")


@pytest.mark.parametrize("state", WAY_TO)
def test_work_below_implies_running_and_never_reopens(state: str) -> None:
    rail = Rail(state)
    below: Ids = ("m_1", "p_1", None, None, None)
    span = SpanObserved(b"t" * 16, b"s" * 8, b"", rail.at, rail.at, below, entity=1)
    rail.engine.apply(rail.at, "default", [span])
    assert rail.state == (state if state in TERMINAL else "running")


def test_step_that_the_table_does_not_list_cannot_be_taken_at_all() -> None:
    engine = Engine(EngineConfig())
    entity = Entity("default", "default|m_1", 0, "m_1", MISSION)
    with pytest.raises(KeyError):
        transitions.move(engine.state, entity, "start", BASE)
