"""A person raises the budget of an agent that was stopped; it goes on, also after a restart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.end_to_end.agents import AGENT_S, start_agent
from tests.end_to_end.rail import Rail, until
from tests.support.process import running_server
from typer.testing import CliRunner

from neurorail.app.cli import build

STUBBORN = """
    import time
    from neurorail.instrumentation import *
    configure()

    def call():
        with resource("llm_call") as one:
            one.record_usage(30)

    def calls():
        try:
            while True:
                call()
        except NeuroRailRefused as refused:
            print(refused.code, flush=True)

    with mission("stubborn", budget=Budget(max_tokens=50)) as own, job("x"), attempt():
        print(own.id, flush=True)
        calls()
        ends = time.monotonic() + PATIENCE_S
        while time.monotonic() < ends:
            try:
                call()
                print("on", flush=True)
                break
            except NeuroRailRefused:
                time.sleep(0.02)
        calls()
"""
"""Its own limit is held in its own process too, whatever the server says."""
STUBBORN = STUBBORN.replace("PATIENCE_S", str(AGENT_S))


def run(folder: Path, *arguments: str, status: int = 0) -> str:
    """What a command of `neurorail budget` says."""
    command = ["budget", *arguments, "--data-dir", str(folder)]
    ended = CliRunner().invoke(build(), command)
    assert ended.exit_code == status, ended.output
    return ended.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("raised") / "data"


@pytest.fixture
def rail(folder: Path) -> Iterator[Rail]:
    with running_server(folder) as server:
        yield Rail(server)


def test_an_agent_that_was_stopped_goes_on_within_its_new_limit(rail: Rail, folder: Path) -> None:
    agent = start_agent(rail, STUBBORN, NEURORAIL_MODE="direct")
    assert agent.stdout is not None
    mission_id = agent.stdout.readline().strip()
    assert agent.stdout.readline().strip() == "NR-E002"
    until("the server knows it too", lambda: rail.get("/reflex/directives")["total"])
    assert "0 of 50 left" in run(folder, "show", mission_id)
    assert "name at least one limit" in run(folder, "set", mission_id, "--reason", "r", status=2)
    told = run(folder, "set", mission_id, "--max-tokens", "200", "--reason", "go on")
    assert "max_tokens: 50 → 200" in told
    out, complaints = agent.communicate(timeout=AGENT_S)
    assert (agent.returncode, complaints) == (0, "")
    # And is stopped again at the new limit.
    assert out.split() == ["on", "NR-E002"]
    rail.entity(mission_id, lambda tree: tree["mission"]["ended_at"])
    told = run(folder, "set", mission_id, "--max-tokens", "300", "--reason", "late", status=1)
    assert "for ever" in told
    assert "no id of" in run(folder, "show", "x_1", status=2)


def test_a_changed_limit_outlives_the_server(folder: Path) -> None:
    body = {"budget": {"max_cost_usd": "1"}}
    with running_server(folder) as server:
        made = Rail(server).client.post_json("/api/neurorail/v1/identity/mission", body)
        given = ["--max-cost-usd", "5.25", "--timeout-ms", "60000", "--reason", "agreed"]
        answer = json.loads(run(folder, "set", made["entity_id"], *given, "--json"))
        assert answer["before"] == {"max_cost_usd": 1, "timeout_ms": None}
        server.kill()
    with running_server(folder) as server:
        rail = Rail(server)

        def changes() -> list[Any]:
            budgets = rail.get("/control/directives")["budgets"]
            return [one for one in budgets if one["entity_id"] == made["entity_id"]]

        # What was acknowledged is applied again after a crash, a moment after the start.
        (changed,) = until("the change holds again", changes)
        shown = run(folder, "show", made["entity_id"])
        assert "cost: 5.25 USD of 5.25 USD left  (own_budget)" in shown
        assert changed["limits"] == {"max_cost_usd": 5.25, "timeout_ms": 60_000}


def test_an_entity_without_a_limit_is_given_its_first_of_every_kind(folder: Path) -> None:
    """A crash and a start after it, too: what is on record is applied again."""
    limits = {"--max-cost-usd": "5", "--max-tokens": "900", "--timeout-ms": "60000"}
    with running_server(folder) as server:
        made = Rail(server).client.post_json("/api/neurorail/v1/identity/mission", {})
        given = [word for pair in limits.items() for word in pair]
        told = run(folder, "set", made["entity_id"], *given, "--reason", "agreed", "--json")
        answer = json.loads(told)
        assert answer["before"] == {"max_cost_usd": None, "max_tokens": None, "timeout_ms": None}
        assert answer["limits"] == {"max_cost_usd": 5, "max_tokens": 900, "timeout_ms": 60_000}
        server.kill()
    with running_server(folder):
        until("it holds again", lambda: "5 USD left" in run(folder, "show", made["entity_id"]))
