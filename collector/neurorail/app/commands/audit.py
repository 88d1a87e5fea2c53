"""`neurorail audit`: the tamper-evident trail."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

from neurorail.app.commands.options import DOES_NOT_HOLD, ConfigFile, DataDir, Json, fail

if TYPE_CHECKING:
    from neurorail.app.config import Config

app = typer.Typer(help="The tamper-evident audit trail.", no_args_is_help=True)

FAULTS_SHOWN = 20


@app.callback()
def audit() -> None:
    """The tamper-evident audit trail."""


@app.command("verify")
def verify(config: ConfigFile = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Recompute the whole chain. Status 1 when it does not hold (NR-E302).

    Reads the store itself when no server runs on the data directory, else asks the server.
    """
    from neurorail.app.config_load import ConfigError, load

    try:
        settings = load(config, {"data_dir": data_dir} if data_dir is not None else {})
    except ConfigError as error:
        raise fail(str(error)) from None
    report = _report(settings, show_progress=not as_json)
    if as_json:
        typer.echo(json.dumps(report))
    else:
        _show(report)
    if not report["ok"]:
        raise typer.Exit(DOES_NOT_HOLD)


def _report(settings: Config, *, show_progress: bool) -> dict[str, Any]:
    from rich.console import Console
    from rich.progress import Progress

    from neurorail.app.audit_check import verify_directly, verify_over_http
    from neurorail.app.location import running_server
    from neurorail.client import ClientError
    from neurorail.collector.datadir import DataDirectoryInUse
    from neurorail.collector.store.errors import StoreError

    server = running_server(settings.data_dir)
    console = Console(stderr=True, quiet=not show_progress)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("verifying", total=None)

        def moved(checked: int, total: int) -> None:
            progress.update(task, completed=checked, total=total)

        try:
            if server is not None:
                return verify_over_http(server, moved)
            return verify_directly(settings, moved)
        except (StoreError, ClientError, DataDirectoryInUse, OSError) as error:
            raise fail(str(error)) from None


def _show(report: dict[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("node", "events", "faults", "last event", "last hash"):
        table.add_column(column, overflow="fold")
    for node in report["nodes"]:
        faults = node["fault_count"]
        table.add_row(
            node["node"],
            f"{node['events']:,}",
            f"[bold red]{faults:,}[/]" if faults else "0",
            node["last_event_id"],
            node["last_hash"],
        )
    console.print(table)
    faults = [fault for node in report["nodes"] for fault in node["faults"]]
    for fault in faults[:FAULTS_SHOWN]:
        line = f"{fault['kind']}: {fault['event_id']}: {fault['detail']}"
        console.print(line, style="red", markup=False, highlight=False)
    if len(faults) > FAULTS_SHOWN:
        console.print(f"… and {len(faults) - FAULTS_SHOWN} more; --json names them", style="red")
    if report["ok"]:
        console.print(f"the chain holds: {report['events']:,} events", style="green")
    else:
        console.print("NR-E302: the chain does not hold", style="bold red")
