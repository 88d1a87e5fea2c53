"""Agents that are stopped: by their budgets, by the server, or because it is away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.end_to_end.agents import environment, run_agent
from tests.end_to_end.rail import Rail
from tests.support.model_api import ModelApi, model_api

RUNAWAY = """
import sys
from openai import OpenAI

client = OpenAI(base_url=sys.argv[1], api_key="k", max_retries=0)
while True:
    client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": "again"}], max_tokens=10
    )
"""


@pytest.fixture
def api() -> Iterator[ModelApi]:
    """A model server of the test's own."""
    with model_api() as running:
        yield running


@pytest.fixture
def runaway(tmp_path: Path) -> Path:
    """An agent in a loop, that knows nothing of NeuroRail."""
    script = tmp_path / "runaway.py"
    script.write_text(RUNAWAY, encoding="utf-8")
    return script


def run(command: list[str], rail: Rail, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command of this environment."""
    program = str(Path(sys.executable).parent / command[0])
    return subprocess.run(
        [program, *command[1:]],
        env=environment(rail, PATH=os.environ["PATH"], **variables),
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_a_runaway_agent_is_stopped_exactly_at_its_budget(
    rail: Rail, api: ModelApi, runaway: Path
) -> None:
    ended = run(
        ["opentelemetry-instrument", sys.executable, str(runaway), f"{api.url}/v1"],
        rail, NEURORAIL_MODE="rail", NEURORAIL_BUDGET_MAX_TOKENS="1000",
        NEURORAIL_PROCESS_MISSION="stopped on the rail",
    )  # fmt: skip
    assert ended.returncode == 1
    assert "NeuroRailRefused" in ended.stderr
    assert "NR-E002" in ended.stderr
    assert 0 < api.spent_tokens <= 1_000
    missions = rail.get("/missions")["missions"]
    (ours,) = [one for one in missions if one["tags"].get("name") == "stopped on the rail"]
    tree = rail.entity(ours["mission_id"], lambda tree: tree["mission"]["ended_at"])
    assert tree["mission"]["state"] == "failed"
    assert tree["mission"]["error_code"] == "NR-E002"
    assert tree["mission"]["totals"]["total_tokens"] == api.spent_tokens
    assert rail.get("/audit/events", mission_id=ours["mission_id"], event_type="budget_violation")[
        "events"
    ] == []  # fmt: skip


def test_without_asking_it_is_stopped_as_soon_as_the_budget_is_used(
    rail: Rail, api: ModelApi, runaway: Path
) -> None:
    ended = run(
        ["neurorail", "run", "--max-tokens", "100", str(runaway), f"{api.url}/v1"],
        rail, NEURORAIL_MODE="direct",
    )  # fmt: skip
    assert (ended.returncode, "NR-E002" in ended.stderr) == (1, True)
    # Thirty tokens a call: the fourth passes the limit, and no fifth is made.
    assert len(api.requests) == 4


def test_what_fails_closed_makes_no_call_while_the_server_is_away(
    rail: Rail, api: ModelApi, runaway: Path
) -> None:
    ended = run(
        ["neurorail", "run", "--fail-closed", str(runaway), f"{api.url}/v1"],
        rail, NEURORAIL_ENDPOINT="http://127.0.0.1:9", NEURORAIL_TIMEOUT_MS="100",
    )  # fmt: skip
    assert (ended.returncode, "NR-E011" in ended.stderr) == (1, True)
    assert api.requests == []


def test_what_fails_open_keeps_its_own_limits_while_the_server_is_away(
    rail: Rail, api: ModelApi, runaway: Path
) -> None:
    ended = run(
        ["neurorail", "run", "--mode", "rail", "--max-tokens", "1000", str(runaway),
         f"{api.url}/v1"],
        rail, NEURORAIL_ENDPOINT="http://127.0.0.1:9", NEURORAIL_TIMEOUT_MS="100",
    )  # fmt: skip
    assert (ended.returncode, "NR-E002" in ended.stderr) == (1, True)
    assert 0 < api.spent_tokens <= 1_000


def test_a_module_runs_with_its_arguments(rail: Rail, tmp_path: Path) -> None:
    (tmp_path / "told.py").write_text(
        "import sys; print(__name__, *sys.argv[1:])\n", encoding="utf-8"
    )
    ended = run(
        ["neurorail", "run", "--name", "n", "-m", "told", "--max-tokens", "-m"],
        rail,
        PYTHONPATH=os.pathsep.join([environment(rail)["PYTHONPATH"], str(tmp_path)]),
    )
    assert (ended.returncode, ended.stdout) == (0, "__main__ --max-tokens -m\n"), ended.stderr


def test_wrong_usage_ends_with_status_2(rail: Rail) -> None:
    assert run(["neurorail", "run"], rail).returncode == 2


def test_the_gate_ends_with_the_process(rail: Rail) -> None:
    began = time.monotonic()
    (state,) = run_agent(
        rail,
        """
        from neurorail.instrumentation import *
        from neurorail.instrumentation.process import process
        configure()
        with mission("m"), attempt():
            pass
        print(process().gate.status().mode)
        """,
        NEURORAIL_MODE="rail",
    )
    assert state == "rail"
    assert time.monotonic() - began < 20


def test_an_interrupted_agent_ends_at_once(rail: Rail, api: ModelApi, runaway: Path) -> None:
    agent = subprocess.Popen(
        [str(Path(sys.executable).parent / "neurorail"), "run", str(runaway), f"{api.url}/v1"],
        env=environment(rail), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not api.requests:
        assert agent.poll() is None
        time.sleep(0.01)
    agent.send_signal(signal.SIGINT)
    assert agent.wait(20) in (1, 130, -signal.SIGINT)
