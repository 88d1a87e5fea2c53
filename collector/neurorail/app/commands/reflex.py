"""`neurorail reflex`: what is stopped, and stopping it by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from neurorail.app.commands.asking import get, post
from neurorail.app.commands.options import ConfigFile, DataDir, Json, Server, fail

app = typer.Typer(help="What is stopped, and stopping it by hand.", no_args_is_help=True)

PATH: Final = "/api/neurorail/v1/reflex"
ACTIONS: Final = {
    "open": "Hold a circuit open until it is closed.",
    "close": "Close a circuit.",
    "suspend": "Let nothing in a scope begin. Until it is resumed or the time is over.",
    "resume": "Let a scope go on.",
    "kill": "Pull the kill switch. Nothing in a scope may begin, running work ends.",
    "release": "Release a kill switch.",
}


@app.callback()
def reflex() -> None:
    """What is stopped, and stopping it by hand."""


@app.command("list")
def list_all(
    server: Server = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Show every directive that holds, and every circuit breaker."""
    found = {
        "directives": get(f"{PATH}/directives", server, data_dir, config)["directives"],
        "breakers": get(f"{PATH}/breakers", server, data_dir, config)["breakers"],
    }
    if as_json:
        typer.echo(json.dumps(found))
        return
    for one in found["directives"]:
        left = "until it is lifted" if one["ttl_ms"] is None else f"{one['ttl_ms'] // 1_000} s left"
        typer.echo(f"{one['directive_id']}  {one['code']}  {left}")
        typer.echo(f"    {one['reason']}")
    for one in found["breakers"]:
        again = f", tried again at {one['half_open_at'][:19]}Z" if one["half_open_at"] else ""
        typer.echo(f"{one['circuit_id']}  circuit {one['state']}{again}")
        typer.echo(f"    {one['reason']}")


def _scope(given: list[str]) -> dict[str, str | None]:
    """`name=value` pairs; an empty value means that the fact has to be absent."""
    scope: dict[str, str | None] = {}
    for one in given:
        name, separator, value = one.partition("=")
        if not separator:
            raise fail(f"{one!r} is no NAME=VALUE, for example provider=openai")
        scope[name] = value or None
    return scope


def _command(action: str) -> Callable[..., None]:
    def act(
        scope: Annotated[
            list[str] | None,
            typer.Option("--scope", metavar="NAME=VALUE", help="A fact and its value; repeatable."),
        ] = None,
        entity: Annotated[
            str | None, typer.Option(metavar="ID", help="An entity and all below it.")
        ] = None,
        everything: Annotated[
            bool, typer.Option("--everything", help="Everything of the tenant.")
        ] = False,
        circuit: Annotated[
            str | None, typer.Option(metavar="ID", help="A circuit, for open and close.")
        ] = None,
        directive: Annotated[
            str | None, typer.Option(metavar="ID", help="A directive, for resume and release.")
        ] = None,
        reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it is audited.")] = "",
        ttl_ms: Annotated[
            int | None, typer.Option(metavar="MS", help="How long, for suspend and kill.")
        ] = None,
        server: Server = None,
        data_dir: DataDir = None,
        config: ConfigFile = None,
        as_json: Json = False,
    ) -> None:
        body = {
            "scope": _scope(scope) if scope else None,
            "entity_id": entity,
            "everything": everything or None,
            "circuit_id": circuit,
            "directive_id": directive,
            "reason": reason,
            "ttl_ms": ttl_ms,
        }
        stated = {name: value for name, value in body.items() if value is not None}
        done = post(f"{PATH}/{action}", stated, server, data_dir, config)
        typer.echo(json.dumps(done) if as_json else _told(done))

    act.__doc__ = ACTIONS[action]
    return act


def _told(done: dict[str, Any]) -> str:
    named = done["circuit_id"] or done["directive_id"] or json.dumps(done["scope"])
    return f"{done['action']}: {named}"


for _action in ACTIONS:
    app.command(_action)(_command(_action))
