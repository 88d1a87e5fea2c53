"""Agents that are stopped: by their budgets, by the server, or because it is away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import ANY
from uuid import uuid4

import pytest
from tests.end_to_end.agents import AGENT_S, environment, run_agent, start_agent
from tests.end_to_end.rail import API, Rail, until
from tests.support.model_api import ModelApi, model_api
from tests.support.process import running_server

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
        check=False, capture_output=True, text=True, timeout=AGENT_S,
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

    def named() -> list[dict[str, Any]]:
        missions = rail.get("/missions")["missions"]
        return [one for one in missions if one["tags"].get("name") == "stopped on the rail"]

    (ours,) = until("the mission is known by its name", named)
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
    (state,) = run_agent(
        rail,
        """
        from neurorail.instrumentation import *
        configure()
        with mission("m"), attempt():
            pass
        print(gate_status().mode)
        """,
        NEURORAIL_MODE="rail",
    )
    assert state == "rail"


def test_an_interrupted_agent_ends_at_once(rail: Rail, api: ModelApi, runaway: Path) -> None:
    agent = subprocess.Popen(
        [str(Path(sys.executable).parent / "neurorail"), "run", str(runaway), f"{api.url}/v1"],
        env=environment(rail), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        # What runs in the background of a shell ignores SIGINT, and so would what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        while not api.requests:
            assert agent.poll() is None
            time.sleep(0.01)
        agent.send_signal(signal.SIGINT)
        assert agent.wait(AGENT_S) in (1, 130, -signal.SIGINT)
    finally:
        agent.kill()
        agent.wait()


WAITING = """
    import asyncio, sys
    from neurorail.instrumentation import *
    configure()

    async def main():
        async with mission("waiting", agent=sys.argv[1] if sys.argv[1:] else None) as m, job("x"):
            print(m.id, flush=True)
            await asyncio.sleep(600)

    try:
        asyncio.run(main())
    except NeuroRailRefused as error:
        print(error.code, error.scope, error.cancelled, flush=True)
"""


def test_a_killed_mission_s_tasks_end_at_once(rail: Rail) -> None:
    agent = start_agent(rail, WAITING)
    assert agent.stdout is not None
    mission_id = agent.stdout.readline().strip()
    rail.in_state(mission_id, "running")
    rail.client.post_json(f"{API}/reflex/kill", {"entity_id": mission_id, "reason": "enough"})
    out, complaints = agent.communicate(timeout=AGENT_S)
    assert (agent.returncode, complaints) == (0, "")
    assert out.split() == ["NR-E008", mission_id, "True"]
    tree = rail.entity(mission_id, lambda tree: tree["mission"]["ended_at"])
    assert tree["mission"]["state"] == "cancelled"


def test_a_directive_of_before_the_start_holds_too(rail: Rail, api: ModelApi) -> None:
    scope = {"scope": {"tag.team": "tried-before"}, "reason": "resting", "ttl_ms": 600_000}
    rail.client.post_json(f"{API}/reflex/suspend", scope)
    (said, requests) = run_agent(
        rail,
        f"""
        from neurorail.instrumentation import *
        from neurorail.instrumentation.process import process
        from neurorail.instrumentation.instrumentor import NeuroRailInstrumentor
        NeuroRailInstrumentor().instrument()
        from openai import OpenAI
        assert process().gate.control.following.wait(60)
        with OpenAI(base_url="{api.url}/v1", api_key="k") as client:
            try:
                with mission("m", tags={{"team": "tried-before"}}):
                    client.chat.completions.create(model="gpt-4o", messages=[])
            except NeuroRailRefused as error:
                print(error.code)
            with mission("m", tags={{"team": "another"}}):
                client.chat.completions.create(model="gpt-4o", messages=[])
        print("done")
        """,
        NEURORAIL_MODE="direct",
    )
    assert (said, requests, len(api.requests)) == ("NR-E006", "done", 1)


def test_what_one_process_used_up_stops_another(rail: Rail, api: ModelApi) -> None:
    """In direct mode, by telemetry alone: usage, budget, directive, refusal."""
    spender = """
        import sys
        from neurorail.instrumentation import *
        from neurorail.instrumentation.process import process
        from neurorail.instrumentation.instrumentor import NeuroRailInstrumentor
        NeuroRailInstrumentor().instrument()
        from openai import OpenAI
        assert process().gate.control.following.wait(60)
        client = OpenAI(base_url="URL/v1", api_key="k")
        print("ready", flush=True)
        with resume("m_MARK", "p_MARK", "j_MARK"):
            try:
                for _ in sys.stdin:
                    client.chat.completions.create(model="gpt-4o", messages=[])
                    print("called", flush=True)
            except NeuroRailRefused as error:
                print(error.code, error.scope, flush=True)
        client.close()
    """
    mark = uuid4().hex
    run_agent(
        rail,
        f"""
        from neurorail.instrumentation import *
        configure()
        mission("shared", id="m_{mark}", budget=Budget(max_tokens=60)).enter_unasked()
        shutdown()
        print("open")
        """,
    )
    program = spender.replace("URL", api.url).replace("MARK", mark)
    first, second = (start_agent(rail, program, NEURORAIL_MODE="direct") for _ in range(2))
    for agent in (first, second):
        assert agent.stdout is not None
        assert agent.stdout.readline() == "ready\n"
    assert first.stdin is not None
    assert first.stdout is not None
    for _ in range(2):
        first.stdin.write("go\n")
        first.stdin.flush()
        assert first.stdout.readline() == "called\n"
    rail.events(f"m_{mark}", "directive_issued")
    # It hears of it a moment later than the API, and tries until it does.
    out, complaints = second.communicate("go\n" * 20_000, timeout=AGENT_S)
    assert (second.returncode, complaints) == (0, "")
    assert out.split()[-2:] == ["NR-E002", f"m_{mark}"]
    first.communicate(timeout=AGENT_S)


def test_an_attempt_is_no_pass_for_its_calls(rail: Rail) -> None:
    """In the manifest's mode, which is direct: the attempt holds a reservation, its calls none."""
    mark = uuid4().hex
    run_agent(
        rail,
        f"""
        from neurorail.instrumentation import *
        configure()
        mission("elsewhere", id="m_{mark}", budget=Budget(max_tokens=60)).enter_unasked()
        shutdown()
        print("open")
        """,
    )
    lines = run_agent(
        rail,
        f"""
        import time
        from opentelemetry import trace
        from neurorail.instrumentation import *
        from neurorail.instrumentation.process import process
        configure()
        assert process().gate.control.following.wait(60)
        usage = {{"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 30}}
        with resume("m_{mark}", "p_{mark}", "j_{mark}"), attempt() as a:
            print(a.reservation is not None, gate_status().mode)
            try:
                for _ in range(30_000):
                    with resource("llm_call"):
                        trace.get_current_span().set_attributes(usage)
                        time.sleep(0.01)
            except NeuroRailRefused as error:
                print(error.code, error.scope)
        """,
    )
    assert lines == ["True", "auto", "NR-E002", f"m_{mark}"]


