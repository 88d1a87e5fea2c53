"""The JSON Schema says the same as reading does: of the shipped manifest, the gallery, faults."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from neurorail.rules.manifest.actions import ACTIONS
from neurorail.rules.manifest.default import shipped, shipped_text
from neurorail.rules.manifest.facts import FACTS
from neurorail.rules.manifest.limits import KINDS
from neurorail.rules.manifest.read_condition import WRITTEN
from neurorail.rules.manifest.schema import json_schema
from neurorail.rules.manifest.triggers import TRIGGERS
from neurorail.rules.rule_tests.document import RuleTests

HEAD = {"neurorail_manifest": 1, "name": "x", "version": "1", "default_mode": "direct"}


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_shipped_manifest_and_gallery_fit(validator: Draft202012Validator, root: Path) -> None:
    texts = [path.read_text() for path in (root / "docs" / "manifests").glob("*.yaml")]
    assert len(texts) == 5
    for text in (shipped_text(), *texts):
        validator.validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    "said",
    [
        {"modes": []},
        {"default_mode": "rial"},
        {"name": "x y"},
        {"mode_rules": [{"mode": "rail"}]},
        {"mode_rules": [{"id": "a", "when": {"jobtype": "x"}}]},
        {"mode_rules": [{"id": "a", "when": {"operation": "chat"}}]},
        {"mode_rules": [{"id": "a", "when": {"tokens": {"prefix": "x"}}}]},
        {"mode_rules": [{"id": "a", "when": {"any": []}}]},
        {"pools": [{"id": "a", "window": {"rolling": 5}, "limits": {"max_tokens": -1}}]},
        {"times": {"lateness": "5 seconds"}},
        {"reflexes": [{"id": "a", "trigger": {"hunch": {}}}]},
        {"reflexes": [{"id": "a", "trigger": "error_rate"}]},
        {"pools": [{"id": "a", "key": ["agnt"], "window": {"rolling": "1h"}, "limits": {}}]},
    ],
)
def test_faults_do_not_fit(validator: Draft202012Validator, said: dict[str, Any]) -> None:
    assert not validator.is_valid({**HEAD, **said})


def test_schema_knows_every_name(validator: Draft202012Validator) -> None:
    definitions = json_schema()["$defs"]
    names = {engine: written for written, engine in WRITTEN.items()}
    assert {names.get(name, name) for name in FACTS} <= definitions["condition"][
        "properties"
    ].keys()
    assert {of.__name__ for of in (*TRIGGERS.values(), *ACTIONS.values())} <= definitions.keys()
    assert len(definitions["Limits"]["properties"]) == len(KINDS)
    assert "zones" not in json_schema()["properties"]


def test_shipped_manifest_states_every_key_and_every_line_is_commented() -> None:
    """Somebody who reads it has seen everything there is."""
    stated = yaml.safe_load(shipped_text())
    assert stated.keys() == json_schema()["properties"].keys()
    for section in ("times", "policies", "gate", "budgets", "estimates"):
        definition = json_schema()["properties"][section]["$ref"].rpartition("/")[2]
        assert stated[section].keys() == json_schema()["$defs"][definition]["properties"].keys()
    assert shipped().default_mode == "direct"


def test_rule_tests_have_a_schema_of_their_own(root: Path) -> None:
    schema = json_schema(RuleTests, "NeuroRail rule tests")
    Draft202012Validator.check_schema(schema)
    own = Draft202012Validator(schema)
    files = sorted((root / "docs" / "manifests" / "tests").glob("*.yaml"))
    assert len(files) == 5
    for file in files:
        # Editors read times as texts.
        said = json.dumps(yaml.safe_load(file.read_text()), default=lambda at: f"{at:%FT%TZ}")
        own.validate(json.loads(said))
    assert not own.is_valid({"manifest": "x", "tests": [{"name": "a", "steps": [{"call": {}}]}]})
