"""The examples in other languages, run against a server, each with what it must lead to."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.end_to_end.agents import AGENT_S, states
from tests.end_to_end.asking import begin_with_budget
from tests.end_to_end.rail import API, Chain, Rail
from tests.end_to_end.test_javascript import HERE
from tests.end_to_end.test_javascript import packages as packages
from tests.support.model_api import ModelApi, model_api

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "examples"


@pytest.fixture
def api() -> Iterator[ModelApi]:
    """A model server of the test's own."""
    with model_api() as running:
        yield running


@pytest.fixture
def javascript(tmp_path: Path, packages: Path) -> Path:
    """The JavaScript examples beside their packages."""
    for example in (EXAMPLES / "javascript").glob("*.mjs"):
        shutil.copy(example, tmp_path)
    (tmp_path / "node_modules").symlink_to(packages)
    return tmp_path


def run(
    command: list[str], folder: Path, rail: Rail, timeout: float = AGENT_S, endpoint: str = ""
) -> str:
    """What an example prints. It sends to `endpoint`, or to the server itself."""
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint or rail.server.otlp_http,
        "OTEL_SERVICE_NAME": "other",
    }
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **variables},
        check=False, capture_output=True, text=True, timeout=timeout,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    # Maven colours what it prints, even nothing.
    return re.sub(r"\x1b\[\d*m", "", done.stdout).strip().splitlines()[-1]


def must_be_governed(rail: Rail, mission_id: str) -> None:
    """The chain is whole, the call is metered, the budget was known from the start."""
    tree = rail.entity(mission_id, lambda tree: len(tree["descendants"]) == 4 and tree["resources"])
    assert sorted(states(tree)) == ["attempt", "job", "mission", "plan", "resource"]
    (call,) = tree["resources"]
    assert (call["model"], call["totals"]["total_tokens"]) == ("gpt-4o", 1_500)
    mission: Any = rail.entity(mission_id, lambda tree: tree["mission"]["budget"]["max_tokens"])
    assert mission["mission"]["budget"]["max_tokens"] == 10_000
    assert mission["mission"]["totals"]["total_tokens"] == 1_500


@pytest.mark.node
def test_javascript(javascript: Path, rail: Rail) -> None:
    must_be_governed(rail, run(["node", "agent.mjs"], javascript, rail))


@pytest.mark.node
def test_the_javascript_gate_stops_at_the_budget(
    javascript: Path, rail: Rail, chain: Chain, api: ModelApi
) -> None:
    begin_with_budget(rail, chain, max_tokens=500)
    command = ["node", "governed.mjs", rail.server.api, api.url, chain.mission]
    calls, code = run(command, javascript, rail).split()
    assert code == "NR-E002"
    assert int(calls) == len(api.requests)
    assert 0 < api.spent_tokens <= 500
    ended = rail.entity(chain.mission, lambda tree: tree["mission"]["totals"]["total_tokens"])
    assert ended["mission"]["totals"]["total_tokens"] == api.spent_tokens


@pytest.mark.node
def test_the_javascript_gate_hears_of_directives(
    javascript: Path, rail: Rail, api: ModelApi
) -> None:
    mission_id = f"m_{uuid4().hex}"
    rail.client.post_json(f"{API}/reflex/kill", {"entity_id": mission_id, "reason": "enough"})
    command = ["node", "governed.mjs", rail.server.api, api.url, mission_id]
    assert run(command, javascript, rail) == "0 NR-E008"
    assert api.requests == []


@pytest.mark.slow
@pytest.mark.toolchain
@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("go") is None, reason="no Go on the path")
def test_go(tmp_path: Path, rail: Rail) -> None:
    folder = shutil.copytree(EXAMPLES / "go", tmp_path / "go")
    must_be_governed(rail, run(["go", "run", "."], folder, rail, 500))


@pytest.mark.slow
@pytest.mark.toolchain
@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("mvn") is None, reason="no Maven on the path")
def test_java(tmp_path: Path, rail: Rail) -> None:
    folder = shutil.copytree(EXAMPLES / "java", tmp_path / "java")
    must_be_governed(rail, run(["mvn", "-q", "-B", "compile", "exec:java"], folder, rail, 500))


@contextmanager
def collector(folder: Path, rail: Rail, grpc_port: int, http_port: int) -> Iterator[str]:
    """A Collector with the published configuration in front of the server; where it listens."""
    source = shutil.copytree(EXAMPLES / "collector", folder / "collector")
    subprocess.run(["go", "build", "-o", "collector", "."], cwd=source, check=True, timeout=500)
    text = (ROOT / "deploy" / "opentelemetry-collector.yaml").read_text("utf-8")
    for published, here in (
        ("0.0.0.0:14317", f"127.0.0.1:{grpc_port}"),
        ("0.0.0.0:14318", f"127.0.0.1:{http_port}"),
        ("localhost:4317", rail.server.otlp_grpc),
    ):
        assert text.count(published) == 1
        text = text.replace(published, here)
    # Its own metrics would listen on a fixed port.
    text += "  telemetry:\n    metrics:\n      level: none\n"
    (source / "config.yaml").write_text(text, "utf-8")
    command = ["./collector", "--config", "config.yaml"]
    with subprocess.Popen(command, cwd=source, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = iter(process.stderr.readline, "")
        assert any("Everything is ready" in line for line in said)
        try:
            yield f"http://127.0.0.1:{http_port}"
        finally:
            process.terminate()  # It passes on what it holds before it ends.
            process.communicate(timeout=AGENT_S)


@pytest.mark.slow
@pytest.mark.toolchain
@pytest.mark.node
@pytest.mark.timeout(900)
@pytest.mark.skipif(shutil.which("go") is None, reason="no Go on the path")
def test_a_collector_in_front(
    tmp_path: Path, javascript: Path, rail: Rail, free_port: Callable[[], int]
) -> None:
    with collector(tmp_path, rail, free_port(), free_port()) as endpoint:
        mission_id = run(["node", "agent.mjs"], javascript, rail, endpoint=endpoint)
    must_be_governed(rail, mission_id)


def test_the_example_asks_for_what_is_tested() -> None:
    example = json.loads((EXAMPLES / "javascript" / "package.json").read_text("utf-8"))
    tested = json.loads((HERE / "package.json").read_text("utf-8"))
    assert example["dependencies"].items() <= tested["dependencies"].items()


def test_the_gate_has_sixty_lines() -> None:
    text = (EXAMPLES / "javascript" / "gate.mjs").read_text("utf-8")
    assert text.count("\n") <= 60
