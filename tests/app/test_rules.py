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


def test_lint_takes_several_files(file: Path) -> None:
    wrong = file.with_name("wrong.yaml")
    file.write_text(GOOD)
    wrong.write_text(GOOD + "polls: []\n")
    status, said, _ = run("lint", str(wrong), str(file))
    assert status == 1
    assert f"{wrong}:5:1: unknown key 'polls'" in said
    assert "x 1 holds" in said
    assert run("lint", str(file), str(file))[0] == 0
    told = [
        json.loads(line) for line in run("lint", str(wrong), str(file), "--json")[1].splitlines()
    ]
    assert [(one["file"], one["ok"]) for one in told] == [(str(wrong), False), (str(file), True)]


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


def test_tests_of_the_gallery_pass(root: Path) -> None:
    files = sorted(map(str, (root / "docs" / "manifests" / "tests").glob("*.yaml")))
    status, said, _ = run("test", *files)
    assert status == 0
    assert said.splitlines()[-1] == "7 passed, 0 failed"
    assert len(files) == 5


TESTS = """
manifest: manifest.yaml
tests:
- {name: asks, steps: [{at: 0s, decide: {}, expect: {decision: {allowed: true}}}]}
- {name: fails, steps: [{at: 0s, decide: {}, expect: {decision: {mode: direct}}}]}
"""


def test_test_that_fails_says_why(file: Path) -> None:
    file.write_text(GOOD)
    tests = file.with_name("tests.yaml")
    tests.write_text(TESTS)
    status, said, _ = run("test", str(tests))
    assert status == 1
    assert said.splitlines() == [
        f"ok {tests}: asks",
        f"FAILED {tests}: fails",
        "  step 1: mode is rail, expected direct: no rule matches: the manifest's default holds",
        "1 passed, 1 failed",
    ]
    status, said, _ = run("test", str(tests), "--json")
    assert status == 1
    found = json.loads(said)
    assert not found["ok"]
    assert [len(one["failures"]) for one in found["tests"]] == [0, 1]


def test_file_of_tests_that_is_wrong(file: Path) -> None:
    tests = file.with_name("tests.yaml")
    tests.write_text(TESTS.replace("steps", "step"))
    status, _, error = run("test", str(tests))
    assert status == 1
    assert f"{tests}:4:16: tests[0]: unknown key 'step'; did you mean 'steps'?" in error
    tests.write_text(TESTS)
    file.write_text("polls: []")
    status, _, error = run("test", str(tests))
    assert status == 1
    assert "unknown key 'polls'" in error


def test_diff_shows_what_differs(file: Path) -> None:
    other = file.with_name("other.yaml")
    file.write_text(GOOD)
    other.write_text(GOOD + "# the same\n")
    assert run("diff", str(file), str(other))[1] == "they are the same\n"
    other.write_text(GOOD + "mode_rules: [{id: a, mode: rail}]\ntimes: {lateness: 1s}\n")
    status, said, _ = run("diff", str(file), str(other))
    assert status == 0
    lines = said.splitlines()
    assert lines[0].startswith('+ mode_rules.a: {"id": "a"')
    assert "null" not in lines[0]
    assert lines[1:] == ["- times.lateness: 10s", "+ times.lateness: 1s"]
    changes = json.loads(run("diff", str(file), str(other), "--json")[1])
    assert changes[1] == {"path": "times.lateness", "before": "10s", "after": "1s"}


def test_diff_shows_zones_and_dollars_as_they_are_written(file: Path) -> None:
    pool = "pools: [{id: a, key: [agent], window: {calendar: day%s}, limits: {max_cost_usd: %s}}]\n"
    other = file.with_name("other.yaml")
    file.write_text(GOOD + pool % ("", 20))
    other.write_text(GOOD + pool % (", zone: Europe/Berlin", 7.5))
    assert run("diff", str(file), str(other))[1].splitlines() == [
        "- pools.a.limits.max_cost_usd: 20",
        "+ pools.a.limits.max_cost_usd: 7.5",
        "- pools.a.window.zone: UTC",
        "+ pools.a.window.zone: Europe/Berlin",
    ]


def test_schema_of_tests() -> None:
    found = json.loads(run("schema", "--tests")[1])
    assert found["title"] == "NeuroRail rule tests"
    assert "Call" in found["$defs"]
