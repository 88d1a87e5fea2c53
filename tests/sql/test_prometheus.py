"""PromQL of dashboards and alerts: by promtool, and by a Prometheus that scrapes a real server."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.end_to_end.rail import SECOND, Chain, until
from tests.sql.conftest import SqlRail
from tests.sql.test_grafana import PANELS, ROOT
from tests.support.needed import not_here

ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yaml"
RULES: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}
OF_PANELS: dict[str, str] = {
    f"{panel.id} {target['refId']}": target["expr"].replace("$__rate_interval", "1m")
    for panel in PANELS
    for target in panel.values[0]["targets"]  # type: ignore[index]
    if "expr" in target
}
NOT_YET = "offset 8h"
"""What no server has that has just begun."""


def program(name: str) -> str:
    return shutil.which(name) or not_here(f"no {name} on the path (Debian: prometheus)")


def promtool(*arguments: str, cwd: Path) -> None:
    command = [program("promtool"), *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_every_expression_and_rule(tmp_path: Path) -> None:
    rules = [
        {"record": f"check:panel:{number}", "expr": text}
        for number, text in enumerate(OF_PANELS.values())
    ]
    groups = {"groups": [{"name": "panels", "rules": rules}]}
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump(groups), encoding="utf-8")
    promtool("check", "rules", "panels.yaml", str(ALERTS), cwd=tmp_path)


Ask = Callable[[str], list[Any]]


@pytest.fixture(scope="module")
def ask(governed: SqlRail, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Asks a Prometheus that scrapes the server, and has its alert rules."""
    api = governed.rail.server.api
    verify = f"{api}/api/neurorail/v1/audit/verify"
    with urllib.request.urlopen(verify, timeout=60) as answer:
        assert b'"ok":true' in answer.read().replace(b" ", b"")
    folder = tmp_path_factory.mktemp("prometheus")
    scrape = {"job_name": "neurorail", "static_configs": [{"targets": [api.split("//")[1]]}]}
    config = {
        "global": {"scrape_interval": "3s", "evaluation_interval": "1s"},
        "rule_files": [str(ALERTS)],
        "scrape_configs": [scrape],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    log = folder / "log"
    command = [
        program("prometheus"), "--config.file=prometheus.yaml", "--storage.tsdb.path=data",
        "--web.listen-address=127.0.0.1:0",
    ]  # fmt: skip
    with log.open("w") as written:
        process = subprocess.Popen(command, cwd=folder, stdout=written, stderr=written)
    try:
        found = until(
            "Prometheus listens",
            lambda: re.search(r'"?address"?=(127\.0\.0\.1:[1-9]\d*)', log.read_text()),
        )

        def query(text: str) -> list[Any]:
            values = urllib.parse.urlencode({"query": text})
            address = f"http://{found[1]}/api/v1/query?{values}"
            with urllib.request.urlopen(address, timeout=60) as answer:
                told: list[Any] = json.load(answer)["data"]["result"]
                return told

        def scraped() -> bool:
            with suppress(OSError):
                seen = query('count_over_time(up{job="neurorail"}[1m])')
                return bool(seen) and float(seen[0]["value"][1]) >= 3
            return False

        until("three scrapes", scraped)
        now = time.time_ns()
        governed.rail.send_spans(Chain().entity("mission", 1, times=(now - SECOND, now)))
        until("events grow", lambda: query("rate(neurorail_events_total[1m]) > 0"))
        yield query
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("name", OF_PANELS)
def test_every_expression_of_a_panel_gives_values(ask: Ask, name: str) -> None:
    assert ask(OF_PANELS[name]), OF_PANELS[name]


@pytest.mark.parametrize("name", RULES)
def test_both_sides_of_every_comparison_of_an_alert_have_values(ask: Ask, name: str) -> None:
    """A metric or a label that no scrape has would make an alert that never fires."""
    expression = re.sub(r"(?<= )(==|>=|>)(?= )", r"\1 bool", RULES[name]["expr"])
    assert ask(expression.replace(NOT_YET, "")), expression


def test_nothing_fires_on_a_server_that_is_well(ask: Ask) -> None:
    assert ask('ALERTS{alertstate="firing",severity!="info"}') == []


WHERE = 'instance="a",job="neurorail"'
ITEMS = ("spans", "log_records")
FIRING: dict[str, tuple[dict[str, str], str, str]] = {
    "NeuroRailDown": ({"up{}": "1x5 0x25"}, "7m", "10m"),
    "NeuroRailIngestRefused": (
        {"otelcol_receiver_refused_spans{}": "0+60x30",
         "otelcol_receiver_refused_log_records{}": "0x30"},
        "4m", "12m",
    ),
    "NeuroRailArchiveLag": (
        {'otelcol_exporter_queue_size{exporter="clickhouse"}': "0x5 90x25",
         'otelcol_exporter_queue_capacity{exporter="clickhouse"}': "100x30"},
        "10m", "20m",
    ),
    "NeuroRailArchiveRefused": (
        {'otelcol_exporter_send_failed_spans{exporter="clickhouse"}': "0x10 5x20",
         'otelcol_exporter_send_failed_log_records{exporter="clickhouse"}': "0x30"},
        "10m", "14m",
    ),
    "NeuroRailExportWaiting": (
        {'neurorail_export_waiting{exporter="otlp/b"}': "0x5 1x25"}, "15m", "25m"
    ),
    "NeuroRailExportDropped": (
        {f'otelcol_exporter_{verb}_failed_{item}{{exporter="otlp/b"}}': values
         for item in ITEMS
         for verb, values in (("send", "0x30"), ("enqueue", "0x10 50x20"))},
        "5m", "15m",
    ),
    "NeuroRailInboxFull": (
        {"neurorail_inbox_bytes{}": "10x5 90x25", "neurorail_inbox_bytes_limit{}": "100x30"},
        "9m", "14m",
    ),
    "NeuroRailEngineLag": ({"neurorail_engine_lag_records{}": "0x5 6000x25"}, "9m", "14m"),
    "NeuroRailRecordsFailed": ({"neurorail_engine_records_failed{}": "0x10 1x20"}, "10m", "14m"),
    "NeuroRailListenerRestarts": ({"neurorail_listener_restarts{}": "0x10 1x20"}, "10m", "14m"),
    "NeuroRailAuditFaults": ({"neurorail_audit_faults{}": "0x20 2x10"}, "20m", "25m"),
    "NeuroRailCircuitOpen": ({"neurorail_engine_circuits_open{}": "0x5 1x25"}, "15m", "25m"),
    "NeuroRailSpendPace": ({"neurorail_cost_usd_total{}": "0+0.01x600 7+1x60"}, "602m", "625m"),
    "NeuroRailOrphans": (
        {'neurorail_events_total{event_type="orphan_detected"}': "0x10 20x20"}, "10m", "15m"
    ),
    "NeuroRailStreamLag": ({"neurorail_stream_missed{}": "0x5 5+5x25"}, "9m", "14m"),
    "NeuroRailAccessDenied": (
        {'neurorail_access_denied_total{reason="forbidden"}': "0+120x30"}, "9m", "14m"
    ),
}  # fmt: skip
"""Series that make each alert fire; when it does not yet, and when it does."""
QUIET: dict[str, dict[str, str]] = {
    # A server that has just begun to spend has no pace.
    "NeuroRailSpendPace": {"neurorail_cost_usd_total{}": "0+1x120"},
    # A circuit that closes again in time.
    "NeuroRailCircuitOpen": {"neurorail_engine_circuits_open{}": "0x5 1x12 0x100"},
    # A new server counts from 0 again.
    "NeuroRailListenerRestarts": {"neurorail_listener_restarts{}": "2x10 0x110"},
    "NeuroRailOrphans": {'neurorail_events_total{event_type="orphan_detected"}': "0x10 5x110"},
}


def unit(series: dict[str, str], **asked: Any) -> dict[str, Any]:
    """A test of promtool's with series of one server."""
    named = [
        {"series": re.sub(r"\{(?=.)", f"{{{WHERE},", name).replace(",}", "}"), "values": values}
        for name, values in series.items()
    ]
    return {"interval": "1m", "input_series": named, **asked}


def test_every_alert_fires_when_it_should_and_not_before(tmp_path: Path) -> None:
    assert set(FIRING) == set(RULES)
    tests = []
    for name, (series, early, late) in FIRING.items():
        fires = {
            "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}})',
            "eval_time": late,
            "exp_samples": [{"labels": "{}", "value": 1}],
        }
        quiet = {"eval_time": early, "alertname": name, "exp_alerts": []}
        tests.append(unit(series, alert_rule_test=[quiet], promql_expr_test=[fires]))
    for name, series in QUIET.items():
        never = [
            {"eval_time": f"{at}m", "alertname": name, "exp_alerts": []} for at in range(0, 120, 5)
        ]
        tests.append(unit(series, alert_rule_test=never))
    whole = {"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(whole), encoding="utf-8")
    promtool("test", "rules", "test.yaml", cwd=tmp_path)
