from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from neurorail.app.cli import build
from neurorail.rules.manifest.default import shipped, shipped_text
from neurorail.rules.manifest.schema import json_schema

GOOD = "neurorail_manifest: 1\nname: x\nversion: '1'\ndefault_mode: rail\n"


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(build(), ["rules", *arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "manifest.yaml"


def test_lint_says_what_holds(file: Path) -> None:
    file.write_text(GOOD + "mode_rules: [{id: a, mode: rail}]\n")
    status, said, _ = run("lint", str(file))
    assert status == 0
    assert "x 1 holds: 1 mode rules, 0 budgets, 0 pools, 0 reflexes" in said
    status, said, _ = run("lint", str(file), "--json")
    assert status == 0
    assert json.loads(said)["sha256"] in run("lint", str(file))[1]


def test_lint_says_every_fault_with_its_place(file: Path) -> None:
    file.write_text(GOOD + "polls: []\nmode_rules: [{id: a, mode: rial}]\n")
    status, said, _ = run("lint", str(file))
    assert status == 1
    assert said.splitlines() == [
        f"{file}:5:1: unknown key 'polls'; did you mean 'pools'?",
        f"{file}:6:28: mode_rules[0].mode: 'rial' is none of direct, rail; did you mean 'rail'?",
    ]
    status, said, _ = run("lint", str(file), "--json")
    assert status == 1
    found = json.loads(said)
    assert found["code"] == "NR-E110"
    assert found["faults"][1] == {
        "line": 6,
        "column": 28,
        "path": "mode_rules[0].mode",
        "message": "'rial' is none of direct, rail; did you mean 'rail'?",
    }


def test_lint_of_no_file_is_wrong_use(file: Path) -> None:
    status, _, error = run("lint", str(file))
    assert status == 2
    assert "cannot be read" in error


def test_shipped_manifest_and_schema_are_written(file: Path) -> None:
    status, said, _ = run("default")
    assert (status, said) == (0, shipped_text())
    file.write_text(said)
    assert shipped().sha256 in run("lint", str(file))[1]
    status, said, _ = run("schema")
    assert status == 0
    assert json.loads(said) == json_schema()
