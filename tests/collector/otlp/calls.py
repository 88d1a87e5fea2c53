"""Calls over gRPC, and what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc.error_details_pb2 import (  # type: ignore[import-untyped]
    BadRequest,
    RetryInfo,
)
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from tests.collector.otlp.conftest import Running
from tests.collector.otlp.fakes import MemoryInbox

from neurorail.collector.envelope import Signal
from neurorail.collector.otlp.signals import BY_SIGNAL

Call = Callable[..., Any]


@asynccontextmanager
async def connected(running: Running, **channel: Any) -> AsyncIterator[Call]:
    """A function that exports one request over one connection."""
    options = [("grpc.max_send_message_length", -1)]
    target = running.grpc_target
    async with grpc.aio.insecure_channel(target, options=options, **channel) as connection:

        async def export(signal: Signal, body: bytes, **call: Any) -> Any:
            spec = BY_SIGNAL[signal]
            method = connection.unary_unary(
                f"/{spec.service}/Export", None, spec.response.FromString
            )
            return await method(body, **call)

        yield export


async def failure(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


def trailers(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    pairs: Any = error.trailing_metadata() or ()
    return dict(pairs)


def details(error: grpc.aio.AioRpcError) -> tuple[Any, dict[str, Any]]:
    """The google.rpc.Status of an error, and its details by their name."""
    status = Status.FromString(trailers(error)["grpc-status-details-bin"])
    found = {}
    for packed in status.details:
        for kind in (BadRequest, RetryInfo):
            if packed.Is(kind.DESCRIPTOR):
                found[kind.DESCRIPTOR.name] = kind.FromString(packed.value)
    return status, found


class SlowInbox(MemoryInbox):
    """Appends when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived = asyncio.Event()
        self.go_on = asyncio.Event()

    async def append(self, submissions: Any) -> Any:
        self.arrived.set()
        await self.go_on.wait()
        return await super().append(submissions)
