"""`neurorail erase`: take out what is kept of a mission, a person or a tenant."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from neurorail.app.commands.options import (
    DOES_NOT_HOLD,
    ConfigFile,
    DataDir,
    Server,
    data_directory,
    fail,
    server_errors,
)

ERASURE_S = 600.0


def erase(
    reason: Annotated[str, typer.Option(help="Why; it is put on record.")],
    mission: Annotated[str | None, typer.Option(help="One mission.", metavar="ID")] = None,
    subject: Annotated[
        str | None,
        typer.Option(help="Missions with this tag `subject`, or this user id in their spans."),
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Every mission of a tenant.")] = None,
    server: Server = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Erase what is kept of missions, and wait until it is gone. Needs the running server.

    States, times and sums stay, and so do the hashes of the audit trail, which still verifies.
    Status 1 if nothing is known of it.
    """
    from neurorail.app.location import client_for
    from neurorail.client import calls

    if [mission, subject, tenant].count(None) != 2:
        raise fail("name one of --mission, --subject and --tenant")
    which: dict[str, Any] = {"mission_id": mission, "subject": subject}
    if tenant is not None:
        which["everything"] = True
    with server_errors():
        client = client_for(server, data_directory(data_dir, config), ERASURE_S)
        told = client.ask(calls.erase(reason, tenant=tenant, **which))
    asked = f"mission {mission}" if mission else f"tenant {tenant}" if tenant else "this person"
    if not told["found"]:
        raise fail(
            f"nothing is known of {asked}; that it was asked for is on record", DOES_NOT_HOLD
        )
    number = told["missions"]
    what = f"{number:,} mission{'' if number == 1 else 's'}" if number else f"{asked}: no mission"
    typer.echo(f"erased what was kept of {what}")
    for remainder in told["remains"]:
        typer.echo(f"still there: {remainder}")
