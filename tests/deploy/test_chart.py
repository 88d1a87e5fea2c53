"""The Helm chart: its values, and, where helm is installed, what it renders."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml


@pytest.fixture
def chart(root: Path) -> Path:
    return root / "deploy" / "helm" / "neurorail"


@pytest.fixture
def values(chart: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((chart / "values.yaml").read_text())
    return found


def test_values_fit_their_schema(chart: Path, values: dict[str, Any]) -> None:
    schema = json.loads((chart / "values.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(values, schema)
    assert set(values) <= set(schema["properties"])
    for wrong in (
        {"image": {"repo": "x"}},
        {"config": {"api": {"address": "0.0.0.0:1"}}},
        {"config": {"clickhouse": {"url": "http://user:password@there"}}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def test_templates_use_values_that_exist_and_all_of_them(
    chart: Path, values: dict[str, Any]
) -> None:
    used = set()
    for path in (chart / "templates").iterdir():
        for match in re.findall(r"\.Values\.([\w.]+)", path.read_text()):
            at: Any = values
            for part in match.split("."):
                assert part in at, f"{path.name}: .Values.{match}"
                at = at[part]
            used.add(match.split(".")[0])
    assert used == set(values)


def test_the_chart_has_the_version_of_the_project(root: Path, chart: Path) -> None:
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    found = re.search(r'^version = "(.*)"', (root / "pyproject.toml").read_text(), re.MULTILINE)
    assert found
    assert about["appVersion"] == found[1]
