"""The pieces of the demonstration, where the whole run does not reach them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.app.scripted_server import Script, event, scripted_server
from typer.testing import CliRunner

from neurorail.app.cli import build
from neurorail.app.commands import demo as demo_command
from neurorail.app.commands.tail import _LiveTable
from neurorail.app.demo import play as play_module
from neurorail.app.demo import scenarios, show
from neurorail.app.demo.agents.result import Result, Used, read_result
from neurorail.app.demo.observed import Observed
from neurorail.app.demo.play import Part, Play
from neurorail.app.demo.scenarios import SCENARIOS, Check, Scenario
from neurorail.app.demo.stage import Stage, StageError
from neurorail.app.demo.world import ServerWorld
from neurorail.client import Client, StreamMessage

TRACE = "/api/neurorail/v1/identity/trace"


@pytest.fixture
def script() -> Iterator[Script]:
    with scripted_server(Script()) as running:
        yield running


def text(renderable: object) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(renderable)
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue()


def watched(script: Script, *bodies: bytes) -> Observed:
    """An observer that has seen everything the script sends."""
    script.streams.append(b"retry: 1\n\n" + b"".join(bodies))
    observed = Observed(Client(script.url))
    assert observed.start(60)
    # The script refuses the second connection, which ends the thread.
    observed._thread.join(60)
    assert observed.failure is not None
    assert "410" in observed.failure
    return observed


def test_observed_counts_what_the_stream_says(script: Script) -> None:
    observed = watched(
        script,
        event("1", "state_changed", entity_type="mission", entity_id="m_1", transition="create"),
        event("2", "state_changed", entity_type="attempt", entity_id="a_1", transition="create"),
        event("3", "state_changed", entity_type="attempt", entity_id="a_1", transition="start"),
        event("4", "cost_tracked", llm_tokens=7, cost_usd_pico=5, job_id="j_1"),
        event("5", "cost_tracked", llm_tokens=None, cost_usd_pico=None),
        event("6", "budget_violation", entity_id="j_1"),
        event("7", "timeout_enforced", entity_id="j_1"),
        event("8", "orphan_detected", entity_id="j_2"),
        event("9", "orphan_detected", entity_id="j_3"),
        event("10", "orphan_lifted", entity_id="j_3"),
    )
    tally = observed.tally()
    assert (tally.events, tally.missions, tally.attempts) == (10, 1, 1)
    assert (tally.tokens, tally.cost_usd_pico) == (7, 5)
    # The words and numbers of ControlDeck: what accompanies a violation is none.
    assert (tally.violations, tally.orphans) == (1, 1)
    assert [each.id for each in observed.about("j_1", "cost_tracked")] == ["4"]
    assert [each.id for each in observed.about("a_1", "state_changed")] == ["2", "3"]
    assert observed.newest()[-1].id == "10"


def test_observed_server_that_is_away_is_no_start(free_port: Callable[[], int]) -> None:
    observed = Observed(Client(f"http://127.0.0.1:{free_port()}"))
    assert observed.start(0.01) is False
    observed.stop()
    observed._thread.join(60)
    assert not observed._thread.is_alive(), "it would connect for ever, without a pause"
    assert observed.failure is None


def test_live_view_shows_agents_sums_and_events(script: Script) -> None:
    observed = watched(script, event("1", "state_changed", entity_type="job", to_state="running"))
    parts = [Part(scenario) for scenario in SCENARIOS]
    parts[0].failure = "the agent ended with status 1"
    shown = text(show.live_view(parts, observed))
    assert "failed" in shown
    assert "waiting" in shown
    assert "job new → running" in shown
    assert "missions 0" in shown


def test_part_moves_from_waiting_to_done() -> None:
    part = Part(SCENARIOS[0])
    assert part.status == "waiting"
    part.result = Result()
    part.child = object()  # type: ignore[assignment]
    assert part.status == "settling"
    part.checks = [Check("a", "b", False)]
    assert part.status == "settling"
    part.checks = [Check("a", "a", True)]
    assert (part.status, part.done) == ("as expected", True)


def test_result_is_read_as_it_was_told(capsys: pytest.CaptureFixture[str]) -> None:
    result = Result([Used("m_1", 3, 4, 1)], "j_1")
    result.tell()
    assert read_result(capsys.readouterr().out) == result


@pytest.mark.parametrize("line", ["", "{}", '{"missions": [{"x": 1}], "job_id": ""}', "[]"])
def test_result_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"no result|Expecting value"):
        read_result(line)


def test_world_unknown_entity_is_none_and_asked_for_once(script: Script) -> None:
    job = {"entity_type": "job", "entity_id": "j_1"}
    script.json[f"{TRACE}/job/j_1"] = (200, {"job": job, "descendants": [1]})
    world = ServerWorld(Client(script.url), Observed(Client(script.url)))
    assert world.entity("m_1") is None
    assert world.entity("j_1") == {**job, "descendants": [1]}
    world.entity("j_1")
    assert len(script.seen) == 2


class FakeWorld:
    """A server that knows entities and events given by hand."""

    def __init__(self, entities: dict[str, Any], *events: tuple[str, dict[str, Any]]) -> None:
        self._entities = entities
        self._events = events

    def entity(self, entity_id: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._entities.get(entity_id)
        return found

    def about(self, entity_id: str, event_type: str) -> Sequence[StreamMessage]:
        return [
            StreamMessage("1", "", name, 0.0, data)
            for name, data in self._events
            if name == event_type
        ]


def totals(tokens: int, cost: float, unpriced: int = 0) -> dict[str, Any]:
    return {
        "totals": {
            "input_tokens": tokens,
            "output_tokens": 0,
            "tool_calls": 0,
            "cost_usd": cost,
            "unpriced_calls": unpriced,
        }
    }


@pytest.mark.parametrize(
    ("mission", "ok"),
    [
        (totals(5, 0.1), True),
        (totals(4, 0.1), False),
        (totals(10, 0.1), False),
        (totals(5, 0.0), False),
        (totals(5, 0.1, unpriced=1), False),
        (None, False),
    ],
    ids=["exact", "lost", "twice", "free", "unpriced", "unknown"],
)
def test_check_of_the_meter_is_exact(mission: dict[str, Any] | None, ok: bool) -> None:
    result = Result([Used("m_1", 5)])
    checks = list(scenarios.check_crew(result, FakeWorld({"m_1": mission})))
    assert checks[-1].ok is ok


def test_checks_fail_when_nothing_happened() -> None:
    """Every scenario: a server that saw nothing satisfies no check."""
    for scenario in SCENARIOS:
        result = Result([Used("m_1", 5, 5, 1)], "j_1")
        checks = list(scenario.check(result, FakeWorld({})))
        assert checks, scenario.name
        assert not any(check.ok for check in checks), scenario.name


def test_check_of_an_event_counts_it() -> None:
    result = Result([Used("m_1")], "j_1")
    wanted = {"violation_type": "tokens", "code": "NR-E002"}
    for times, ok in ((0, False), (1, True), (2, False)):
        events = [("budget_violation", wanted)] * times
        checks = list(scenarios.check_runaway(result, FakeWorld({}, *events)))
        assert checks[1].ok is ok


def play_of(stage: Stage, script: Script, agent: str) -> Play:
    play = Play(stage, Client(script.url), Observed(Client(script.url)))
    scenario = Scenario("x", "a story", agent, "grpc", 0.0, lambda result, world: iter(()))
    play.parts = [Part(scenario)]
    return play


def staged(script: Script, tmp_path: Path) -> Stage:
    from neurorail.app.demo.stage import Addresses

    stage = Stage(tmp_path / "data")
    stage.addresses = Addresses("127.0.0.1:1", "http://127.0.0.1:1", script.url, script.url)
    return stage


def test_play_agent_that_fails_ends_the_wait(script: Script, tmp_path: Path) -> None:
    stage = staged(script, tmp_path)
    try:
        play = play_of(stage, script, "neurorail.no_such_module")
        play.run(lambda: None)
        assert "ended with status 1" in play.parts[0].failure
        assert not play.done
        play.judge_server()
        assert [check.ok for check in play.server_checks] == [True, False]
        assert "the agent ended" in text(show.summary_table(play))
        assert "No module named" in stage.log_tail()
    finally:
        stage.close()


def test_play_agent_without_a_result_has_failed(script: Script, tmp_path: Path) -> None:
    stage = staged(script, tmp_path)
    try:
        play = play_of(stage, script, "this")
        play.run(lambda: None)
        assert play.parts[0].status == "failed"
    finally:
        stage.close()


def test_play_gives_up_when_the_time_is_over(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play_module, "PLAY_S", -1.0)
    stage = staged(script, tmp_path)
    try:
        play = play_of(stage, script, "this")
        play.run(lambda: None)
        assert play.parts[0].status == "waiting"
        assert "not done in time" in text(show.summary_table(play))
    finally:
        stage.close()


def test_stage_server_that_cannot_start_is_told(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    stage = Stage(file, {"grpc": 0, "http": 0, "api": 0})
    try:
        with pytest.raises(StageError, match="did not start"):
            stage.open()
    finally:
        stage.close()
        stage.close()


def test_demo_without_its_packages_ends_with_status_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_command, "_installed", lambda package: package != "openai")
    result = CliRunner().invoke(build(), ["demo"])
    assert result.exit_code == 2
    assert 'pip install "neurorail[collector,demo]"' in result.stderr


@pytest.mark.parametrize(
    ("package", "found"), [("openai", True), ("no_such.package", False), ("no_such", False)]
)
def test_demo_looks_for_its_packages(package: str, found: bool) -> None:
    assert demo_command._installed(package) is found


def test_tail_live_table_shows_the_newest_events() -> None:
    table = _LiveTable()
    table.connection("connected")
    messages = [
        StreamMessage(str(at), "audit", "execution_success", 0.0, {"entity_id": f"a_{at}"})
        for at in range(3)
    ]
    table.run(messages)
    shown = text(table._table())
    assert "a_2" in shown
    assert "3 events · connected" in shown
