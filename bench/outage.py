"""ClickHouse goes away under load and comes back: nothing may be refused, nothing lost.

The server talks to ClickHouse's HTTP interface through a small forwarder, so that the address stays
while the process behind it ends and a new one takes its place on the same data.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

from tests.support.stores import ClickHouseServer

from bench import stored
from bench.load import GrpcSender, Sent, send_all
from bench.report import Report
from bench.server import Server, running
from bench.workload import Workload
from neurorail.collector.store.config import StoreConfig
from neurorail.collector.store.store import Store

SPANS = 512
BEFORE_S = 5.0
AFTER_S = 5.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.outage", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long it is away")
    parser.add_argument("--spans-per-s", type=int, default=5_000)
    arguments = parser.parse_args()
    if not asyncio.run(measure(arguments.seconds, arguments.spans_per_s)).publish():
        sys.exit(1)


async def measure(seconds: float, spans_per_s: int) -> Report:
    """Run the load, take ClickHouse away and bring it back, then count."""
    with tempfile.TemporaryDirectory() as folder:
        clickhouse_dir = Path(folder) / "clickhouse"
        clickhouse_dir.mkdir()
        upstream = ClickHouseServer(clickhouse_dir)
        async with _forwarder(upstream.url) as forwarder:
            options = ("--clickhouse", forwarder.url)
            async with _server(Path(folder) / "data", options) as server:
                load = asyncio.create_task(_load(server, spans_per_s, BEFORE_S + seconds + AFTER_S))
                await asyncio.sleep(BEFORE_S)
                forwarder.go_away()
                await asyncio.to_thread(upstream.stop)
                await asyncio.sleep(seconds)
                backlog = (await asyncio.to_thread(server.metrics))["otelcol_exporter_queue_size"]
                upstream = await asyncio.to_thread(ClickHouseServer, clickhouse_dir)
                forwarder.come_back(upstream.url)
                returned = time.perf_counter()
                sent = await load
                await asyncio.to_thread(server.wait_idle)
                caught_up_s = time.perf_counter() - returned
        found = await asyncio.to_thread(_count, upstream.url)
        upstream.stop()
    report = Report("outage")
    report.add(
        away_s=seconds,
        spans_per_s=spans_per_s,
        acknowledged_spans=sent.spans,
        refused=sent.refused,
        answer_p99_ms=sent.percentile_ms(99),
        waiting_records_at_return=int(backlog),
        caught_up_s=caught_up_s,
        stored_spans=found["spans"],
        distinct_spans=found["distinct_spans"],
    )
    report.goal("nothing refused", sent.refused == 0)
    report.goal("nothing lost", found["distinct_spans"] == sent.spans)
    report.goal("nothing stored twice", found["spans"] == found["distinct_spans"])
    return report


@asynccontextmanager
async def _server(data_dir: Path, options: Sequence[str]) -> AsyncIterator[Server]:
    """Start and stop the server in a thread: meanwhile the forwarder must go on."""
    with ExitStack() as stack:
        yield await asyncio.to_thread(stack.enter_context, running(data_dir, options))
        await asyncio.to_thread(stack.close)


async def _load(server: Server, spans_per_s: int, seconds: float) -> Sent:
    workload = Workload(SPANS)
    count = int(seconds * spans_per_s / SPANS)
    began = time.perf_counter()
    numbers = iter(range(count))
    answers_s: list[float] = []

    async with GrpcSender(server.otlp_grpc) as sender:

        async def send(body: bytes) -> None:
            number = next(numbers, count)
            await asyncio.sleep(
                max(0.0, began + number * SPANS / spans_per_s - time.perf_counter())
            )
            asked = time.perf_counter()
            await sender.send(body)
            answers_s.append(time.perf_counter() - asked)

        requests = (workload.request(index, time.time_ns()) for index in range(count))
        sent = await send_all(requests, send, concurrency=4)
    sent.latencies_s = answers_s
    return sent


def _count(url: str) -> dict[str, int]:
    store = Store(StoreConfig(url, readers=1))
    store.start(migrate=False)
    try:
        return stored.counts_of(store)
    finally:
        store.stop()


class _Forwarder:
    """Forwards connections to a port that may change, or refuses them."""

    def __init__(self) -> None:
        self.url = ""
        self._port: int | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    def go_away(self) -> None:
        """Cut every connection and refuse new ones."""
        self._port = None
        for writer in self._writers:
            writer.transport.abort()

    def come_back(self, url: str) -> None:
        """Forward to `url` from now on."""
        self._port = int(url.rpartition(":")[2])

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self._writers.add(writer)
        try:
            if self._port is not None:
                await self._join(reader, writer, self._port)
        except OSError:
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _join(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int
    ) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        self._writers.add(back)
        try:
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        finally:
            self._writers.discard(back)
            back.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    with suppress(OSError, RuntimeError):
        writer.write_eof()


@asynccontextmanager
async def _forwarder(upstream: str) -> AsyncIterator[_Forwarder]:
    forwarder = _Forwarder()
    forwarder.come_back(upstream)
    listener = await asyncio.start_server(forwarder.accept, "127.0.0.1", 0)
    forwarder.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield forwarder
    finally:
        forwarder.go_away()
        listener.close()
        await listener.wait_closed()


if __name__ == "__main__":
    main()
