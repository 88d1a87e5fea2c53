"""Options that several commands share, and how commands end."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from neurorail.client import ClientError, Problem, Unauthenticated, Unreachable

if TYPE_CHECKING:
    from neurorail.app.location import Directory

DONE, DOES_NOT_HOLD, WRONG_USE = 0, 1, 2
_OTHER_PORT = "is that the port of its API? it is 8000 unless set otherwise"

ConfigFile: TypeAlias = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="YAML file with settings.")
]
DataDir: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="Data directory (default ./neurorail-data), or NEURORAIL_DATA_DIR.",
    ),
]
Server: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        help="Address of the server's API; else --data-dir, else NEURORAIL_ENDPOINT, else the"
        " server of the usual data directory. Its key: NEURORAIL_API_KEY.",
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
        known = bool(error.detail)
        status = DOES_NOT_HOLD if known and error.status == 404 else WRONG_USE
        raise fail(told(error), status) from None
    except ClientError as error:
        raise fail(told(error)) from None
    except ValueError as error:
        raise fail(str(error)) from None


def told(error: ClientError) -> str:
    """What a server refuses, or why it cannot be asked, to a person at a command line."""
    if isinstance(error, Unreachable):
        return f"{error}; is the server running? start it with: neurorail serve"
    if not isinstance(error, Problem):
        return f"{error}; {_OTHER_PORT}"
    asked = f"{error.server}: " if error.server else ""
    if not error.detail:
        # Every error of the API has a detail.
        return f"{asked}answers {error.status} {error.title}, not as the API does; {_OTHER_PORT}"
    if isinstance(error, Unauthenticated):
        if error.details.get("reason") == "missing":
            return f"{asked}asks for a key: set NEURORAIL_API_KEY to an API key of that server"
        return f"{asked}{error}; the key was that of NEURORAIL_API_KEY"
    return f"{asked}{error}"


def data_directory(data_dir: Path | None, config: Path | None = None) -> Directory:
    """The data directory that options, variables and the file name; without all, the default."""
    from neurorail.app.location import Directory

    if data_dir is not None:
        return Directory(data_dir, named=True, by_option=True)
    from neurorail.app.config_load import ConfigError, load

    try:
        settings = load(config)
    except ConfigError as error:
        raise fail(str(error)) from None
    return Directory(settings.data_dir, named="data_dir" in settings.model_fields_set)
