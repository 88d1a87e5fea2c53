"""The demonstration on a terminal: while it runs, and the summary."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from neurorail.app.show.format import clock, concerned, event_style, short_id, usd
from neurorail.app.show.summary import summary

if TYPE_CHECKING:
    from neurorail.app.demo.observed import Observed, Tally
    from neurorail.app.demo.play import Part, Play
    from neurorail.app.demo.scenarios import Check
    from neurorail.app.demo.stage import Addresses

STATUS_STYLES = {
    "waiting": "dim",
    "running": "blue",
    "settling": "cyan",
    "as expected": "green",
    "failed": "bold red",
}


def addresses_panel(addresses: Addresses) -> Panel:
    """What to open."""
    lines = Table.grid(padding=(0, 2))
    lines.add_row("ControlDeck", Text(f"{addresses.api}/neurorail", style="bold underline"))
    lines.add_row("API", f"{addresses.api}/docs")
    lines.add_row("metrics", f"{addresses.api}/metrics")
    lines.add_row("OTLP", f"gRPC {addresses.otlp_grpc}   HTTP {addresses.otlp_http}")
    lines.add_row("model", f"{addresses.model} (fake, OpenAI-compatible)")
    return Panel(lines, title="NeuroRail demo", title_align="left", expand=False)


def tally_line(tally: Tally) -> Text:
    """The sums on one line."""
    line = Text()
    for name, value, style in (
        ("missions", f"{tally.missions}", "bold"),
        ("attempts", f"{tally.attempts}", "bold"),
        ("tokens", f"{tally.tokens:,}", "bold"),
        ("cost", usd(tally.cost_usd_pico), "bold"),
        ("violations", f"{tally.violations}", "bold red" if tally.violations else "bold"),
        ("orphans", f"{tally.orphans}", "bold red" if tally.orphans else "bold"),
        ("events seen live", f"{tally.events:,}", "dim"),
    ):
        line.append(f"{name} ", style="dim").append(value, style=style).append("   ")
    return line


def live_view(parts: list[Part], observed: Observed) -> Group:
    """Agents, sums, and the events that came last."""
    agents = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("agent", "what it does", "by", "status"):
        agents.add_column(column, no_wrap=True)
    for part in parts:
        status = Text(part.status, style=STATUS_STYLES[part.status])
        scenario = part.scenario
        agents.add_row(scenario.name, scenario.story, scenario.protocol, status)
    events = Table(box=None, pad_edge=False, show_header=False)
    for width in (12, 11, 20, 13):
        events.add_column(width=width, no_wrap=True)
    events.add_column(no_wrap=True, overflow="ellipsis")
    for event in observed.newest():
        events.add_row(
            clock(event.timestamp),
            event.channel,
            event.event_type,
            short_id(concerned(event.data)),
            summary(event.event_type, event.data),
            style=event_style(event.event_type),
        )
    return Group(agents, tally_line(observed.tally()), Text(), events)


def summary_table(play: Play) -> Table:
    """What was to happen, and what did."""
    table = Table(box=box.SIMPLE_HEAD, title="What was to happen, and what did", title_style="bold")
    for column in ("agent", "expected", "happened", ""):
        table.add_column(column)
    for part in play.parts:
        name = part.scenario.name
        if part.failure or not part.checks:
            reason = part.failure or "the agent was not done in time"
            table.add_row(name, part.scenario.story, Text(reason, style="red"), _mark(False))
        _add_checks(table, name, part.checks)
    _add_checks(table, "server", play.server_checks)
    return table


def _add_checks(table: Table, name: str, checks: list[Check]) -> None:
    for at, check in enumerate(checks):
        happened = Text(check.happened, style="" if check.ok else "red")
        table.add_row(name if at == 0 else "", check.expected, happened, _mark(check.ok))


def summary_json(play: Play, tally: Tally, addresses: Addresses) -> str:
    """The summary for machines."""
    body: dict[str, Any] = {
        "ok": play.done,
        "server": [asdict(check) for check in play.server_checks],
        "api": addresses.api,
        "tally": {
            "missions": tally.missions,
            "attempts": tally.attempts,
            "tokens": tally.tokens,
            "cost_usd_pico": tally.cost_usd_pico,
            "violations": tally.violations,
            "orphans": tally.orphans,
            "events": tally.events,
            "by_type": dict(sorted(tally.by_type.items())),
        },
        "agents": [
            {
                "name": part.scenario.name,
                "story": part.scenario.story,
                "protocol": part.scenario.protocol,
                "ok": part.done,
                "failure": part.failure,
                "missions": [used.mission_id for used in part.result.missions]
                if part.result
                else [],
                "checks": [asdict(check) for check in part.checks],
            }
            for part in play.parts
        ],
    }
    return json.dumps(body)


def _mark(ok: bool) -> Text:
    return Text("✓", style="bold green") if ok else Text("✗", style="bold red")
