"""The gates of continuous integration close when they have to."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.waiting import PROGRAM_S


@pytest.fixture(scope="module")
def gate(root: Path) -> dict[str, Any]:
    """The coverage gate's functions."""
    return runpy.run_path(str(root / "scripts" / "coverage_gate.py"))


def summary(covered: int, total: int) -> dict[str, dict[str, int]]:
    """One file as coverage describes it: half of everything is branches."""
    return {
        "summary": {
            "covered_lines": covered // 2,
            "covered_branches": covered - covered // 2,
            "num_statements": total // 2,
            "num_branches": total - total // 2,
        }
    }


@pytest.mark.parametrize(
    ("engine", "rest", "closed"),
    [
        ((200, 200), (90, 100), 0),
        ((199, 200), (90, 100), 1),
        ((200, 200), (89, 100), 1),
        ((0, 200), (0, 100), 2),
    ],
)
def test_coverage_gates(
    gate: dict[str, Any], engine: tuple[int, int], rest: tuple[int, int], closed: int
) -> None:
    files = {
        "rules/neurorail/rules/engine.py": summary(*engine),
        "api/neurorail/api/routes/audit.py": summary(*rest),
    }
    parts = gate["tally"](files)
    assert list(parts) == ["neurorail.api", "neurorail.rules"]
    assert len(gate["failures"](parts)) == closed


@pytest.mark.parametrize(("ci", "status"), [("true", 1), ("", 0)])
def test_a_skipped_test_fails_continuous_integration_only(
    root: Path, tmp_path: Path, ci: str, status: int
) -> None:
    (tmp_path / "test_one.py").write_text(
        "import pytest\n\ndef test_good():\n    pass\n\n"
        "def test_left_out():\n    pytest.skip('no browser')\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "-p", "tests.conftest"]
    command += ["-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(
        command,
        cwd=tmp_path, check=False, capture_output=True, text=True, timeout=PROGRAM_S,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(root), "CI": ci},
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    assert "1 passed, 1 skipped" in done.stdout


@pytest.mark.parametrize(
    "name", ["Makefile", ".ci/run", "scripts/install", "scripts/lock", "scripts/tools"]
)
def test_scripts_are_there_and_can_be_run(root: Path, name: str) -> None:
    path = root / name
    assert path.is_file()
    assert name == "Makefile" or os.access(path, os.X_OK)


def test_make_without_a_target_helps(root: Path) -> None:
    done = subprocess.run(
        ["make", "--no-print-directory"],
        cwd=root, check=True, capture_output=True, text=True, timeout=PROGRAM_S,
    )  # fmt: skip
    assert done.stdout.splitlines()[0].split()[:2] == ["make", "help"]
    assert "make demo" in done.stdout
