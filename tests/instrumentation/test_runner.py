"""`neurorail run`: a program that is not there is named, before anything is set up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.waiting import PROGRAM_S

PROGRAM = "import sys; from neurorail.instrumentation.runner import main; main(sys.argv[1:])"


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command, without a server and without exporters."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env={**os.environ, "OTEL_SDK_DISABLED": "true", "NEURORAIL_MODE": "direct"},
        cwd=folder, check=False, capture_output=True, text=True, timeout=PROGRAM_S,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("missing.py",), "there is no program missing.py"),
        (("-m", "missing_module"), "there is no module missing_module"),
        (("-m", "missing.inner"), "there is no module missing.inner"),
        ((), "name a program to run"),
        (
            ("--max-tokens", "abc", "missing.py"),
            "NEURORAIL_BUDGET_MAX_TOKENS = 'abc': write a whole number, 0 or more",
        ),
        (("--max-cost-usd=-1", "missing.py"), "max_cost_usd = '-1': write an amount of dollars"),
    ],
)
def test_what_is_not_there_is_named(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    ended = run(*arguments, folder=tmp_path)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("package", ["agents", "mcp"])
def test_a_package_that_is_called_like_a_library_is_the_programs(
    package: str, tmp_path: Path
) -> None:
    folder = tmp_path / package
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "run.py").write_text("raise SystemExit('nobody asked for this module')")
    (folder / "one.py").write_text("import sys; print('ran', sys.argv[1:])")
    ended = run("-m", f"{package}.one", "--fast", folder=tmp_path)
    assert (ended.returncode, ended.stdout.strip()) == (0, "ran ['--fast']"), ended.stderr
    assert "guarding" not in ended.stderr
