"""What the Collector says of its configurations; collected where it is installed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.deploy.test_settings import COLLECTORS


@pytest.mark.parametrize("name", COLLECTORS)
def test_the_collector_understands_its_configuration(root: Path, name: str) -> None:
    path = root / "deploy" / "collector" / name
    subprocess.run(["otelcol-contrib", "validate", f"--config={path}"], check=True)
