"""A backtest's report in a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any, Final

from rich import box
from rich.table import Table

from neurorail.app.show.console import plain_console
from neurorail.app.show.format import pico_usd, usd

EXAMPLES_SHOWN: Final = 10
_NUMBERS: Final = (
    ("refused", "calls_refused"),
    ("… that in truth succeeded", "false_positive_candidates"),
    ("spend", "spend_usd"),
    ("spend avoided", "spend_avoided_usd"),
    ("budget warnings", "warnings"),
    ("budget violations", "violations"),
    ("reflexes triggered", "triggers"),
    ("cancelled", "cancellations"),
)
_OF_RULE: Final = (
    ("refused", "refused"),
    ("of which succeeded", "false_positive_candidates"),
    ("avoided", "spend_avoided_usd"),
    ("warned", "warned"),
    ("violated", "violated"),
    ("triggered", "triggered"),
    ("cancelled", "cancelled"),
)


def show(report: bytes) -> None:
    """Write a report, as `report_json` made it, to standard output."""
    body = json.loads(report, parse_float=Decimal)
    console = plain_console()
    console.print(_summary(body))
    # Ids and links are longer than some terminals: nothing breaks them, so that they can be copied.
    plain = partial(console.print, soft_wrap=True)
    for line in _rules(body["new"]["rules"]):
        plain(line)
    examples = body["new"]["examples"]
    if examples:
        plain("\nexamples of what would have been refused:")
    for one in examples[:EXAMPLES_SHOWN]:
        plain(_example(one))
    if len(examples) > EXAMPLES_SHOWN:
        console.print(f"… and {len(examples) - EXAMPLES_SHOWN} more examples; --json names them")
    for note in body["approximate"]:
        plain(f"\nnot exact: {note}", style="dim")


def _number(name: str, value: Any) -> str:
    return usd(pico_usd(value)) if name.endswith("_usd") else f"{value:,}"


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


def _rules(rules: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Each rule that did something on a line of its own, and below it what it did."""
    if rules:
        yield "by rule:"
    for rule, said in sorted(rules.items(), key=lambda item: (-item[1]["refused"], item[0])):
        yield f"  {rule}"
        done = [f"{title} {_number(name, said[name])}" for title, name in _OF_RULE if said[name]]
        yield f"      {', '.join(done)}"


def _example(one: dict[str, Any]) -> str:
    ended = "succeeded" if one["succeeded"] else "did not succeed"
    link = f"\n      {one['link']}" if one["link"] is not None else ""
    rules, cost = ", ".join(one["rules"]), _number("cost_usd", one["cost_usd"])
    return f"  {one['code']} {rules}: {one['call']}, {cost}, {ended}{link}"
