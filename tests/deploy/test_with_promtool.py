"""What promtool says of the configurations; collected where it is installed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["prometheus.yaml", "compose/prometheus.yaml"])
def test_prometheus_understands_its_configuration(root: Path, name: str) -> None:
    path = root / "deploy" / name
    subprocess.run(["promtool", "check", "config", "--syntax-only", str(path)], check=True)
