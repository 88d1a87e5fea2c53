"""What hadolint says of the image; collected where it is installed."""

from __future__ import annotations

import subprocess
from pathlib import Path


def test_hadolint_finds_nothing(root: Path) -> None:
    subprocess.run(["hadolint", str(root / "deploy/container/Dockerfile")], check=True)
