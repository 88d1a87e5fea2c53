from __future__ import annotations

import json
from pathlib import Path

import pytest

from neurorail.app.demo.run import run_demo
from neurorail.app.demo.scenarios import SCENARIOS

FREE = {"grpc": 0, "http": 0, "api": 0}


def test_demo_everything_happens_that_is_to_happen(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The whole product: agents over both protocols, engine, store, stream and API."""
    status = run_demo(tmp_path / "data", leave=True, as_json=True, ports=FREE)
    said = json.loads(capfd.readouterr().out)
    wrong = [
        (agent["name"], check)
        for agent in said["agents"]
        for check in agent["checks"] or [agent["failure"]]
        if not agent["ok"] and not (isinstance(check, dict) and check["ok"])
    ]
    assert wrong == []
    assert all(check["ok"] for check in said["server"]), said["server"]
    assert status == 0
    assert [agent["name"] for agent in said["agents"]] == [entry.name for entry in SCENARIOS]
    assert said["tally"]["missions"] >= len(SCENARIOS)
    assert not (tmp_path / "data" / "server.json").exists()