def test_on_the_rail_a_call_is_told_how_to_state_what_it_uses(rail: Rail) -> None:
    said = run_agent(
        rail,
        """
        from neurorail.instrumentation import *
        configure()
        with mission("small", budget=Budget(max_tokens=2_000)), job("llm_call"), attempt():
            try:
                with resource("llm_call"):
                    pass
            except NeuroRailRefused as error:
                print(error.reason)
            with resource("llm_call", budget=Budget(max_tokens=500)) as call:
                print(call.call.reservation is not None)
                call.record_usage(100)
        """,
        NEURORAIL_MODE="rail",
    )
    assert said[-1] == "True"
    assert " ".join(said[2:-1]) == (
        "has 2000 of 2000 tokens left, 8000 estimated by the manifest, as none is stated; state "
        "the most that the call uses: the request's limit on output, NEURORAIL_OUTPUT_TOKENS_MAX, "
        "or resource(…, budget=Budget(max_tokens=…))"
    )


def test_connected_agents_are_listed_with_their_gate(rail: Rail) -> None:
    agent = start_agent(rail, WAITING, OTEL_SERVICE_NAME="listed", NEURORAIL_MODE="rail")
    assert agent.stdout is not None
    agent.stdout.readline()

    def look() -> dict[str, Any] | None:
        # Its first word may be from before its stream was up, its next one is not.
        found = [one for one in rail.get("/agents")["agents"] if one["service"] == "listed"]
        return found[0] if found and found[0]["gate"]["connected"] else None

    listed = until("the agent is listed as connected", look)
    assert listed["pid"] == agent.pid
    assert str(listed["sdk"]).startswith("neurorail-python ")
    assert listed["gate"] == {
        "mode": "rail", "connected": True, "fail": "open", "directives": ANY, "refused": 0,
    }  # fmt: skip
    metrics = rail.metrics()
    assert 1 <= metrics["neurorail_api_agents"] < metrics["neurorail_api_agents_limit"]
    agent.terminate()
    agent.communicate(timeout=AGENT_S)


