"""The chain as an agent's process tells it, as the server understands it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.end_to_end.agents import AGENT_S, PATHS, run_agent, start_agent, states
from tests.end_to_end.rail import Rail, until

CHAIN = """
    from neurorail.instrumentation import *
    configure()
    with mission("report", tags={"team": "sales"}, budget=Budget(max_cost_usd="0.25")) as m:
        print(m.id, flush=True)
        input()
        with plan("dag"), job("llm_call"), attempt(), tool("search"):
            pass
"""


def test_running_work_is_seen_before_its_span_ends(rail: Rail) -> None:
    agent = start_agent(rail, CHAIN)
    assert agent.stdout is not None
    mission_id = agent.stdout.readline().strip()
    running = rail.in_state(mission_id, "running")
    assert running["tags"] == {"name": "report", "team": "sales"}
    assert running["budget"]["max_cost_usd"] == 0.25
    _, complaints = agent.communicate("\n", timeout=AGENT_S)
    assert (agent.returncode, complaints) == (0, "")
    tree = rail.entity(mission_id, lambda tree: tree["mission"]["ended_at"])
    assert set(states(tree).values()) == {"succeeded"}
    assert sorted(states(tree)) == ["attempt", "job", "mission", "plan", "resource"]

    def reported() -> bool:
        history = rail.get(f"/lifecycle/history/mission/{mission_id}")["transitions"]
        told = {step["transition"] for step in history if not step["inferred"]}
        return {"create", "enqueue", "start"} <= told

    until("what the agent reported is on record", reported)
    assert rail.get("/audit/events", mission_id=mission_id, event_type="transition_rejected")[
        "events"
    ] == []  # fmt: skip


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_failures_and_retries(rail: Rail, protocol: str) -> None:
    endpoint = rail.server.otlp_http
    if protocol == "grpc":
        endpoint = f"http://{rail.server.otlp_grpc}"
    (mission_id,) = run_agent(
        rail,
        """
        from neurorail.instrumentation import *
        configure()
        tries = []
        def flaky():
            tries.append(1)
            if len(tries) < 3:
                raise ConnectionError("away")
        with mission("retries") as m, plan():
            run("llm_call", flaky, retries=2)
        print(m.id)
        """,
        OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
        OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
    )
    tree = rail.entity(mission_id, lambda tree: tree["mission"]["ended_at"])
    attempts = sorted(
        (one["attempt_number"], one["state"], one["error_code"])
        for one in tree["descendants"]
        if one["entity_type"] == "attempt"
    )
    assert attempts == [(1, "failed", "NR-E004"), (2, "failed", "NR-E004"), (3, "succeeded", None)]
    assert len(rail.events(mission_id, "retry_attempted", 2)) == 2


def test_sub_processes_work_in_the_chain_of_their_parent(rail: Rail) -> None:
    mission_id, job_id, first, second = run_agent(
        rail,
        """
        import subprocess, sys, textwrap
        from neurorail.instrumentation import *
        configure()
        child = textwrap.dedent('''
        from neurorail.instrumentation import *
        import threading
        configure()
        def work():
            with attempt() as a:
                print(a.id, flush=True)
        work()
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        ''')
        with mission("parent") as m, plan(), job("tool_execution") as j:
            print(m.id, j.id, flush=True)
            subprocess.run([sys.executable, "-c", child], env=child_environment(), check=True)
        """,
    )
    tree = rail.entity(mission_id, lambda tree: len(tree["descendants"]) == 4)
    attempts = {one["entity_id"] for one in tree["descendants"] if one["parent_id"] == job_id}
    assert attempts == {first, second}


def test_a_forked_child_reports_too_and_neither_hangs(rail: Rail) -> None:
    mission_id, *attempts = run_agent(
        rail,
        """
        import os
        from neurorail.instrumentation import *
        configure()
        with mission("forks") as m, plan(), job("tool_execution"):
            print(m.id, flush=True)
            with attempt() as a:
                print(a.id, flush=True)
            child = os.fork()
            if child == 0:
                with attempt() as a:
                    print(a.id, flush=True)
                shutdown()
                from opentelemetry import trace
                trace.get_tracer_provider().shutdown()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        """,
    )
    tree = rail.entity(mission_id, lambda tree: tree["mission"]["ended_at"])
    found = {one["entity_id"] for one in tree["descendants"] if one["entity_type"] == "attempt"}
    assert found == set(attempts)
    assert len(attempts) == 2


def test_parent_and_forked_child_each_have_their_connections(rail: Rail) -> None:
    mission_id, *attempts = run_agent(
        rail,
        """
        import os
        from neurorail.instrumentation import *
        from opentelemetry import trace
        configure()
        def attempts(count):
            for _ in range(count):
                with attempt() as a:
                    os.write(1, f"{a.id}\\n".encode())  # A line in one piece.
                trace.get_tracer_provider().force_flush()
        with mission("forks") as m, plan(), job("tool_execution"):
            print(m.id, flush=True)
            # Connections are open when the children are made, and all use theirs at once.
            attempts(1)
            children = []
            for _ in range(3):
                children.append(os.fork())
                if children[-1] == 0:
                    break
            if 0 in children:
                attempts(10)
                shutdown()
                trace.get_tracer_provider().shutdown()
                os._exit(0)
            attempts(10)
            assert [os.waitpid(child, 0)[1] for child in children] == [0] * 3
        """,
    )
    tree = rail.entity(mission_id, lambda tree: tree["mission"]["ended_at"])
    found = {one["entity_id"] for one in tree["descendants"] if one["entity_type"] == "attempt"}
    assert found == set(attempts)


def test_joining_an_sdk_that_is_set_up_already(rail: Rail) -> None:
    (mission_id,) = run_agent(
        rail,
        """
        from opentelemetry import _logs, trace
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from neurorail.instrumentation import *
        spans, logs = TracerProvider(), LoggerProvider()
        spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
        trace.set_tracer_provider(spans)
        _logs.set_logger_provider(logs)
        configure()
        configure()
        assert trace.get_tracer_provider() is spans
        with mission("joined") as m, plan(), job("llm_call"), attempt():
            with trace.get_tracer("other").start_as_current_span("inside") as span:
                assert span.attributes["neurorail.mission.id"] == m.id
        print(m.id)
        """,
    )
    tree = rail.entity(mission_id, lambda tree: tree["mission"]["ended_at"])
    assert sorted(states(tree)) == ["attempt", "job", "mission", "plan"]


def test_work_whose_heartbeats_stop_is_noticed_and_other_work_is_not(rail: Rail) -> None:
    agent = start_agent(rail, CHAIN, NEURORAIL_HEARTBEAT_MS="50")
    assert agent.stdout is not None
    mission_id = agent.stdout.readline().strip()
    rail.in_state(mission_id, "running")
    rail.rows(
        "SELECT EventName FROM otel_logs WHERE EventName = 'neurorail.heartbeat' "
        "AND LogAttributes['neurorail.mission.id'] = {m:String}",
        2,
        m=mission_id,
    )
    agent.communicate("\n", timeout=AGENT_S)


def test_nothing_hangs_or_is_lost_without_a_server() -> None:
    program = (
        "from neurorail.instrumentation import *\n"
        "configure()\n"
        "with mission('alone'), attempt(): print('worked', flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": ":".join(PATHS), "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
             "OTEL_EXPORTER_OTLP_TIMEOUT": "1", "PATH": "/usr/bin"},
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as agent:  # fmt: skip
        assert agent.stdout is not None
        assert agent.stdout.readline() == "worked\n"
        # Exporters that tried again as often as they can would take longer than a minute.
        assert agent.wait(40) == 0
