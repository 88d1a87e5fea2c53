"""What hadolint says of the image."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.deploy.conftest import Tool


def test_hadolint_finds_nothing(root: Path, tool: Tool) -> None:
    dockerfile = root / "deploy/container/Dockerfile"
    subprocess.run([tool("hadolint"), "--failure-threshold", "style", str(dockerfile)], check=True)
