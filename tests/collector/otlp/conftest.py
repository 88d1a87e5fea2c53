"""Receivers on free ports of the loopback, over an inbox in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
from tests.collector.otlp.fakes import KEY, CountingMetrics, MemoryInbox

from neurorail.collector.otlp.config import ReceiverConfig
from neurorail.collector.otlp.receivers import Receivers


class Running:
    """Started receivers with everything they were given."""

    def __init__(self, receivers: Receivers, inbox: MemoryInbox, metrics: CountingMetrics) -> None:
        self.receivers = receivers
        self.inbox = inbox
        self.metrics = metrics

    @property
    def grpc_target(self) -> str:
        return f"127.0.0.1:{self.receivers.grpc.port}"

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.receivers.http.port}"


Start = Callable[..., Awaitable[Running]]


@pytest.fixture
async def start(free_port: Callable[[], int]) -> AsyncIterator[Start]:
    """Starts receivers; everything is stopped when the test ends.

    Each gRPC port is the test's own also while a listener is started again.
    """
    async with AsyncExitStack() as stack:

        async def start_receivers(
            config: ReceiverConfig | None = None, inbox: MemoryInbox | None = None, **parts: Any
        ) -> Running:
            config = config or ReceiverConfig()
            config = replace(
                config,
                grpc=replace(config.grpc, port=free_port()),
                http=replace(config.http, port=0),
            )
            inbox = inbox or MemoryInbox()
            metrics = CountingMetrics()
            receivers = Receivers(config, inbox, KEY, metrics=metrics, **parts)
            await receivers.start()
            stack.push_async_callback(receivers.stop)
            return Running(receivers, inbox, metrics)

        yield start_receivers


@pytest.fixture
async def running(start: Start) -> Running:
    """Receivers with the default settings."""
    return await start()
