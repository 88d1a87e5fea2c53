"""Programs printed in the documents run, against a real server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.process import ServerProcess, running_server
from tests.support.waiting import PROGRAM_S, ended_mission


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A whole server."""
    with running_server(tmp_path / "data") as running:
        yield running


def program(root: Path, page: str) -> str:
    """The program of a page that is marked as tested."""
    text = (root / "docs" / page).read_text(encoding="utf-8")
    found = re.findall(
        r"<!-- test: python -->\n```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL
    )
    assert len(found) == 1
    return str(found[0])


def run(code: str, server: ServerProcess, **variables: str) -> str:
    """What a program prints, exporting to the server."""
    environment = {
        **os.environ,
        "OTEL_EXPORTER_OTLP_ENDPOINT": server.otlp_http,
        "OTEL_SERVICE_NAME": "documents",
        **variables,
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False, capture_output=True, text=True, timeout=PROGRAM_S, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_python_program_sends_a_mission_with_a_budget(
    root: Path, server: ServerProcess
) -> None:
    mission_id = run(program(root, "send-telemetry.md"), server)
    tree = ended_mission(server.api, mission_id)
    mission = tree["mission"]
    assert mission["state"] == "succeeded"
    assert mission["tags"] == {"customer": "acme"}
    assert mission["budget"]["max_tokens"] == 10_000
    assert mission["budget"]["timeout_ms"] == 60_000
    kinds = sorted(entity["entity_type"] for entity in tree["descendants"])
    assert kinds == ["attempt", "job", "plan", "resource"]
    (call,) = tree["resources"]
    assert (call["model"], call["service"]) == ("gpt-4o", "documents")
    for entity in (mission, *tree["descendants"]):
        assert entity["totals"]["total_tokens"] == 1_500
        assert entity["totals"]["cost_usd"] == 0.006


def test_the_agent_program_reports_the_whole_chain(root: Path, server: ServerProcess) -> None:
    mission_id = run(program(root, "agents.md"), server)
    tree = ended_mission(server.api, mission_id)
    assert tree["mission"]["state"] == "succeeded"
    assert tree["mission"]["tags"] == {"name": "weekly report", "customer": "acme"}
    kinds = sorted((one["entity_type"], one["state"]) for one in tree["descendants"])
    assert kinds == [
        ("attempt", "succeeded"),
        ("job", "succeeded"),
        ("job", "succeeded"),
        ("plan", "succeeded"),
        ("resource", "succeeded"),
    ]


def test_the_predecessor_s_program_runs_as_written(root: Path, server: ServerProcess) -> None:
    assert run(program(root, "coming-from-the-predecessor.md"), server) == "bees in ci"


def test_the_client_s_program_runs_as_written(root: Path, server: ServerProcess) -> None:
    told = run(program(root, "client.md"), server, NEURORAIL_ENDPOINT=server.api)
    assert told.splitlines()[0] == "NR-E301 ['enqueue', 'cancel']"
    assert told.splitlines()[-1] == "state_changed queued"
