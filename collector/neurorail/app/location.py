"""Finds the running server: it leaves its address and a token in its data directory."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from neurorail.client import Client

SERVER_FILE: Final = "server.json"
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


def client_for(server: str | None, data_dir: Path, timeout_s: float = 10.0) -> Client:
    """A client for `server`, else for the server of `data_dir`, else for the default address.

    Raises:
        ValueError: if `server` is no address.
    """
    if server is not None:
        return Client(server, os.environ.get("NEURORAIL_API_KEY"), timeout_s)
    found = running_server(data_dir)
    if found is None:
        return Client(DEFAULT_API, os.environ.get("NEURORAIL_API_KEY"), timeout_s)
    return Client(found.api, found.token, timeout_s)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
