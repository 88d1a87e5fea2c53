"""A backtest's report in a terminal."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from neurorail.collector.rerun.backtest import BacktestReport
from neurorail.collector.rerun.tally import Refused, Tally

EXAMPLES_SHOWN: Final = 10
_PICO: Final = Decimal(10) ** 12


def show(report: BacktestReport, base_url: str) -> None:
    """Write the report to standard output."""
    console = Console()
    console.print(_summary(report))
    if report.new.tally.rules:
        console.print(_rules(report.new.tally))
    examples = report.new.tally.examples
    for one in examples[:EXAMPLES_SHOWN]:
        console.print(_example(one, base_url), markup=False, highlight=False)
    if len(examples) > EXAMPLES_SHOWN:
        console.print(f"… and {len(examples) - EXAMPLES_SHOWN} more examples; --json names them")
    for note in report.approximate:
        console.print(f"not exact: {note}", style="dim", markup=False, highlight=False)


def _usd(pico: int) -> str:
    return f"{Decimal(pico) / _PICO:,.4f}"


def _summary(report: BacktestReport) -> Table:
    new, against = report.new.tally, report.against.tally
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column(f"{new.calls:,} calls")
    for side in (report.new, report.against):
        table.add_column(f"{side.name} {side.version}", justify="right")
    rows = (
        ("refused", f"{new.refused:,}", f"{against.refused:,}"),
        ("… that in truth succeeded", f"{new.false_positives:,}", f"{against.false_positives:,}"),
        ("spend, USD", _usd(new.spend_usd_pico), _usd(against.spend_usd_pico)),
        ("spend avoided, USD", _usd(new.avoided_usd_pico), _usd(against.avoided_usd_pico)),
        ("budget warnings", f"{new.warnings:,}", f"{against.warnings:,}"),
        ("budget violations", f"{new.violations:,}", f"{against.violations:,}"),
        ("reflexes triggered", f"{new.triggers:,}", f"{against.triggers:,}"),
        ("cancelled", f"{new.cancellations:,}", f"{against.cancellations:,}"),
        ("newly refused", f"{report.newly_refused:,}", ""),
        ("newly allowed", f"{report.newly_allowed:,}", ""),
    )
    for row in rows:
        table.add_row(*row)
    return table


def _rules(tally: Tally) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("rule", overflow="fold")
    for column in ("refused", "succeeded", "avoided, USD", "warned", "violated", "triggered",
                   "cancelled"):  # fmt: skip
        table.add_column(column, justify="right")
    for name, rule in sorted(tally.rules.items(), key=lambda item: (-item[1].refused, item[0])):
        table.add_row(
            name,
            f"{rule.refused:,}",
            f"{rule.false_positives:,}",
            _usd(rule.spend_avoided_usd_pico),
            f"{rule.warned:,}",
            f"{rule.violated:,}",
            f"{rule.triggered:,}",
            f"{rule.cancelled:,}",
        )
    return table


def _example(one: Refused, base_url: str) -> str:
    ended = "succeeded" if one.succeeded else "did not succeed"
    link = f" {base_url}/neurorail/trace?mission={one.ids[0]}" if one.ids[0] is not None else ""
    rules = ", ".join(one.rules)
    return f"{one.code} {rules}: {one.what}, {_usd(one.cost_usd_pico)} USD, {ended};{link}"
