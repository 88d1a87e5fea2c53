"""A backtest's report in a terminal."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

EXAMPLES_SHOWN: Final = 10
_NUMBERS: Final = (
    ("refused", "calls_refused"),
    ("… that in truth succeeded", "false_positive_candidates"),
    ("spend, USD", "spend_usd"),
    ("spend avoided, USD", "spend_avoided_usd"),
    ("budget warnings", "warnings"),
    ("budget violations", "violations"),
    ("reflexes triggered", "triggers"),
    ("cancelled", "cancellations"),
)
_OF_RULE: Final = (
    ("refused", "refused"),
    ("succeeded", "false_positive_candidates"),
    ("avoided, USD", "spend_avoided_usd"),
    ("warned", "warned"),
    ("violated", "violated"),
    ("triggered", "triggered"),
    ("cancelled", "cancelled"),
)


def show(report: bytes) -> None:
    """Write a report, as `report_json` made it, to standard output."""
    body = json.loads(report, parse_float=Decimal)
    console = Console()
    console.print(_summary(body))
    if body["new"]["rules"]:
        console.print(_rules(body["new"]["rules"]))
    examples = body["new"]["examples"]
    for one in examples[:EXAMPLES_SHOWN]:
        console.print(_example(one), markup=False, highlight=False)
    if len(examples) > EXAMPLES_SHOWN:
        console.print(f"… and {len(examples) - EXAMPLES_SHOWN} more examples; --json names them")
    for note in body["approximate"]:
        console.print(f"not exact: {note}", style="dim", markup=False, highlight=False)


def _number(name: str, value: Any) -> str:
    return f"{value:,.4f}" if name.endswith("_usd") else f"{value:,}"


def _summary(body: dict[str, Any]) -> Table:
    new, against, calls = body["new"], body["against"], body["calls"]
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column(f"{calls['all']:,} calls")
    for side in (new, against):
        table.add_column(f"{side['name']} {side['version']}", justify="right")
    for title, name in _NUMBERS:
        table.add_row(title, _number(name, new[name]), _number(name, against[name]))
    table.add_row("newly refused", f"{calls['newly_refused']:,}", "")
    table.add_row("newly allowed", f"{calls['newly_allowed']:,}", "")
    return table


def _rules(rules: dict[str, dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("rule", overflow="fold")
    for title, _ in _OF_RULE:
        table.add_column(title, justify="right")
    for rule, said in sorted(rules.items(), key=lambda item: (-item[1]["refused"], item[0])):
        table.add_row(rule, *(_number(name, said[name]) for _, name in _OF_RULE))
    return table


def _example(one: dict[str, Any]) -> str:
    ended = "succeeded" if one["succeeded"] else "did not succeed"
    link = f" {one['link']}" if one["link"] is not None else ""
    rules, cost = ", ".join(one["rules"]), _number("cost_usd", one["cost_usd"])
    return f"{one['code']} {rules}: {one['call']}, {cost} USD, {ended};{link}"
