"""The compiled engine: it is one, and does to the last bit what its sources do.

`make compiled-test` runs this, and the engine's own tests, where the compiled wheel is installed.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from hatch_build import modules

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.compiled,
    pytest.mark.skipif(
        Path(sys.prefix) != ROOT / "build" / "compiled" / "venv",
        reason="the compiled wheel is not installed here: `make compiled-test`",
    ),
]

SEEDS = [str(seed) for seed in range(1, 40)]


def said(python: Path, root: Path, *arguments: str) -> list[str]:
    """What a program prints that an interpreter runs, line by line."""
    command = [str(python), "-m", *arguments]
    environment = {"PYTHONPATH": str(root)}
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, timeout=240, check=True
    )
    return done.stdout.splitlines()


def test_every_chosen_module_is_compiled(root: Path) -> None:
    chosen = modules(root)
    assert len(chosen) > 50
    for source in chosen:
        name = ".".join(Path(source).relative_to(Path(source).parts[0]).with_suffix("").parts)
        found = importlib.import_module(name).__file__
        assert found is not None
        assert found.endswith((".so", ".pyd")), name


def test_what_is_decided_and_written_is_the_same_to_the_last_bit(root: Path) -> None:
    pure = root / ".venv" / "bin" / "python"
    program = ("tests.simulation.digests", *SEEDS)
    told = said(pure, root, *program)
    assert len(told) == len(SEEDS)
    assert told == said(Path(sys.executable), root, *program)
