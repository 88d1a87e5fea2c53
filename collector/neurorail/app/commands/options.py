"""Options that several commands share, and how commands end."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from neurorail.client import ClientError, Problem

DONE, DOES_NOT_HOLD, WRONG_USE = 0, 1, 2

ConfigFile: TypeAlias = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="YAML file with settings.")
]
DataDir: TypeAlias = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="DIR", help="Data directory (default ./neurorail-data)."),
]
Server: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        envvar="NEURORAIL_ENDPOINT",
        help="Address of the server's API; without it, the server of the data directory.",
    ),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Write JSON, for machines.")]


def fail(message: str, status: int = WRONG_USE) -> typer.Exit:
    """Say what is wrong on standard error; raise what is returned."""
    for line in message.splitlines():
        print(f"neurorail: {line}", file=sys.stderr)
    return typer.Exit(status)


@contextmanager
def server_errors() -> Iterator[None]:
    """Turn what a server refuses into status 1 and what cannot be asked into status 2."""
    try:
        yield
    except Problem as error:
        raise fail(str(error), DOES_NOT_HOLD if error.status == 404 else WRONG_USE) from None
    except ClientError as error:
        raise fail(f"{error}; is the server running? start it with: neurorail serve") from None
    except ValueError as error:
        raise fail(str(error)) from None


def data_directory(data_dir: Path | None, config: Path | None = None) -> Path:
    """The data directory that options, variables and the file name; without all, the default."""
    if data_dir is not None:
        return data_dir
    from neurorail.app.config_load import ConfigError, load

    try:
        return load(config).data_dir
    except ConfigError as error:
        raise fail(str(error)) from None
