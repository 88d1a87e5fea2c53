"""Verifies the audit chain of a running server, telling how far it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import asdict
from typing import Any

import msgspec
from starlette.responses import StreamingResponse

from neurorail.api.access import Router, needs
from neurorail.api.problems import Problem
from neurorail.collector.access.permissions import READ_AUDIT
from neurorail.collector.store.audit import VerificationReport

OnProgress = Callable[[int, int], None]
"""Told the events checked so far and the events there are."""
Verify = Callable[[OnProgress], Coroutine[Any, Any, VerificationReport]]
"""Verifies, away from the event loop. It may tell its progress from any thread."""


def report_body(report: VerificationReport) -> dict[str, Any]:
    """A report as JSON: every node's chain with its last hash and its faults."""
    return {
        "ok": report.ok,
        "events": report.events,
        "nodes": [asdict(node) for node in report.nodes],
    }


def create_router(verify: Verify) -> Router:
    """The route over a function that verifies. One verification runs at a time."""
    router = Router(prefix="/audit", tags=["audit"])
    running = asyncio.Lock()

    @router.get("/verify")
    @needs(READ_AUDIT)
    async def audit_verify() -> StreamingResponse:
        """Recompute every hash. The answer is lines of JSON (`application/x-ndjson`).

        While it runs: `{"checked", "total"}`. The last line is `{"report"}`, or `{"error"}` when
        the store cannot be read.
        """
        if running.locked():
            raise Problem(503, "busy", "a verification is running already", retry_after_s=5)
        await running.acquire()
        return StreamingResponse(_lines(verify, running), media_type="application/x-ndjson")

    return router


async def _lines(verify: Verify, running: asyncio.Lock) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    # The newest position is all that is worth telling: a slow reader holds nothing up.
    latest: list[tuple[int, int]] = []
    moved = asyncio.Event()

    def tell(checked: int, total: int) -> None:
        latest[:] = [(checked, total)]
        loop.call_soon_threadsafe(moved.set)

    task = asyncio.create_task(verify(tell))

    def ended(_: object) -> None:
        running.release()
        moved.set()

    task.add_done_callback(ended)
    while True:
        await moved.wait()
        moved.clear()
        if task.done():
            break
        if latest:
            checked, total = latest.pop()
            yield _line({"checked": checked, "total": total})
    error = task.exception()
    if error is not None:
        yield _line({"error": str(error)})
        return
    yield _line({"report": report_body(task.result())})


def _line(body: dict[str, Any]) -> bytes:
    return msgspec.json.encode(body) + b"\n"
