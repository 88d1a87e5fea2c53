"""Programs printed in the documents run, against a real server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.process import ServerProcess, running_server

from neurorail.client import Client, Problem


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


def run(code: str, server: ServerProcess) -> str:
    """What a program prints, exporting to the server."""
    environment = {
        **os.environ,
        "OTEL_EXPORTER_OTLP_ENDPOINT": server.otlp_http,
        "OTEL_SERVICE_NAME": "documents",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False, capture_output=True, text=True, timeout=60, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def trace_of(server: ServerProcess, mission_id: str) -> Any:
    """The tree of a mission as the API gives it, once the mission has ended.

    An answer to telemetry says that it is durable, not that it is applied already.
    """
    client = Client(server.api)
    ends = time.monotonic() + 20
    while True:
        try:
            tree = client.get_json(f"/api/neurorail/v1/identity/trace/mission/{mission_id}")
            if tree["mission"]["ended_at"] is not None:
                return tree
        except Problem as problem:
            if problem.status != 404:
                raise
        assert time.monotonic() < ends, "the mission never ended"
        time.sleep(0.02)


def test_the_python_program_sends_a_mission_with_a_budget(
    root: Path, server: ServerProcess
) -> None:
    mission_id = run(program(root, "send-telemetry.md"), server)
    tree = trace_of(server, mission_id)
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
