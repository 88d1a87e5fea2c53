"""Checks of a running server, asked over its API."""

from __future__ import annotations

from collections.abc import Iterator

from neurorail.app.doctor.finding import OK, WRONG, Finding
from neurorail.app.location import RunningServer
from neurorail.client import Client, ClientError


def running(server: RunningServer | None) -> Iterator[Finding]:
    """Whether the server of the data directory is ready."""
    if server is None:
        yield Finding("server", OK, "none runs on this data directory")
        return
    try:
        Client(server.api, server.token, timeout_s=5.0).get_json("/ready")
    except ClientError as error:
        yield Finding("server", WRONG, f"{server.api} is not ready: {error}", "read its log")
        return
    yield Finding("server", OK, f"{server.api} is ready, process {server.pid}")
