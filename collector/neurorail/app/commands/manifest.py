"""`neurorail manifest`: the manifests of a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from neurorail.app.commands.files import read_file
from neurorail.app.commands.options import (
    DOES_NOT_HOLD,
    ConfigFile,
    DataDir,
    Json,
    Server,
    data_directory,
    fail,
    server_errors,
)
from neurorail.client import Problem

app = typer.Typer(help="The manifests of a server.", no_args_is_help=True)

PATH: Final = "/api/governor/v1/manifests"
Version = Annotated[str, typer.Argument(metavar="VERSION", help="Version of a manifest.")]
Reason = Annotated[str, typer.Option(help="Why; it is audited.", metavar="TEXT")]


@app.callback()
def manifest() -> None:
    """The manifests of a server."""


@app.command("create")
def create(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A manifest (YAML).")],
    server: Server = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Make a manifest: a draft. Status 1 when it is wrong or its version is taken."""
    body = {"source": read_file(file)}
    _show(_post(PATH, body, server, data_dir, config, file), as_json)


@app.command("list")
def list_manifests(
    server: Server = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Show every manifest, and which one is in force."""
    found = _get(PATH, server, data_dir, config)
    if as_json:
        typer.echo(json.dumps(found))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for column in ("version", "name", "state", "since", "evaluated", "differs", "sha256"):
        table.add_column(column, overflow="fold")
    for one in found["manifests"]:
        compared = one["compared"]
        differs = sum(compared.values()) - compared["evaluations"]
        table.add_row(
            one["version"], one["name"], one["state"], one["since"][:16].replace("T", " "),
            str(compared["evaluations"]), str(differs), one["sha256"][:12],
        )  # fmt: skip
    console = Console()
    console.print(table)
    console.print(f"in force: {found['active']['version']}", highlight=False)


@app.command("show")
def show(
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="Version of a manifest, or active.")
    ] = "active",
    server: Server = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Write a manifest as it was written. With --json in its canonical form."""
    found = _get(f"{PATH}/{quote(version, safe='')}", server, data_dir, config)
    if as_json:
        typer.echo(json.dumps(found))
    elif found["source"] is None:
        from neurorail.rules.manifest.default import shipped_text

        typer.echo(shipped_text(), nl=False)
    else:
        typer.echo(found["source"], nl=not found["source"].endswith("\n"))


@app.command("shadow")
def shadow(
    version: Version,
    reason: Reason = "",
    server: Server = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Evaluate a manifest beside the active one."""
    _move(version, "shadow", {"reason": reason}, server, data_dir, config, as_json)


@app.command("activate")
def activate(
    version: Version,
    reason: Reason = "",
    force: Annotated[
        bool, typer.Option("--force", help="Past the gate; needs a reason and emergency:override.")
    ] = False,
    server: Server = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Let a manifest take effect. Status 1 when the gate is not met (NR-E132)."""
    if force and not reason.strip():
        raise fail("--force needs a --reason: it is audited")
    body = {"reason": reason, "force": force}
    _move(version, "activate", body, server, data_dir, config, as_json)


@app.command("retire")
def retire(
    version: Version,
    reason: Reason = "",
    server: Server = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Take a manifest out of use. Without an active one the shipped manifest holds."""
    _move(version, "retire", {"reason": reason}, server, data_dir, config, as_json)


def _move(
    version: str,
    action: str,
    body: dict[str, Any],
    server: str | None,
    data_dir: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    path = f"{PATH}/{quote(version, safe='')}/{action}"
    _show(_post(path, body, server, data_dir, config), as_json)


def _get(path: str, server: str | None, data_dir: Path | None, config: Path | None) -> Any:
    from neurorail.app.location import client_for

    with server_errors():
        return client_for(server, data_directory(data_dir, config)).get_json(path)


def _post(
    path: str,
    body: dict[str, Any],
    server: str | None,
    data_dir: Path | None,
    config: Path | None,
    file: Path | None = None,
) -> Any:
    from neurorail.app.location import client_for

    with server_errors():
        try:
            return client_for(server, data_directory(data_dir, config)).post_json(path, body)
        except Problem as error:
            for fault in error.details.get("faults", ()):
                where = f"{fault['path']}: " if fault["path"] else ""
                place = f"{file}:{fault['line']}:{fault['column']}"
                typer.echo(f"{place}: {where}{fault['message']}", err=True)
            if error.code in ("NR-E110", "NR-E132"):
                raise fail(str(error), DOES_NOT_HOLD) from None
            raise


def _show(one: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(one))
        return
    typer.echo(f"{one['version']} is {one['state']}, sha256 {one['sha256']}")
    for condition in one["unmet"] if one["state"] == "shadow" else ():
        typer.echo(f"its gate: {condition}")
    for warning in one["warnings"]:
        typer.echo(f"warning: {warning['detail']}", err=True)
