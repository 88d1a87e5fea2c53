"""`neurorail audit`: the tamper-evident trail."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neurorail.app.commands.options import (
    DOES_NOT_HOLD,
    ConfigFile,
    DataDir,
    Json,
    data_directory,
    fail,
    server_errors,
    told,
)

if TYPE_CHECKING:
    from neurorail.app.config import Config

app = typer.Typer(help="The tamper-evident audit trail.", no_args_is_help=True)

RETAIN_S = 600.0
WITHOUT_PROOF = b'"proof":null}\n'
"""The end of a bundle's line of an event that no checkpoint covers yet."""
FAULTS_SHOWN = 20


@app.callback()
def audit() -> None:
    """The tamper-evident audit trail."""


@app.command("verify")
def verify(
    first_seq: Annotated[
        int | None, typer.Option("--from", help="First record sequence of a part.", min=0)
    ] = None,
    last_seq: Annotated[int | None, typer.Option("--to", help="Last one.", min=0)] = None,
    anchors: Annotated[
        Path | None,
        typer.Option(
            help="Signed checkpoints kept elsewhere; else the server's own.", metavar="FILE"
        ),
    ] = None,
    public_key: Annotated[
        str | None, typer.Option(help="The first key that signed, kept elsewhere.", metavar="HEX")
    ] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Recompute the chain, against its signed checkpoints. Status 1 if it does not hold (NR-E302).

    Status 1, too, if it is not proven: there is no event, or there are a key or anchors to prove it
    by and they have signed nothing of it.

    Reads the store itself when no server runs on the data directory, else asks the server.
    """
    settings = _settings(config, data_dir)
    asked: dict[str, Any] = {
        "first_seq": first_seq, "last_seq": last_seq, "public_key": public_key,
    }  # fmt: skip
    if anchors is not None:
        try:
            lines = anchors.read_text(encoding="utf-8").splitlines()
            asked["anchors"] = [json.loads(line) for line in lines]
        except (OSError, ValueError) as error:
            raise fail(f"{anchors}: {error}") from None
    report = _report(settings, asked, show_progress=not as_json)
    given = public_key is not None or anchors is not None
    missing = _not_proven(report, given) if report["ok"] else None
    if as_json:
        typer.echo(json.dumps(report))
    else:
        _show(report, missing)
    if not report["ok"]:
        raise typer.Exit(DOES_NOT_HOLD)
    if missing is not None:
        raise fail(missing, DOES_NOT_HOLD)


@app.command("export")
def export(
    mission: Annotated[str, typer.Option(help="Whose events.", metavar="ID")],
    output: Annotated[
        Path | None, typer.Option(help="Where to; else standard output.", metavar="FILE")
    ] = None,
    file_format: Annotated[str, typer.Option("--format", help="jsonl.")] = "jsonl",
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Write every event of a mission with its proof.

    To be verified without NeuroRail: `docs/verify_bundle.py` verifies it, and needs Python alone.
    Status 1 if there is no event.
    """
    from neurorail.app.audit_check import bundle_lines
    from neurorail.app.location import running_server
    from neurorail.client import ClientError
    from neurorail.collector.audit.bundle import NothingArchived
    from neurorail.collector.datadir import DataDirectoryInUse
    from neurorail.collector.store.errors import StoreError

    if file_format != "jsonl":
        raise fail(f"format {file_format!r} is not known: use jsonl")
    settings = _settings(config, data_dir)
    server = running_server(settings.data_dir)
    unsigned = 0
    try:
        lines = bundle_lines(settings, server, mission)
        # Before there is something to write, no file is made.
        first = next(lines)
        with output.open("wb") if output else nullcontext(sys.stdout.buffer) as into:
            for line in chain((first,), lines):
                unsigned += line.endswith(WITHOUT_PROOF)
                into.write(line)
    except NothingArchived:
        raise fail(f"the archive holds no event of mission {mission!r}", DOES_NOT_HOLD) from None
    except (StoreError, ClientError, DataDirectoryInUse, OSError, ValueError) as error:
        raise fail(str(error)) from None
    if unsigned:
        typer.echo(f"not signed yet: {unsigned:,}; the next checkpoint covers them", err=True)


@app.command("proof")
def proof(
    event: Annotated[str, typer.Argument(metavar="EVENT", help="Id of an event.")],
    output: Annotated[
        Path | None, typer.Option(help="Where to; else standard output.", metavar="FILE")
    ] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Write one event with the proof that it is in the signed chain. Status 1 if it is not yet.

    `docs/verify_bundle.py` verifies it, too.
    """
    from neurorail.app.audit_check import proof_lines
    from neurorail.app.location import running_server
    from neurorail.client import ClientError
    from neurorail.collector.audit.bundle import NothingArchived
    from neurorail.collector.datadir import DataDirectoryInUse
    from neurorail.collector.store.errors import StoreError

    settings = _settings(config, data_dir)
    try:
        lines = proof_lines(settings, running_server(settings.data_dir), event)
    except NothingArchived:
        raise fail(f"no archived event with id {event[:100]!r}", DOES_NOT_HOLD) from None
    except (StoreError, ClientError, DataDirectoryInUse, OSError, ValueError) as error:
        raise fail(str(error)) from None
    events = [said for said in map(json.loads, lines) if said["kind"] == "event"]
    with output.open("wb") if output else nullcontext(sys.stdout.buffer) as into:
        into.writelines(lines)
    if events[0]["proof"] is None:
        raise fail("the next checkpoint will cover it; ask again later", DOES_NOT_HOLD)


@app.command("retain")
def retain(
    before: Annotated[
        str, typer.Option(help="ISO 8601, or ago, as 365d: older checkpoints.", metavar="WHEN")
    ],
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Verify events older than that and remove them.

    A signed statement says so. Needs the running server. Status 1 if they do not hold: then nothing
    is removed.
    """
    from neurorail.app.location import client_on
    from neurorail.client import Problem, calls

    directory = data_directory(data_dir, config)
    when = f"-{before}" if before[:-1].isdecimal() and before[-1:] in "smhdw" else before
    with server_errors():
        client = client_on(directory, RETAIN_S)
        try:
            answer = client.ask(calls.audit_retain(when))
        except Problem as problem:
            if problem.status != 409:
                raise
            raise fail(told(problem), DOES_NOT_HOLD) from None
    through = answer["removed_through"]
    typer.echo(f"removed up to {through}" if through else "no checkpoint is that old")


@app.command("rotate-key")
def rotate_key(config: ConfigFile = None, data_dir: DataDir = None) -> None:
    """Let another key sign checkpoints from now on. Needs the running server."""
    from neurorail.app.location import client_on
    from neurorail.client import calls

    with server_errors():
        client = client_on(data_directory(data_dir, config))
        answer = client.ask(calls.audit_rotate_key())
    typer.echo(answer["public_key"])


def _settings(config: Path | None, data_dir: Path | None) -> Config:
    from neurorail.app.config_load import ConfigError, load

    try:
        return load(config, {"data_dir": data_dir} if data_dir is not None else {})
    except ConfigError as error:
        raise fail(str(error)) from None


def _report(settings: Config, asked: dict[str, Any], *, show_progress: bool) -> dict[str, Any]:
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
                return verify_over_http(server, asked, moved)
            return verify_directly(settings, asked, moved)
        except (StoreError, ClientError, DataDirectoryInUse, OSError, ValueError) as error:
            raise fail(str(error)) from None


def _not_proven(report: dict[str, Any], given: bool) -> str | None:
    """Why a chain that nothing contradicts is not proven by what was asked for; None if it is."""
    if not report["events"]:
        return "there is no event to verify"
    bare = [node["node"] for node in report["nodes"] if node["events"] and not node["anchors"]]
    if given and bare:
        return f"not proven: nothing contradicts, but no checkpoint covers events of {bare[0]}"
    return None


def _show(report: dict[str, Any], missing: str | None) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from neurorail.app.show.console import plain_console

    console = plain_console()
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("node", "events", "signed", "faults", "last event"):
        table.add_column(column, overflow="fold")
    for node in report["nodes"]:
        faults = node["fault_count"]
        table.add_row(
            node["node"],
            f"{node['events']:,}",
            f"{node['anchors']:,}",
            Text(f"{faults:,}", style="bold red" if faults else ""),
            node["last_event_id"],
        )
    console.print(table)
    for node in report["nodes"]:
        # Longer than the table of a narrow terminal has room for, and to be copied whole.
        console.print(f"last hash of {node['node']}: {node['last_hash']}", soft_wrap=True)
    faults = [fault for node in report["nodes"] for fault in node["faults"]]
    for fault in faults[:FAULTS_SHOWN]:
        line = f"{fault['kind']}: {fault['event_id']}: {fault['detail']}"
        console.print(line, style="red", soft_wrap=True)
    if len(faults) > FAULTS_SHOWN:
        console.print(f"… and {len(faults) - FAULTS_SHOWN} more; --json names them", style="red")
    if report["ok"] and missing is None:
        console.print(f"the chain holds: {report['events']:,} events", style="green")
        if not any(node["anchors"] for node in report["nodes"]):
            console.print("by its hashes alone: no checkpoint covers any of them yet")
    elif not report["ok"]:
        for node in report["nodes"]:
            if node["first_fault"] is not None and node["first_fault"]["event_id"]:
                line = f"the first row that does not hold: {node['first_fault']['event_id']}"
                console.print(line, style="bold red", soft_wrap=True)
        console.print("NR-E302: the chain does not hold", style="bold red")
