"""What Docker Compose's own reader says of the Compose file."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from tests.deploy.conftest import Tool

SECRETS = (
    "NEURORAIL_ADMIN_KEY", "CLICKHOUSE_PASSWORD", "CLICKHOUSE_READER_PASSWORD", "GRAFANA_PASSWORD",
)  # fmt: skip

pytestmark = pytest.mark.toolchain


def read(root: Path, tool: Tool, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tool("compose-check"), str(root / "deploy/compose/compose.yaml")],
        check=False, capture_output=True, text=True, env=variables,
    )  # fmt: skip


def test_compose_understands_the_file(root: Path, tool: Tool) -> None:
    done = read(root, tool, **{name: f"of-tests-{name.lower()}" for name in SECRETS})
    assert done.returncode == 0, done.stderr
    services = json.loads(done.stdout)["services"]
    server = services["neurorail"]
    assert server["read_only"]
    assert server["build"]["target"] == "server"
    assert "of-tests-clickhouse_password@" in server["environment"]["NEURORAIL_CLICKHOUSE__URL"]


@pytest.mark.parametrize("missing", SECRETS)
def test_compose_asks_for_every_secret(root: Path, tool: Tool, missing: str) -> None:
    done = read(root, tool, **{name: "x" for name in SECRETS if name != missing})
    assert done.returncode != 0
    assert f"required variable {missing} is missing a value" in done.stderr
