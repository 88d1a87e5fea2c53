"""Lets a running server do a backtest or a replay, and waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from neurorail.app.location import RunningServer
from neurorail.client import Client

PATH: Final = "/api/governor/v1/"
POLL_S: Final = 0.25
TIMEOUT_S: Final = 60.0


class NoReport(Exception):
    """It ended without a report; the message says why."""


class _Progress(msgspec.Struct):
    done: int
    total: int


class _Job(msgspec.Struct):
    """What is read of a job; its report stays the bytes that it is."""

    id: str
    state: str
    progress: _Progress
    error: str | None = None
    report: msgspec.Raw = msgspec.Raw()


def asked_rerun(
    server: RunningServer,
    what: str,
    body: dict[str, Any],
    tenant: str,
    moved: Callable[[int, int], None],
) -> bytes:
    """The report, as JSON. Whoever interrupts it cancels it.

    Args:
        server: the one that holds the data directory.
        what: `backtests` or `replays`.
        body: what is asked for.
        tenant: whose.
        moved: told how far it is.

    Raises:
        ClientError: the server cannot be asked, or refuses.
        NoReport: it failed, or somebody cancelled it.
    """
    client = Client(server.api, server.token, TIMEOUT_S)
    made = client.post_json(f"{PATH}{what}?tenant={tenant}", body)
    path = f"{PATH}{what}/{made['id']}"
    try:
        while True:
            job = _read(client, path, tenant)
            if job.state not in ("queued", "running"):
                break
            if job.progress.total:
                moved(job.progress.done, job.progress.total)
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        client.post_json(f"{path}/cancel?tenant={tenant}", {})
        raise
    if job.state != "succeeded":
        raise NoReport(f"{job.id} {job.state}: {job.error}")
    return bytes(job.report)


def _read(client: Client, path: str, tenant: str) -> _Job:
    text = b"".join(client.stream_lines(path, {"tenant": tenant}))
    return msgspec.json.decode(text, type=_Job)
