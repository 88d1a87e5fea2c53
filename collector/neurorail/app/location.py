"""Finds the running server: it leaves its address and a token in its data directory."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from neurorail.client import Client

SERVER_FILE: Final = "server.json"
ENDPOINT: Final = "NEURORAIL_ENDPOINT"
API_KEY: Final = "NEURORAIL_API_KEY"
DEFAULT_API: Final = "http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the server listens."""

    otlp_grpc: str
    otlp_http: str
    api: str
    sql: str | None = None
    """With its scheme; None where it is off."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """What a running server says about itself."""

    api: str
    pid: int
    token: str | None


def leave_address(data_dir: Path, addresses: Addresses, token: str) -> None:
    """Leave the address and a token, for the command line of the same user."""
    path = data_dir / SERVER_FILE
    path.unlink(missing_ok=True)
    said = {
        "api": f"http://{addresses.api}",
        "otlp_grpc": addresses.otlp_grpc,
        "otlp_http": addresses.otlp_http,
        "pid": os.getpid(),
        "token": token,
    }
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(said, file)


def running_server(data_dir: Path) -> RunningServer | None:
    """The server that uses `data_dir`; None when none left its address, or its process is gone."""
    try:
        said = json.loads((data_dir / SERVER_FILE).read_text(encoding="utf-8"))
        found = RunningServer(str(said["api"]), int(said["pid"]), said.get("token"))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if _alive(found.pid) else None


@dataclass(frozen=True, slots=True)
class Directory:
    """A data directory, and how it came to be meant."""

    path: Path
    named: bool
    """An option, a variable or a file names it: nobody else's server is asked in its place."""
    by_option: bool = False
    """The command line itself names it, which counts more than a variable that names a server."""


def client_for(server: str | None, directory: Directory, timeout_s: float = 10.0) -> Client:
    """A client for the server that is named, else for the one that `client_on` finds.

    Raises:
        ValueError: the server's is no address, or no server runs on the directory that is named.
    """
    named = named_server(server, directory)
    if named is not None:
        return Client(named, os.environ.get(API_KEY), timeout_s)
    return client_on(directory, timeout_s)


def client_on(directory: Directory, timeout_s: float = 10.0) -> Client:
    """A client for the server of a directory; where nobody names one, for the default address.

    Raises:
        ValueError: no server runs on the directory that is named.
    """
    found = running_server(directory.path)
    if found is not None:
        return Client(found.api, found.token, timeout_s)
    if directory.named:
        raise ValueError(_no_server(directory.path))
    return Client(DEFAULT_API, os.environ.get(API_KEY), timeout_s)


def named_server(server: str | None, directory: Directory) -> str | None:
    """The address that `--server` or its variable names, if the directory does not count more."""
    if server is not None:
        return server
    return None if directory.by_option else os.environ.get(ENDPOINT) or None


def _no_server(data_dir: Path) -> str:
    says = f"no server runs on the data directory {data_dir}"
    if not data_dir.is_dir():
        return f"{says}: there is no such directory"
    return f"{says}: start it with: neurorail serve --data-dir {data_dir}"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
