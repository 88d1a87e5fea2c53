"""What promtool says of the configurations."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.deploy.conftest import Tool


@pytest.mark.parametrize("name", ["prometheus.yaml", "compose/prometheus.yaml"])
def test_prometheus_understands_its_configuration(root: Path, tool: Tool, name: str) -> None:
    path = root / "deploy" / name
    promtool = tool("promtool")
    subprocess.run([promtool, "check", "config", "--syntax-only", str(path)], check=True)
