"""`neurorail audit`: the tamper-evident trail."""

from __future__ import annotations

import typer

app = typer.Typer(help="The tamper-evident audit trail.", no_args_is_help=True)


@app.callback()
def audit() -> None:
    """The tamper-evident audit trail."""
