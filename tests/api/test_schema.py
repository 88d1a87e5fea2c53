"""The description of the API against the API: whatever it allows is answered as it says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.support.events import START_UNIX_NANO
from tests.support.live_engine import LiveEngine
from tests.support.rail import AnsweringInbox, open_access, running_rail

from neurorail.collector.access import Credentials, Gate, Sessions

ADMIN_KEY = "an admin's key of 32 characters or more"
ENDLESS = ("/stream/events", "/control/stream")
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API over a real engine, on a loop of its own."""
    inbox = AnsweringInbox()
    access = open_access(inbox, tmp_path_factory.mktemp("keys") / "keys.json")
    gate = Gate(access.gate.keys, lambda: START_UNIX_NANO, Credentials(ADMIN_KEY))
    access = replace(access, gate=gate, sessions=Sessions(b"s" * 32, gate), requests_per_s=10**6)
    told: list[str] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    over = asyncio.Event()

    async def serve() -> None:
        async with running_rail(live=LiveEngine(), access=access, inbox=inbox) as rail:
            told.append(str(rail.client.base_url).rstrip("/"))
            ready.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(60)
        yield told[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


@pytest.mark.filterwarnings("default")
def test_every_answer_is_one_that_is_described(address: str) -> None:
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    tried: list[str] = []
    wrong: list[str] = []
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        if operation.path.endswith(ENDLESS):
            continue
        tried.append(operation.label)

        @settings(
            max_examples=5,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def answers(case: Any) -> None:
            response = case.call(base_url=address, timeout=60, headers={"X-API-Key": ADMIN_KEY})
            case.validate_response(response, checks=CHECKS)

        try:
            answers()
        except BaseException as failure:
            wrong.append(f"{operation.label}: {failure}")
    assert wrong == []
    assert len(tried) > 40
