"""The examples in other languages, run against a server, each with what it must lead to."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.end_to_end.agents import states
from tests.end_to_end.asking import begin_with_budget
from tests.end_to_end.rail import API, Chain, Rail
from tests.end_to_end.test_javascript import HERE
from tests.end_to_end.test_javascript import packages as packages
from tests.support.model_api import ModelApi, model_api

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"


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


def run(command: list[str], folder: Path, rail: Rail, timeout: float = 60) -> str:
    """What an example prints."""
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": rail.server.otlp_http, "OTEL_SERVICE_NAME": "other"}
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
@pytest.mark.timeout(300)
def test_javascript(javascript: Path, rail: Rail) -> None:
    must_be_governed(rail, run(["node", "agent.mjs"], javascript, rail))


@pytest.mark.node
@pytest.mark.timeout(300)
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
@pytest.mark.timeout(300)
def test_the_javascript_gate_hears_of_directives(
    javascript: Path, rail: Rail, api: ModelApi
) -> None:
    mission_id = f"m_{uuid4().hex}"
    rail.client.post_json(f"{API}/reflex/kill", {"entity_id": mission_id, "reason": "enough"})
    command = ["node", "governed.mjs", rail.server.api, api.url, mission_id]
    assert run(command, javascript, rail) == "0 NR-E008"
    assert api.requests == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("go") is None, reason="no Go on the path")
def test_go(tmp_path: Path, rail: Rail) -> None:
    folder = shutil.copytree(EXAMPLES / "go", tmp_path / "go")
    must_be_governed(rail, run(["go", "run", "."], folder, rail, 500))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("mvn") is None, reason="no Maven on the path")
def test_java(tmp_path: Path, rail: Rail) -> None:
    folder = shutil.copytree(EXAMPLES / "java", tmp_path / "java")
    must_be_governed(rail, run(["mvn", "-q", "-B", "compile", "exec:java"], folder, rail, 500))


def test_the_example_asks_for_what_is_tested() -> None:
    example = json.loads((EXAMPLES / "javascript" / "package.json").read_text("utf-8"))
    tested = json.loads((HERE / "package.json").read_text("utf-8"))
    assert example["dependencies"].items() <= tested["dependencies"].items()


def test_the_gate_has_sixty_lines() -> None:
    text = (EXAMPLES / "javascript" / "gate.mjs").read_text("utf-8")
    assert text.count("\n") <= 60
