"""`neurorail trace`: the chain of one entity as a tree."""

from __future__ import annotations

import json
from typing import Annotated, Final

import typer

from neurorail.app.commands.options import ConfigFile, DataDir, Json, Server, data_directory, fail
from neurorail.app.commands.options import server_errors as errors_of_server

PLAIN_WIDTH: Final = 1_000
TYPES_BY_PREFIX: Final = {
    "m_": "mission",
    "p_": "plan",
    "j_": "job",
    "a_": "attempt",
    "r_": "resource",
}


def entity_type_of(entity_id: str) -> str:
    """The type that the prefix of an id names.

    Raises:
        ValueError: if it names none.
    """
    kind = TYPES_BY_PREFIX.get(entity_id[:2])
    if kind is None:
        prefixes = ", ".join(TYPES_BY_PREFIX)
        raise ValueError(f"{entity_id!r} is no id: ids begin with one of {prefixes}")
    return kind


def trace(
    entity_id: Annotated[str, typer.Argument(metavar="ID", help="Id of any entity.")],
    server: Server = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Show an entity with its ancestors and all that is below it."""
    from neurorail.app.location import client_for

    try:
        kind = entity_type_of(entity_id)
    except ValueError as error:
        raise fail(str(error)) from None
    directory = data_directory(data_dir, config)
    with errors_of_server():
        body = client_for(server, directory).get_json(
            f"/api/neurorail/v1/identity/trace/{kind}/{entity_id}"
        )
    if as_json:
        typer.echo(json.dumps(body))
        return
    from neurorail.app.show.console import plain_console
    from neurorail.app.show.tree import chain_tree

    console = plain_console()
    if not console.is_terminal:
        # A file or a pipe has no width: whoever reads it wants whole ids.
        console.width = PLAIN_WIDTH
    console.print(chain_tree(body, entity_id, console.width))
