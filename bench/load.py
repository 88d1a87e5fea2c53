"""Sending pre-serialised requests over gRPC and HTTP, and how long each answer took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import grpc

from bench.workload import Request

METHOD: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
OPTIONS: Final = (
    ("grpc.max_send_message_length", 64 << 20),
    ("grpc.max_receive_message_length", 64 << 20),
)
RETRY_S: Final = 0.05


class Refused(Exception):
    """The server asked to try again."""


Send = Callable[[bytes], Awaitable[None]]
"""Sends one request; raises if it is not acknowledged."""


@dataclass(slots=True)
class Sent:
    """What came of a run of requests."""

    requests: int = 0
    spans: int = 0
    """Acknowledged."""
    refused: int = 0
    """Answers that asked to try again."""
    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)

    @property
    def requests_per_s(self) -> float:
        """Acknowledged requests each second."""
        return self.requests / self.seconds

    @property
    def spans_per_s(self) -> float:
        """Acknowledged spans each second."""
        return self.spans / self.seconds

    def percentile_ms(self, percent: float) -> float:
        """Return the latency that so many percent of the requests did not exceed."""
        return percentile(self.latencies_s, percent) * 1e3


def percentile(values: list[float], percent: float) -> float:
    """Return the smallest value that so many percent of `values` do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


async def send_all(requests: Iterable[Request], send: Send, concurrency: int) -> Sent:
    """Send `requests` with `concurrency` at once, each again for as long as it is refused."""
    sent = Sent()
    left = iter(requests)
    began = time.perf_counter()
    await asyncio.gather(*(_work(left, send, sent) for _ in range(concurrency)))
    sent.seconds = time.perf_counter() - began
    return sent


async def _work(requests: Iterator[Request], send: Send, sent: Sent) -> None:
    for request in requests:
        began = time.perf_counter()
        while not await _acknowledged(send, request.body):
            sent.refused += 1
            await asyncio.sleep(RETRY_S)
        sent.latencies_s.append(time.perf_counter() - began)
        sent.requests += 1
        sent.spans += request.spans


async def _acknowledged(send: Send, body: bytes) -> bool:
    try:
        await send(body)
    except Refused:
        return False
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            return False
        raise
    return True


class GrpcSender:
    """Sends bytes as they are over one channel; an async context manager."""

    def __init__(self, address: str, method: str = METHOD) -> None:
        self._channel = grpc.aio.insecure_channel(address, options=list(OPTIONS))
        self._call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(
            method, request_serializer=None, response_deserializer=None
        )

    async def __aenter__(self) -> GrpcSender:
        await self._channel.channel_ready()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close(None)

    async def send(self, body: bytes) -> None:
        """Send one request.

        Raises:
            grpc.aio.AioRpcError: it was not acknowledged.
        """
        await self._call(body)
