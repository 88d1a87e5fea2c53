"""Grafana's dashboards and Prometheus' rules, on a real store and a real scrape."""

from __future__ import annotations

import json
import re
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from scripts.generate_grafana import FOLDER, rendered
from tests.sql.conftest import PASSWORD, USER, SqlRail

ROOT = Path(__file__).resolve().parents[2]
DASHBOARDS = {name: json.loads(text) for name, text in rendered().items()}
PANELS = [
    pytest.param(panel, id=f"{name}-{panel['title']}")
    for name, board in DASHBOARDS.items()
    for panel in board["panels"]
]
QUERIES = [
    pytest.param(panel.values[0], target, id=f"{panel.id}-{target['refId']}")
    for panel in PANELS
    for target in panel.values[0]["targets"]  # type: ignore[index]
    if "rawSql" in target
]


def test_the_files_are_what_the_generator_makes() -> None:
    found = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert found == rendered(), "run: python -m scripts.generate_grafana"


def test_dashboards_have_ids_of_their_own_and_panels_do_not_overlap() -> None:
    assert len({board["uid"] for board in DASHBOARDS.values()}) == len(DASHBOARDS)
    for board in DASHBOARDS.values():
        panels = board["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels)
        cells = [{(x, y) for x in range(p["gridPos"]["x"], p["gridPos"]["x"] + p["gridPos"]["w"])
                  for y in range(p["gridPos"]["y"], p["gridPos"]["y"] + p["gridPos"]["h"])}
                 for p in panels]  # fmt: skip
        assert all(one.isdisjoint(other) for one, other in combinations(cells, 2))
        assert max(x for cell in cells for x, _ in cell) < 24


def test_data_sources_are_those_that_are_provisioned() -> None:
    folder = ROOT / "deploy" / "grafana" / "provisioning"
    text = (folder / "datasources" / "neurorail.yaml").read_text(encoding="utf-8")
    known = {each["uid"]: each["type"] for each in yaml.safe_load(text)["datasources"]}
    for panel in PANELS:
        used = panel.values[0]["datasource"]  # type: ignore[index]
        assert known[used["uid"]] == used["type"]
    yaml.safe_load((folder / "dashboards" / "neurorail.yaml").read_text(encoding="utf-8"))


def expanded(query: str, mission: str) -> str:
    """A query with Grafana's macros and variables as the plug-in writes them."""
    now = int(time.time())
    query = re.sub(
        r"\$__timeFilter\((\w+)\)",
        rf"\1 >= toDateTime({now - 3600}) AND \1 <= toDateTime({now + 60})",
        query,
    )
    query = re.sub(
        r"\$__timeInterval\((\w+)\)",
        r"toStartOfInterval(toDateTime(\1), INTERVAL 20 second)",
        query,
    )
    query = query.replace("${mission}", mission)
    assert "$" not in query
    return query


def test_every_panel_asks_something_that_is_tried() -> None:
    tried = len(QUERIES)
    for panel in PANELS:
        targets = panel.values[0]["targets"]  # type: ignore[index]
        assert targets, panel.id
        # What asks in SQL is tried below, what asks in PromQL in test_prometheus.py.
        assert all(("rawSql" in each) != ("expr" in each) for each in targets), panel.id
        tried -= sum("rawSql" in each for each in targets)
    assert tried == 0


@pytest.mark.parametrize(("panel", "target"), QUERIES)
def test_every_query_of_a_panel_gives_rows(
    governed: SqlRail, panel: dict[str, Any], target: dict[str, Any]
) -> None:
    query = expanded(target["rawSql"], governed.chain.mission)
    answer = httpx2.post(
        governed.url,
        params={"default_format": "JSON"},
        content=query.encode(),
        auth=(USER, PASSWORD),
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["rows"] > 0
    if target["queryType"] == "timeseries":
        assert found["meta"][0]["name"] == "time"
        assert found["meta"][0]["type"].startswith("DateTime")
    if panel["type"] == "traces":
        names = {column["name"] for column in found["meta"]}
        assert {"traceID", "spanID", "parentSpanID", "operationName", "startTime"} <= names
        assert found["rows"] == 6


def test_variables_can_be_chosen(governed: SqlRail) -> None:
    for board in DASHBOARDS.values():
        for variable in board["templating"]["list"]:
            answer = httpx2.post(
                governed.url, content=variable["query"].encode(), auth=(USER, PASSWORD), timeout=60
            )
            assert governed.chain.mission in answer.text
