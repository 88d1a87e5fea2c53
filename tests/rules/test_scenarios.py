"""The scenarios of `scenarios/*.yaml`: in one run, across restarts, and with hardly any memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.rules.scenario import EvictingRunner, RestartingRunner, Runner, Scenario, scenarios

SCENARIOS = scenarios(Path(__file__).parent / "scenarios")


@pytest.fixture(params=[one for _, one in SCENARIOS], ids=[name for name, _ in SCENARIOS])
def scenario(request: pytest.FixtureRequest) -> Scenario:
    found: Scenario = request.param
    return found


def test_scenario_says_what_is_expected(scenario: Scenario) -> None:
    assert scenario.lines(Runner(scenario.config)) == scenario.expect


def test_scenario_says_the_same_with_a_restart_after_every_record(scenario: Scenario) -> None:
    assert scenario.run(RestartingRunner(scenario.config)) == scenario.run(Runner(scenario.config))


def test_scenario_says_the_same_when_memory_holds_one_entity(scenario: Scenario) -> None:
    forgetful = EvictingRunner(replace(scenario.config, entities_in_memory=1))
    assert scenario.run(forgetful) == scenario.run(Runner(scenario.config))
    assert len(forgetful.engine.state.entities) <= 1
