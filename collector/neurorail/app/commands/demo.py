"""`neurorail demo`: a server, a fake model and agents, to watch."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from neurorail.app.commands.options import Json, fail


def demo(
    data_dir: Annotated[
        Path | None,
        typer.Option(
            "--data-dir",
            metavar="DIR",
            help="Where data stays; without it, a temporary directory that is removed at the end.",
        ),
    ] = None,
    leave: Annotated[
        bool,
        typer.Option(
            "--exit",
            help="End after the summary; status 0 only if what was to happen happened. "
            "So it is too when the output is no terminal.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Watch agents being governed. Some are healthy, some misbehave on purpose."""
    for package in ("openai", "opentelemetry.instrumentation.genai"):
        if not _installed(package):
            raise fail('the demo needs its agents: pip install "neurorail[collector,demo]"')
    from neurorail.app.demo.run import run_demo

    status = run_demo(
        data_dir=data_dir, leave=leave or as_json or not sys.stdout.isatty(), as_json=as_json
    )
    if status:
        raise typer.Exit(status)


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ImportError:
        return False
