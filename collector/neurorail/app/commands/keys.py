"""`neurorail keys`: the credentials of a server."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import typer

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

app = typer.Typer(help="API keys.", no_args_is_help=True)
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


@app.callback()
def keys() -> None:
    """API keys."""


@app.command("create")
def create(
    admin: Annotated[bool, typer.Option("--admin", help="The same as --role admin.")] = False,
    role: Annotated[
        str | None, typer.Option(help="admin, operator or viewer.", metavar="ROLE")
    ] = None,
    agent: Annotated[
        bool, typer.Option("--agent", help="For an agent: telemetry and decisions, nothing else.")
    ] = False,
    permission: Annotated[
        list[str] | None, typer.Option(help="A single permission; repeatable.", metavar="NAME")
    ] = None,
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    tenant: Annotated[str | None, typer.Option(help="Whose; default: default.")] = None,
    mission: Annotated[
        list[str] | None, typer.Option(help="Only this mission; repeatable.", metavar="ID")
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(help="Only missions with this tag; repeatable.", metavar="KEY=VALUE"),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(help="90d, 12h, 30m, or a time in ISO 8601; none: never.", metavar="WHEN"),
    ] = None,
    rate: Annotated[
        int | None, typer.Option(help="Requests a second it may send.", metavar="N", min=1)
    ] = None,
    server: Server = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Make a key and show it, this once. The first one closes a server that was open.

    Asks the running server, else writes the data directory itself.
    """
    from neurorail.app.key_access import keys_of

    try:
        asked: dict[str, Any] = {
            "name": name,
            "role": "admin" if admin else role,
            "agent": agent,
            "permissions": permission or [],
            "missions": mission or [],
            "tags": dict(_pair(text) for text in tag or ()),
            "expires_at": _moment(expires),
            "rate_per_s": rate,
        }
    except ValueError as error:
        raise fail(str(error)) from None
    if tenant is not None:
        asked["tenant"] = tenant
    directory = data_directory(data_dir, config)
    with server_errors(), keys_of(server, directory, make=True) as found:
        made = found.create(asked)
    if as_json:
        typer.echo(json.dumps(made))
        return
    typer.echo(made["key"])
    typer.echo(f"neurorail: key {made['key_id']} was made; it is not shown again", err=True)


@app.command("list")
def list_keys(
    server: Server = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Show every key, without the keys themselves."""
    from neurorail.app.key_access import keys_of

    with server_errors(), keys_of(server, data_directory(data_dir, config)) as found:
        known = found.all()
    if as_json:
        typer.echo(json.dumps(known))
        return
    from rich import box
    from rich.table import Table

    from neurorail.app.show.console import plain_console

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("key", no_wrap=True)
    for column in ("name", "tenant", "may", "expires", "last used", "state"):
        table.add_column(column, overflow="fold")
    for key in known:
        may = "agent" if key["agent"] else key["role"] or " ".join(key["permissions"])
        table.add_row(
            key["prefix"], key["name"], key["tenant"], may, _day(key["expires_at"]),
            _day(key["last_used_at"]), "revoked" if key["revoked_at"] else "",
        )  # fmt: skip
    plain_console().print(table)


@app.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Id or prefix of a key.")],
    server: Server = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Revoke a key: it is good for nothing from then on."""
    from neurorail.app.key_access import keys_of

    with server_errors(), keys_of(server, data_directory(data_dir, config)) as found:
        wanted = key.removeprefix("nrk_").partition("_")[0]
        ids = [each["key_id"] for each in found.all() if each["key_id"].startswith(wanted)]
        if len(ids) != 1 or not wanted:
            says = "no key" if not ids else f"{len(ids)} keys"
            raise fail(f"{says} with {key!r}: neurorail keys list shows them", DOES_NOT_HOLD)
        found.revoke(ids[0])
    typer.echo(f"revoked nrk_{ids[0]}")


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise ValueError(f"{text!r} is no tag: write KEY=VALUE")
    return name, value


def _moment(text: str | None) -> str | None:
    if text is None:
        return None
    if text[:-1].isdecimal() and text[-1:] in _UNITS:
        ahead = timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
        return (datetime.now(UTC) + ahead).isoformat()
    try:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat()
    except ValueError:
        raise ValueError(f"{text!r} is no time: write 90d, 12h, 30m, or ISO 8601") from None


def _day(text: str | None) -> str:
    return "" if text is None else text[:16].replace("T", " ")
