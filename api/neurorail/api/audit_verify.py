"""Verifies the audit chain of a running server, telling how far it is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import asdict
from typing import Annotated, Any

import msgspec
from fastapi import Query
from pydantic import Field

from neurorail.api.access import Router, needs
from neurorail.api.encoding import JsonLinesResponse
from neurorail.api.problems import Problem, bad_field
from neurorail.api.writing import Body
from neurorail.collector.access.permissions import READ_AUDIT
from neurorail.collector.audit.checkpoint import Statement, read_statements
from neurorail.collector.store.audit import VerificationReport

ANCHORS_BYTES_MAX = 64 << 20
"""Largest body with anchors from elsewhere."""
OnProgress = Callable[[int, int], None]
"""Told the events checked so far and the events there are."""


class VerifyBody(Body):
    """What to verify, and against what."""

    first_seq: Annotated[int | None, Field(ge=0, le=2**63 - 1)] = None
    """First record sequence of a part."""
    last_seq: Annotated[int | None, Field(ge=0, le=2**63 - 1)] = None
    anchors: list[dict[str, Any]] | None = None
    """Lines of an `anchors.jsonl` from elsewhere; the server's own without them."""
    public_key: Annotated[str | None, Field(pattern=r"^[0-9a-f]{64}$")] = None
    """The first key, known from elsewhere."""

    @property
    def seqs(self) -> tuple[int, int] | None:
        """First and last sequence of the part; None for the whole."""
        if self.first_seq is None and self.last_seq is None:
            return None
        return self.first_seq or 0, 2**63 - 1 if self.last_seq is None else self.last_seq

    def statements(self) -> list[Statement] | None:
        """The anchors as statements. Raises a 422 problem if they are none."""
        if self.anchors is None:
            return None
        try:
            return read_statements(map(msgspec.json.encode, self.anchors), "anchors")
        except ValueError as error:
            raise bad_field("anchors", "", str(error)) from None


class GivenUp(Exception):
    """Nobody waits for the verification any more."""


Verify = Callable[[VerifyBody, OnProgress], Coroutine[Any, Any, VerificationReport]]
"""Verifies, away from the event loop. It may tell its progress from any thread; telling it raises
`GivenUp` when nobody waits for the report any more."""


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

    @router.get("/verify", response_class=JsonLinesResponse)
    @needs(READ_AUDIT)
    async def audit_verify(
        first_seq: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None,
        last_seq: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None,
    ) -> JsonLinesResponse:
        """Recompute every hash. The answer is lines of JSON (`application/x-ndjson`).

        While it runs: `{"checked", "total"}`. The last line is `{"report"}`, or `{"error"}` when
        the store cannot be read. Whoever closes the connection stops it.
        """
        return await begin(VerifyBody(first_seq=first_seq, last_seq=last_seq))

    @router.post("/verify", max_body_size=ANCHORS_BYTES_MAX, response_class=JsonLinesResponse)
    @needs(READ_AUDIT)
    async def audit_verify_against(body: VerifyBody) -> JsonLinesResponse:
        """The same, against signed checkpoints that were kept elsewhere."""
        body.statements()
        return await begin(body)

    async def begin(body: VerifyBody) -> JsonLinesResponse:
        if running.locked():
            raise Problem(503, "busy", "a verification is running already", retry_after_s=5)
        await running.acquire()
        return JsonLinesResponse(_Run(verify, body, running).lines())

    return router


class _Run:
    """One verification. It begins at once, and so ends, whether or not anybody reads its lines."""

    def __init__(self, verify: Verify, body: VerifyBody, running: asyncio.Lock) -> None:
        """`running` is held, and given back at the end."""
        self._running = running
        self._loop = asyncio.get_running_loop()
        # The newest position is all that is worth telling: a slow reader holds nothing up.
        self._latest: list[tuple[int, int]] = []
        self._moved = asyncio.Event()
        self._given_up = threading.Event()
        self._task = asyncio.create_task(verify(body, self._tell))
        self._task.add_done_callback(self._ended)

    def _tell(self, checked: int, total: int) -> None:
        if self._given_up.is_set():
            raise GivenUp
        self._latest[:] = [(checked, total)]
        self._loop.call_soon_threadsafe(self._moved.set)

    def _ended(self, task: asyncio.Task[VerificationReport]) -> None:
        self._running.release()
        self._moved.set()
        if not task.cancelled():
            task.exception()  # Looked at, also when nobody waits for it any more.

    async def lines(self) -> AsyncIterator[bytes]:
        """The lines of the answer."""
        try:
            while True:
                await self._moved.wait()
                self._moved.clear()
                if self._task.done():
                    break
                if self._latest:
                    checked, total = self._latest.pop()
                    yield _line({"checked": checked, "total": total})
        finally:
            # The client went away: the verification stops after the piece that it is at.
            self._given_up.set()
        error = self._task.exception()
        if error is not None:
            yield _line({"error": str(error)})
            return
        yield _line({"report": report_body(self._task.result())})


def _line(body: dict[str, Any]) -> bytes:
    return msgspec.json.encode(body) + b"\n"