FORKING = """
    import os, sys, threading, time
    from neurorail.instrumentation import *
    from neurorail.instrumentation.process import process
    configure()
    gate = process().gate
    assert gate.control.following.wait(60)
    child = os.fork()
    if child == 0:
        # Threads of its own: it follows by itself, and is told of what the parent never hears of.
        assert gate.control.following.wait(60)
        print("child", threading.active_count(), flush=True)
        sys.stdin.readline()
        with resume("m_MARK"):
            for _ in range(30_000):
                try:
                    with tool("x"):
                        time.sleep(0.01)
                except NeuroRailRefused as error:
                    print(error.code, flush=True)
                    break
        shutdown()
        os._exit(0)
    gate.disconnect()
    os.waitpid(child, 0)
    print("parent", gate_status().state, flush=True)
"""


def test_a_forked_child_has_a_gate_of_its_own(rail: Rail) -> None:
    mark = uuid4().hex
    agent = start_agent(rail, FORKING.replace("MARK", mark), NEURORAIL_MODE="direct")
    assert agent.stdout is not None
    assert agent.stdout.readline().startswith("child ")
    rail.client.post_json(f"{API}/reflex/kill", {"entity_id": f"m_{mark}", "reason": "enough"})
    out, complaints = agent.communicate("\n", timeout=AGENT_S)
    assert (agent.returncode, complaints) == (0, "")
    assert out.split() == ["NR-E008", "parent", "off"]


def test_a_spawned_worker_has_a_gate_of_its_own(rail: Rail, tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(
        "from neurorail.instrumentation import *\n"
        "from neurorail.instrumentation.process import process\n"
        "def work():\n"
        "    configure()\n"
        "    assert process().gate.control.following.wait(60)\n"
        "    with attempt() as a:\n"
        "        return a.ids['neurorail.mission.id']\n",
        encoding="utf-8",
    )
    mission_id, seen = run_agent(
        rail,
        """
        import os
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context
        from neurorail.instrumentation import *
        from worker import work
        if __name__ == "__main__":
            configure()
            with mission("spawns") as m, plan(), job("x"):
                os.environ.update(child_environment())
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                    print(m.id, pool.submit(work).result())
        """,
        PYTHONPATH=os.pathsep.join([environment(rail)["PYTHONPATH"], str(tmp_path)]),
    )
    assert seen == mission_id
    rail.entity(mission_id, lambda tree: len(tree["descendants"]) == 3)


def test_after_a_restart_of_the_server_the_gate_reads_all_anew(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    options = ("--api", f"127.0.0.1:{free_port()}")
    with running_server(tmp_path / "data", *options) as server:
        nowhere = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "LOGS", "METRICS")}
        agent = start_agent(Rail(server), RESTARTED, NEURORAIL_MODE="direct", **nowhere)
        assert agent.stdout is not None
        assert agent.stdout.readline() == "1\n"
    with running_server(tmp_path / "data", *options) as server:
        Rail(server).client.post_json(
            f"{API}/reflex/suspend", {"scope": {"tool": "shell"}, "reason": "resting"}
        )
        out, complaints = agent.communicate("\n", timeout=AGENT_S)
    assert out.split() == ["refused", "True"], complaints


RESTARTED = """
    import time
    from neurorail.instrumentation import *
    from neurorail.instrumentation.process import process
    configure()
    following = process().gate.control.following
    assert following.wait(60)
    print(following.resyncs, flush=True)
    input()
    for _ in range(30_000):
        try:
            with tool("shell"):
                time.sleep(0.01)
        except NeuroRailRefused:
            # The picture holds before the stream is up again.
            if gate_status().state == "connected":
                print("refused", following.resyncs > 1, flush=True)
                break
            time.sleep(0.01)
"""


def test_everything_can_be_taken_back(rail: Rail, api: ModelApi) -> None:
    said = run_agent(
        rail,
        f"""
        from neurorail.instrumentation import *
        from neurorail.instrumentation.instrumentor import NeuroRailInstrumentor
        from openai import OpenAI
        from openai._base_client import SyncAPIClient
        before = SyncAPIClient.request
        instrumentor = NeuroRailInstrumentor()
        instrumentor.instrument()
        print(SyncAPIClient.request is before, current_entity().type)
        client = OpenAI(base_url="{api.url}/v1", api_key="k")
        client.chat.completions.create(model="gpt-4o", messages=[])
        instrumentor.uninstrument()
        print(SyncAPIClient.request is before, current_entity())
        client.chat.completions.create(model="gpt-4o", messages=[])
        client.close()
        """,
        NEURORAIL_MODE="direct",
    )
    assert said == ["False", "attempt", "True", "None"]
    assert len(api.requests) == 2
