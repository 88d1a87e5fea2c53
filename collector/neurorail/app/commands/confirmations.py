"""`neurorail confirmations`: questions to people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import quote

import typer

from neurorail.app.commands.asking import get, post
from neurorail.app.commands.options import ConfigFile, DataDir, Json, Server

app = typer.Typer(help="Questions to people.", no_args_is_help=True)

PATH: Final = "/api/governor/v1/confirmations"
Id = Annotated[str, typer.Argument(metavar="ID", help="Id of a question.")]
Reason = Annotated[str, typer.Option(help="Why; it is audited.", metavar="TEXT")]


@app.callback()
def confirmations() -> None:
    """Questions to people."""


@app.command("list")
def list_all(
    everything: Annotated[
        bool, typer.Option("--all", help="Answered ones too, while their answer holds.")
    ] = False,
    server: Server = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Show the questions that wait for an answer."""
    path = PATH if everything else f"{PATH}?state=pending"
    found = get(path, server, data_dir, config)
    if as_json:
        typer.echo(json.dumps(found))
        return
    for one in found["confirmations"]:
        about = ", ".join(f"{name}={value}" for name, value in one["scope"].items())
        typer.echo(f"{one['confirmation_id']}  {one['state']}  until {one['until'][:19]}Z")
        typer.echo(f"    {one['question'] or one['rule']}  ({about or 'everything'})")


@app.command("approve")
def approve(
    confirmation_id: Id,
    reason: Reason = "",
    server: Server = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Let what a question is about go on. Status 1 when it is answered already."""
    _answer(confirmation_id, "approve", reason, server, data_dir, config, as_json)


@app.command("deny")
def deny(
    confirmation_id: Id,
    reason: Reason = "",
    server: Server = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Keep what a question is about stopped. Status 1 when it is answered already."""
    _answer(confirmation_id, "deny", reason, server, data_dir, config, as_json)


def _answer(
    confirmation_id: str,
    answer: str,
    reason: str,
    server: str | None,
    data_dir: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    path = f"{PATH}/{quote(confirmation_id, safe='')}/{answer}"
    said = post(path, {"reason": reason}, server, data_dir, config)
    typer.echo(json.dumps(said) if as_json else f"{confirmation_id} is {said['state']}")
