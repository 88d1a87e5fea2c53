"""Everything in deploy/ can be read, and every setting that it names exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from neurorail.app.config_load import OTHER_VARIABLES, keys_at, load
from neurorail.collector.export.enrich import DECISION, VIOLATED
from neurorail.semconv.attributes import MISSION_ID

OF_OTHERS = {"NEURORAIL_OTLP", "NEURORAIL_KEY", "NEURORAIL_SQL_HOST", "NEURORAIL_SQL_PORT"}
OF_OTHERS |= {"NEURORAIL_SQL_PASSWORD"}
"""Variables that Collectors and Grafana read, not the server."""
FILE_SUFFIXES = {"db", "key", "lock", "json", "md", "yaml"}
COLLECTORS = ("agent.yaml", "backends.yaml", "loadbalancing.yaml")


def files(root: Path, *suffixes: str) -> list[Path]:
    """Files below deploy/, without the chart's templates: those are no YAML yet."""
    return [
        path
        for path in sorted((root / "deploy").rglob("*"))
        if path.suffix in suffixes and path.parent.name != "templates"
    ]


def test_every_document_can_be_read(root: Path) -> None:
    found = files(root, ".yaml", ".yml")
    assert len(found) > 8
    for path in found:
        assert [each for each in yaml.safe_load_all(path.read_text()) if each], path


def test_every_variable_is_a_setting(root: Path) -> None:
    named = set()
    for path in (root / "deploy").rglob("*"):
        if path.is_file():
            named |= set(re.findall(r"\bNEURORAIL_[A-Z_]+", path.read_text()))
    assert "NEURORAIL_ADMIN_KEY" in named
    for variable in sorted(named - OTHER_VARIABLES - OF_OTHERS):
        *above, name = variable.removeprefix("NEURORAIL_").lower().split("__")
        assert name in keys_at(tuple(above)), variable


def test_settings_in_the_documents_exist(root: Path) -> None:
    unknown = []
    named = 0
    for path in (root / "docs").rglob("*.md"):
        for name in re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)`", path.read_text(encoding="utf-8")):
            section, *parts = name.split(".")
            if keys_at((section,)) and parts[-1] not in FILE_SUFFIXES:
                named += 1
                if parts[-1] not in keys_at((section, *parts[:-1])):
                    unknown.append(f"{path.name}: {name}")
    assert named > 20
    assert unknown == []


def test_metrics_and_tables_in_the_documents_exist(root: Path) -> None:
    sources = [root / "docs/reference/metrics.md", *(root / "deploy/clickhouse").iterdir()]
    name = r"\b(?:neurorail|otelcol)_[a-z0-9_]+\b"
    known = {each for path in sources for each in re.findall(name, path.read_text("utf-8"))}
    known |= {"neurorail_manifest"}  # The version of a manifest's form.
    unknown = [
        f"{path.name}: {each}"
        for path in (root / "docs").rglob("*.md")
        for each in re.findall(name, path.read_text("utf-8"))
        if each not in known and not (each.endswith("_") and any(k.startswith(each) for k in known))
    ]
    assert unknown == []


@pytest.fixture(params=COLLECTORS)
def collector(root: Path, request: pytest.FixtureRequest) -> tuple[Path, dict[str, Any]]:
    path = root / "deploy" / "collector" / request.param
    return path, yaml.safe_load(path.read_text())


def test_pipelines_use_what_is_declared(collector: tuple[Path, dict[str, Any]]) -> None:
    path, config = collector
    pipelines = config["service"]["pipelines"]
    assert set(pipelines) == {"traces", "logs", "metrics"}
    for kind in ("receivers", "processors", "exporters"):
        used = {name for pipeline in pipelines.values() for name in pipeline.get(kind, ())}
        assert used == set(config[kind]), path
    assert set(config["service"].get("extensions", ())) == set(config.get("extensions", ()))


def test_collectors_read_the_attributes_that_are_written(root: Path) -> None:
    folder = root / "deploy" / "collector"
    balanced = yaml.safe_load((folder / "loadbalancing.yaml").read_text())
    exporter = balanced["exporters"]["loadbalancing/mission"]
    assert exporter["routing_key"] == "attributes"
    assert exporter["routing_attributes"] == [MISSION_ID]
    assert balanced["processors"]["groupbyattrs/mission"]["keys"] == [MISSION_ID]
    backends = yaml.safe_load((folder / "backends.yaml").read_text())
    policy = backends["processors"]["tail_sampling"]["policies"][0]["string_attribute"]
    assert (policy["key"], policy["values"]) == (DECISION, [VIOLATED])


def test_the_export_that_the_collector_asks_for_is_configuration(root: Path) -> None:
    text = (root / "deploy/collector/backends.yaml").read_text()
    shown = re.search(r"^#   (export: .*)$", text, re.MULTILINE)
    assert shown
    destinations = load(None, yaml.safe_load(shown[1])).export.destinations
    assert destinations["collector"].enrich
    receivers = yaml.safe_load(text)["receivers"]["otlp"]["protocols"]["grpc"]
    assert destinations["collector"].endpoint.endswith(receivers["endpoint"].rpartition(":")[2])
