"""Panels of Grafana, as the JSON that it reads (schema version 39)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

CLICKHOUSE: Final = {"type": "grafana-clickhouse-datasource", "uid": "neurorail-clickhouse"}
PROMETHEUS: Final = {"type": "prometheus", "uid": "neurorail-prometheus"}
WIDTH: Final = 24


@dataclass(slots=True)
class Panel:
    """One panel; its place is given by the dashboard."""

    title: str
    kind: str
    targets: list[dict[str, Any]]
    datasource: dict[str, str]
    width: int = 8
    height: int = 7
    unit: str = "short"
    description: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    custom: dict[str, Any] = field(default_factory=dict)
    overrides: list[dict[str, Any]] = field(default_factory=list)


def sql(
    title: str, kind: str, query: str, *, time_series: bool = False, **more: Any
) -> Panel:  # fmt: skip
    """A panel of one ClickHouse query."""
    target = {
        "refId": "A",
        "datasource": CLICKHOUSE,
        "editorType": "sql",
        "format": 0 if time_series else 1,
        "queryType": "timeseries" if time_series else "table",
        "rawSql": query,
    }
    return Panel(title, kind, [target], CLICKHOUSE, **more)


def traces(title: str, query: str, **more: Any) -> Panel:
    """A panel that draws one trace out of `otel_traces`."""
    target = {
        "refId": "A", "datasource": CLICKHOUSE, "editorType": "sql", "format": 3,
        "queryType": "traces", "rawSql": query,
    }  # fmt: skip
    return Panel(title, "traces", [target], CLICKHOUSE, **more)


def prom(title: str, kind: str, *queries: tuple[str, str], **more: Any) -> Panel:
    """A panel of Prometheus queries, each with its legend."""
    targets = [
        {
            "refId": chr(ord("A") + at),
            "datasource": PROMETHEUS,
            "expr": expression,
            "legendFormat": legend,
            "range": kind == "timeseries",
            "instant": kind != "timeseries",
        }
        for at, (expression, legend) in enumerate(queries)
    ]
    return Panel(title, kind, targets, PROMETHEUS, **more)


def variable(name: str, label: str, query: str) -> dict[str, Any]:
    """A choice that a ClickHouse query fills."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": CLICKHOUSE,
        "query": query,
        "definition": query,
        "refresh": 2,
        "includeAll": False,
        "multi": False,
        "sort": 0,
        "options": [],
        "current": {},
    }


def dashboard(
    uid: str,
    title: str,
    description: str,
    panels: list[Panel],
    variables: list[dict[str, Any]] | None = None,
    since: str = "now-6h",
) -> dict[str, Any]:  # fmt: skip
    """A dashboard with its panels in rows from left to right."""
    x = y = row_height = 0
    placed = []
    for number, panel in enumerate(panels, 1):
        if x + panel.width > WIDTH:
            x, y, row_height = 0, y + row_height, 0
        placed.append(_panel(number, panel, x, y))
        x, row_height = x + panel.width, max(row_height, panel.height)
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["neurorail"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": since, "to": "now"},
        "templating": {"list": variables or []},
        "links": [
            {"type": "dashboards", "tags": ["neurorail"], "title": "NeuroRail", "asDropdown": True}
        ],
        "annotations": {"list": []},
        "panels": placed,
    }


def _panel(number: int, panel: Panel, x: int, y: int) -> dict[str, Any]:
    return {
        "id": number,
        "title": panel.title,
        "description": panel.description,
        "type": panel.kind,
        "datasource": panel.datasource,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
        "targets": panel.targets,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "custom": panel.custom},
            "overrides": panel.overrides,
        },
        "options": panel.options,
    }
