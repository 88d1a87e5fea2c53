"""Spans that a Collector stored long ago, imported: the same missions, states, tokens and cost."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from tests.end_to_end.agents import run_agent
from tests.end_to_end.rail import Rail, config_file
from tests.support.process import running_server
from tests.support.waiting import PROGRAM_S

PROGRAM = """
    from opentelemetry import trace
    from neurorail.instrumentation import *
    configure()
    tries = []
    def flaky():
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError("away")
    def call(tokens):
        span = trace.get_current_span()
        span.set_attribute("gen_ai.operation.name", "chat")
        span.set_attribute("gen_ai.provider.name", "openai")
        span.set_attribute("gen_ai.request.model", "gpt-4o")
        span.set_attribute("gen_ai.usage.input_tokens", tokens)
        span.set_attribute("gen_ai.usage.output_tokens", 7)
    with mission("retries", tags={"team": "sales"}, budget=Budget(max_tokens=900)) as m, plan():
        run("llm_call", flaky, retries=2)
        with job("tool_execution", dependencies=()), attempt(), tool("search"):
            pass
        with job("llm_call"), attempt(), resource("llm_call"):
            call(1_000)  # The last one: after it the budget is used up.
    print(m.id)
    tracer = trace.get_tracer("plain")
    with tracer.start_as_current_span("crew") as root:
        for number in range(3):
            with tracer.start_as_current_span("invoke_agent writer") as agent:
                agent.set_attribute("gen_ai.operation.name", "invoke_agent")
                agent.set_attribute("gen_ai.agent.name", "writer")
                with tracer.start_as_current_span("chat"):
                    call(100 + number)
    print(f"m_{root.get_span_context().trace_id:032x}")
"""
AGO = "INTERVAL 20 DAY"
OLD = "collected"
"""The database that the Collector wrote into."""
PASSWORD = "a password of 16 or more"


def imported(target: Rail, *options: str, source: str) -> Any:
    """What `neurorail import` says as JSON."""
    command = [sys.executable, "-m", "neurorail.app.cli", "import", "--from", source, "--json"]
    command += ["--server", target.server.api, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PROGRAM_S, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def missions(rail: Rail, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Missions of a real SDK, and a table of the Collector with their spans of weeks ago."""
    found = run_agent(rail, PROGRAM)
    for mission_id in found:
        rail.entity(mission_id, lambda tree: tree["mission"]["ended_at"])
    rail.all_is_stored()
    assert rail.store is not None
    rail.store.command(f"CREATE DATABASE IF NOT EXISTS {OLD}")
    kept = ", ".join(f"'{mission_id[2:]}'" for mission_id in found)
    rail.store.command(
        f"CREATE TABLE {OLD}.otel_traces ENGINE = MergeTree PARTITION BY toDate(Timestamp) "
        "ORDER BY (ServiceName, SpanName, toDateTime(Timestamp)) AS "
        f"SELECT * EXCEPT (Tenant, Node, Seq, ReceivedAt) REPLACE (Timestamp - {AGO} AS Timestamp) "
        f"FROM otel_traces WHERE TraceId IN ({kept}) OR TraceId IN (SELECT TraceId FROM otel_traces"
        f" WHERE SpanAttributes['neurorail.mission.id'] IN ('{found[0]}'))"
    )
    return found


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rail]:
    """Another server, with an embedded store that answers SQL."""
    folder = tmp_path_factory.mktemp("second")
    config = config_file(folder, sql={"address": "127.0.0.1:0", "password": PASSWORD})
    with running_server(folder / "data", "--config", str(config)) as server:
        yield Rail(server)


def told(rail: Rail, mission_id: str) -> list[dict[str, Any]]:
    """What matters of a mission's entities, by id; logs told more exactly when they began."""
    tree = rail.entity(mission_id, lambda tree: tree["mission"]["ended_at"])
    entities = [tree["mission"], *tree["descendants"]]
    kept = ("entity_type", "state", "tags", "budget", "totals", "attempt_count", "retry_count",
            "error_code", "job_type", "plan_type", "resource_type", "attempt_number", "model",
            "agent")  # fmt: skip
    found = [{"id": one["entity_id"], **{name: one.get(name) for name in kept}} for one in entities]
    return sorted(found, key=lambda one: one["id"])


def test_the_same_missions_states_tokens_and_cost(
    rail: Rail, second: Rail, missions: list[str]
) -> None:
    assert rail.store is not None
    source = rail.store.config.url
    counted = imported(second, "--database", OLD, "--dry-run", source=source)
    first = imported(second, "--database", OLD, source=source)
    assert first["spans"] == first["accepted"] == counted["spans"] > 15
    for mission_id in missions:
        before, after = told(rail, mission_id), told(second, mission_id)
        assert before == after
        (mission,) = [one for one in before if one["entity_type"] == "mission"]
        assert mission["totals"]["total_tokens"] > 0
        assert mission["totals"]["cost_usd"] > 0

    # Again: nothing is added, by the engine or to the store.
    second.all_is_stored()
    again = imported(second, "--database", OLD, source=source)
    assert (again["accepted"], again["known"]) == (0, first["spans"])
    assert [told(second, one) for one in missions] == [told(rail, one) for one in missions]

    # Another server is a source, too: its embedded store answers at its own address.
    assert second.server.sql is not None
    address = second.server.sql.replace("://", f"://reader:{quote(PASSWORD)}@")
    there = imported(second, "--database", "neurorail", "--dry-run", source=address)
    assert there["spans"] == first["spans"]
    itself = imported(second, "--database", "neurorail", source=address)
    assert (itself["accepted"], itself["known"]) == (0, first["spans"])

    # It is marked as what it is, and nothing comes of it but its record.
    violations = second.events(missions[0], "budget_violation")
    assert {one["details"]["imported"] for one in violations} == {True}
    assert second.get("/reflex/directives")["directives"] == []
