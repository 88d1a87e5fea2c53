"""Every trigger, action, effect, kind of limit, window and error code is exercised, and proven so.

What is counted is what the engine said it did in the catalogue's tests, not what a manifest names.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from neurorail.rules.errors import CODES
from neurorail.rules.events import Event
from neurorail.rules.manifest.actions import ACTIONS
from neurorail.rules.manifest.limits import KINDS, SEVERITIES
from neurorail.rules.manifest.load import load, read_document
from neurorail.rules.manifest.model import EFFECTS, MODES, RECOVERIES, Manifest
from neurorail.rules.manifest.triggers import TRIGGERS
from neurorail.rules.manifest.windows import UNITS
from neurorail.rules.rule_tests.document import RuleTest, RuleTests
from neurorail.rules.rule_tests.run import run_test

HEAD = "neurorail_manifest: 1\nname: every\nversion: '1'\ndefault_mode: direct\n"
CATALOGUE: list[dict[str, str]] = yaml.safe_load(
    Path(__file__).with_name("catalogue.yaml").read_text(encoding="utf-8")
)
ELSEWHERE = {
    "NR-E003": "tests/rules/scenarios/budgets.yaml",
    "NR-E008": "tests/rules/reflex/test_people.py",
    "NR-E011": "tests/end_to_end/test_agents_gate.py",
    "NR-E110": "tests/api/test_manifests.py",
    "NR-E132": "tests/api/test_manifests.py",
    "NR-E302": "tests/app/test_audit.py",
    "NR-E304": "tests/api",
}
"""Codes that no telemetry brings about: where a test asks for each."""


def parts(case: dict[str, str]) -> tuple[Manifest, RuleTest]:
    """The manifest and the test of one entry."""
    steps = case["steps"].replace("orphan: j_9", "begin: {level: job, job: j_9, orphan: true}")
    text = "manifest: x\ntests:\n- name: one\n  steps:\n" + "".join(
        f"  {line}\n" for line in steps.splitlines()
    )
    told: RuleTests = read_document(text, RuleTests)
    return load(HEAD + case["manifest"]), told.tests[0]


@pytest.mark.parametrize("case", CATALOGUE, ids=[case["name"] for case in CATALOGUE])
def test_entry_of_the_catalogue(case: dict[str, str]) -> None:
    manifest, test = parts(case)
    assert run_test(manifest, test) == []


@pytest.fixture(scope="module")
def done() -> defaultdict[str, set[str]]:
    """What the engine did, all entries together, by sort."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for case in CATALOGUE:
        manifest, test = parts(case)
        rules = {rule.id: rule for rule in manifest.mode_rules}
        pools = {rule.id: rule for rule in manifest.pools}

        def heard(event: Event, rules: Any = rules, pools: Any = pools) -> None:
            note(found, event, rules, pools)

        run_test(manifest, test, heard)
    return found


def note(
    found: defaultdict[str, set[str]], event: Event, rules: dict[str, Any], pools: dict[str, Any]
) -> None:
    data = event.data
    match event.type:
        case "trigger_activated":
            found["trigger"].add(data["trigger"])
        case "reflex_action_executed":
            found["action"].add(data["action_type"])
        case "mode_decided":
            found["mode"].add(data["mode"])
            found["recovery"].add(data["recovery_strategy"])
            for name in data["matched_rules"]:
                if name in rules:
                    found["effect"].add(rules[name].effect)
                    found["severity"].add(rules[name].severity)
            for one in data["reasons"]:
                found["code"].add(one["code"])
                if "pool" in one.get("scope", ()):
                    found["pool refusal"].add(one["kind"])
        case "budget_violation":
            sort = "pool limit" if "pool" in data["scope"] else "entity limit"
            found[sort].add(data["violation_type"])
            pool = pools.get(data["scope"].get("pool", ""))
            if pool is not None:
                found["window"].add(pool.window.calendar or "rolling")
    for name in ("code", "error_code"):
        if data.get(name):
            found["code"].add(data[name])


@pytest.mark.parametrize(
    ("sort", "everything"),
    [
        ("trigger", TRIGGERS),
        ("action", ACTIONS),
        ("mode", MODES),
        ("recovery", RECOVERIES),
        ("effect", EFFECTS),
        ("severity", SEVERITIES),
        ("window", ("rolling", *UNITS)),
        ("entity limit", {*KINDS, "timeout"} - {"wall_time"}),
        # What runs without having asked takes no place in a pool: there is nothing to pass.
        ("pool limit", set(KINDS) - {"parallel"}),
        ("pool refusal", KINDS),
    ],
)
def test_nothing_is_left_out(
    done: defaultdict[str, set[str]], sort: str, everything: tuple[str, ...]
) -> None:
    assert set(everything) - done[sort] == set()


def test_every_code_is_brought_about(done: defaultdict[str, set[str]], root: Path) -> None:
    assert set(CODES) - done["code"] - ELSEWHERE.keys() == set()
    for code, where in ELSEWHERE.items():
        path = root / where
        files = sorted(path.rglob("*.*")) if path.is_dir() else [path]
        texts = [
            file.read_text(encoding="utf-8") for file in files if file.suffix in (".py", ".yaml")
        ]
        asks = re.compile(rf"(assert|==|code|error|-) ?.*{code}")
        assert any(asks.search(text) for text in texts), f"no test in {where} asks for {code}"
