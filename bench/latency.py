"""From the request to the live event: how long an operator waits to see what happened.

Sends small requests at a steady rate and reads the live stream beside them. The clock starts just
before a request is sent and stops when the event that names its mission has been read, so that the
numbers hold the client's own share too.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import uvloop
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench.load import GrpcSender, percentile
from bench.report import Report
from bench.server import Server, running
from bench.workload import Request, Workload

GOAL_P50_MS = 5.0
GOAL_P99_MS = 10.0
SPANS = 10
WARM_UP_S = 3.0
DRAIN_S = 5.0
PATH = "/api/neurorail/v1/stream/events?replay_buffer=false"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description=__doc__)
    parser.add_argument("--spans-per-s", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=30.0)
    arguments = parser.parse_args()
    if not measure(arguments.spans_per_s, arguments.seconds).publish():
        sys.exit(1)


def measure(spans_per_s: int = 1_000, seconds: float = 30.0) -> Report:
    """Measure and return the report."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "data") as server:
        measured = uvloop.run(_measure(server, spans_per_s, seconds))
    report = Report("latency")
    p50_ms = percentile(measured.first_s, 50) * 1e3
    p99_ms = percentile(measured.first_s, 99) * 1e3
    report.add(
        spans_per_s=spans_per_s,
        missions=len(measured.sent_at),
        events=measured.events,
        delivered_p50_ms=p50_ms,
        delivered_p99_ms=p99_ms,
        delivered_max_ms=max(measured.first_s) * 1e3,
        all_events_p50_ms=percentile(measured.all_s, 50) * 1e3,
        all_events_p99_ms=percentile(measured.all_s, 99) * 1e3,
        missions_without_event=len(measured.sent_at) - len(measured.first_s),
    )
    report.goal(f"p50 below {GOAL_P50_MS} ms", p50_ms < GOAL_P50_MS)
    report.goal(f"p99 below {GOAL_P99_MS} ms", p99_ms < GOAL_P99_MS)
    report.goal("every mission seen", len(measured.first_s) == len(measured.sent_at))
    return report


class _Measured:
    """Send times by mission, and delays of the events about them."""

    def __init__(self) -> None:
        self.sent_at: dict[str, float] = {}
        self.seen: set[str] = set()
        self.first_s: list[float] = []
        self.all_s: list[float] = []
        self.events = 0

    def take(self, line: bytes) -> None:
        """Note the arrival of one line of the stream."""
        if not line.startswith(b"data:"):
            return
        now = time.perf_counter()
        mission = msgspec.json.decode(line[5:], type=_Message).data.mission_id
        began = self.sent_at.get(mission)
        if began is None:
            return
        self.events += 1
        self.all_s.append(now - began)
        if mission not in self.seen:
            self.seen.add(mission)
            self.first_s.append(now - began)


class _Data(msgspec.Struct):
    mission_id: str = ""


class _Message(msgspec.Struct):
    data: _Data


async def _measure(server: Server, spans_per_s: int, seconds: float) -> _Measured:
    workload, now = Workload(SPANS, SPANS), time.time_ns()
    count = int(seconds * spans_per_s / SPANS)
    warm_up = int(WARM_UP_S * spans_per_s / SPANS)
    requests = [workload.request(index, now) for index in range(count + warm_up)]
    missions = [_mission(request) for request in requests]
    measured = _Measured()
    stream = asyncio.create_task(_read(server.api, measured))
    async with GrpcSender(server.otlp_grpc) as sender:
        interval_s = SPANS / spans_per_s
        await _pace(sender, requests[:warm_up], [""] * warm_up, interval_s, {})
        await _pace(sender, requests[warm_up:], missions[warm_up:], interval_s, measured.sent_at)
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while len(measured.seen) < len(measured.sent_at):
                    await asyncio.sleep(0.05)
    stream.cancel()
    await asyncio.gather(stream, return_exceptions=True)
    return measured


async def _pace(
    sender: GrpcSender,
    requests: list[Request],
    missions: list[str],
    interval_s: float,
    sent_at: dict[str, float],
) -> None:
    """Send one request every `interval_s`, whether or not earlier ones were answered."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number, (request, mission) in enumerate(zip(requests, missions, strict=True)):
            await asyncio.sleep(max(0.0, began + number * interval_s - time.perf_counter()))
            sent_at[mission] = time.perf_counter()
            tasks.create_task(sender.send(request.body))


def _mission(request: Request) -> str:
    spans = ExportTraceServiceRequest.FromString(request.body).resource_spans[0].scope_spans[0]
    values = {a.key: a.value.string_value for a in spans.spans[0].attributes}
    return values["neurorail.mission.id"]


async def _read(api: str, measured: _Measured) -> None:
    parts = urlsplit(api)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 22)
    writer.write(f"GET {PATH} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
    try:
        while line := await reader.readline():
            measured.take(line)
    finally:
        writer.close()


if __name__ == "__main__":
    main()
