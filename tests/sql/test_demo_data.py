"""Every query of a panel gives rows on what the demonstration leaves in its store."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import httpx2
import pytest
from tests.sql.conftest import PASSWORD, USER
from tests.sql.test_grafana import QUERIES, expanded
from tests.support.process import running_server

pytestmark = pytest.mark.slow
FAILED = (
    "SELECT mission_id FROM neurorail_audit WHERE event_type = 'budget_violation' "
    "AND mission_id != '' LIMIT 1"
)


@pytest.fixture(scope="module")
def demonstrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of SQL over the store of a demonstration that ended."""
    folder = tmp_path_factory.mktemp("demo")
    data, config = folder / "data", folder / "neurorail.yaml"
    command = [sys.executable, "-m", "neurorail.app.cli", "demo", "--exit", "--data-dir", str(data)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
    config.write_text(f"sql: {{address: '127.0.0.1:0', password: {PASSWORD}}}", encoding="utf-8")
    with running_server(data, "--config", str(config)) as server:
        assert server.sql is not None
        yield server.sql


def ask(address: str, query: str) -> list[dict[str, object]]:
    answer = httpx2.post(
        address, params={"default_format": "JSON"}, content=query.encode(),
        auth=(USER, PASSWORD), timeout=60,
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, object]] = answer.json()["data"]
    return rows


def test_every_panel_shows_the_demonstration(demonstrated: str) -> None:
    (mission,) = ask(demonstrated, FAILED)
    empty = [
        panel.id
        for panel in QUERIES
        if not ask(
            demonstrated,
            expanded(panel.values[1]["rawSql"], str(mission["mission_id"])),  # type: ignore[index]
        )
    ]
    assert empty == []
