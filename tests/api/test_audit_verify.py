"""Verifying over the API, where who asked goes away at once."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from tests.support.waiting import PATIENCE_S

from neurorail.api.audit_verify import OnProgress, VerifyBody, create_router
from neurorail.api.problems import Problem
from neurorail.collector.store.audit import VerificationReport


async def test_who_leaves_before_the_first_line_keeps_nobody_out() -> None:
    async def verify(body: VerifyBody, tell: OnProgress) -> VerificationReport:
        return VerificationReport(())

    (ask, *_) = (route.endpoint for route in create_router(verify).routes)  # type: ignore[attr-defined]
    sent: list[Any] = []

    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message["type"])
        await asyncio.sleep(0)

    answer = await ask()
    await answer({"type": "http", "asgi": {"spec_version": "2.3"}}, gone, send)
    assert "http.response.body" not in sent
    async with asyncio.timeout(PATIENCE_S):
        lines = None
        while lines is None:
            await asyncio.sleep(0)
            with suppress(Problem):  # The one that nobody reads is not over yet.
                lines = [line async for line in (await ask()).body_iterator]
    assert [json.loads(line) for line in lines] == [
        {"report": {"ok": True, "events": 0, "nodes": []}}
    ]
