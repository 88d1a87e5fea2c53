"""Grafana's dashboards and Prometheus' rules, on a real store and a real scrape."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.request
from itertools import combinations
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from scripts.generate_grafana import FOLDER, rendered
from tests.sql.conftest import PASSWORD, USER, SqlRail

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yaml"
DASHBOARDS = {name: json.loads(text) for name, text in rendered().items()}
PANELS = [
    pytest.param(panel, id=f"{name}-{panel['title']}")
    for name, board in DASHBOARDS.items()
    for panel in board["panels"]
]
QUERIES = [each for each in PANELS if "rawSql" in each.values[0]["targets"][0]]  # type: ignore[index]
METRIC = re.compile(r"\b((?:neurorail|otelcol)_\w+)")


@pytest.fixture(scope="module")
def governed(served: SqlRail) -> SqlRail:
    """The server, after a person stopped an agent that then asked."""
    api = f"{served.rail.server.api}/api"
    for path, body in (
        ("neurorail/v1/reflex/kill", {"scope": {"agent": "stopped"}, "reason": "a test"}),
        ("governor/v1/decide", {"job_type": "llm_call", "context": {"agent": "stopped"}}),
        ("governor/v1/decide", {"job_type": "llm_call"}),
    ):
        assert httpx2.post(f"{api}/{path}", json=body, timeout=60).status_code == 200
    served.rail.all_is_stored()
    return served


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


def expanded(query: str, served: SqlRail) -> str:
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
    query = query.replace("${mission}", served.chain.mission)
    assert "$" not in query
    return query


@pytest.mark.parametrize("panel", QUERIES)
def test_every_query_of_a_panel_gives_rows(governed: SqlRail, panel: dict[str, Any]) -> None:
    query = expanded(panel["targets"][0]["rawSql"], governed)
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
    if panel["targets"][0]["queryType"] == "timeseries":
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


def expressions() -> dict[str, str]:
    """Every PromQL expression of panels and alerts, with Grafana's macro as a duration."""
    found = {}
    for panel in PANELS:
        for target in panel.values[0]["targets"]:  # type: ignore[index]
            if "expr" in target:
                found[f"{panel.id} {target['refId']}"] = target["expr"]
    for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]:
        found |= {rule["alert"]: rule["expr"] for rule in group["rules"]}
    return {name: text.replace("$__rate_interval", "1m") for name, text in found.items()}


def test_expressions_ask_for_metrics_that_a_scrape_has(governed: SqlRail) -> None:
    address = f"{governed.rail.server.api}/api/neurorail/v1/audit/verify"
    with urllib.request.urlopen(address, timeout=60) as answer:
        assert b'"ok":true' in answer.read().replace(b" ", b"")
    with urllib.request.urlopen(f"{governed.rail.server.api}/metrics", timeout=60) as answer:
        scraped = set(METRIC.findall(answer.read().decode()))
    for name, expression in expressions().items():
        asked = set(METRIC.findall(expression))
        assert asked or "up{" in expression, name
        assert asked <= scraped, (name, asked - scraped)


def promtool(*arguments: str, cwd: Path) -> None:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("no promtool on the path (Debian: prometheus)")
    done = subprocess.run([found, *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_every_expression_and_rule(tmp_path: Path) -> None:
    rules = [
        {"record": f"check:panel:{number}", "expr": text}
        for number, text in enumerate(expressions().values())
    ]
    groups = {"groups": [{"name": "panels", "rules": rules}]}
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump(groups), encoding="utf-8")
    promtool("check", "rules", "panels.yaml", str(ALERTS), cwd=tmp_path)


def test_alerts_fire_when_they_should_and_not_before(tmp_path: Path) -> None:
    series = {
        'otelcol_receiver_refused_spans{instance="a"}': "0+60x30",
        'otelcol_receiver_refused_log_records{instance="a"}': "0x30",
        'otelcol_exporter_queue_size{instance="a",exporter="clickhouse"}': "0x5 90x25",
        'otelcol_exporter_queue_capacity{instance="a",exporter="clickhouse"}': "100x30",
        'neurorail_export_waiting{instance="a",exporter="otlp/b"}': "0x5 1x25",
        **{
            f'otelcol_exporter_{verb}_failed_{item}{{instance="a",exporter="otlp/b"}}': values
            for item in ("spans", "log_records")
            for verb, values in (("send", "0x30"), ("enqueue", "0x10 50x20"))
        },
        'neurorail_audit_faults{instance="a"}': "0x20 2x10",
        'neurorail_reflex_actions_total{instance="a",action_type="open"}': "0x5 1x25",
        'neurorail_reflex_actions_total{instance="a",action_type="close"}': "0x30",
        'neurorail_events_total{instance="a",event_type="orphan_detected"}': "0x10 20x20",
        'neurorail_stream_missed{instance="a"}': "0x30",
    }
    firing = {
        "NeuroRailIngestRefused": ("4m", "12m"),
        "NeuroRailArchiveLag": ("10m", "20m"),
        "NeuroRailAuditFaults": ("15m", "25m"),
        "NeuroRailCircuitOpen": ("15m", "25m"),
        "NeuroRailOrphans": ("5m", "15m"),
        "NeuroRailExportWaiting": ("15m", "25m"),
        "NeuroRailExportDropped": ("5m", "15m"),
    }
    quiet = (
        "NeuroRailStreamLag",
        "NeuroRailSpendPace",
        "NeuroRailInboxFull",
        "NeuroRailArchiveRefused",
    )
    rules = {
        rule["alert"]: rule
        for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    }
    tests = [{"eval_time": early, "alertname": name, "exp_alerts": []}
             for name, (early, _) in firing.items()]  # fmt: skip
    tests += [{"eval_time": "28m", "alertname": name, "exp_alerts": []} for name in quiet]
    whole = {
        "rule_files": [str(ALERTS)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": k, "values": v} for k, v in series.items()],
                "alert_rule_test": tests,
                "promql_expr_test": [
                    {
                        "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}})',
                        "eval_time": late,
                        "exp_samples": [{"labels": "{}", "value": 1}],
                    }
                    for name, (_, late) in firing.items()
                ],
            }
        ],
    }
    assert set(firing) | set(quiet) <= set(rules)
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(whole), encoding="utf-8")
    promtool("test", "rules", "test.yaml", cwd=tmp_path)
