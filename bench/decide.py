"""Decisions over HTTP: how many a second, how long one takes, alone and beside telemetry.

Every request reserves on five levels. Saturation is measured with many connections that ask at
once; latency at a steady rate, each request at its time whether or not earlier ones were answered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import uvloop
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench.http_load import HttpSenders
from bench.load import GrpcSender, Sent, send_all
from bench.report import Report
from bench.server import Server, running
from bench.workload import Request, Workload

GOAL_PER_S = 2_000
GOAL_P99_MS = 10.0
MISSIONS = 1_000
SPANS = 500
"""Spans a telemetry request, where there is telemetry beside."""
PATH = "/api/governor/v1/decide"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.decide", description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--per-s", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--spans-per-s", type=int, default=10_000)
    given = parser.parse_args()
    report = measure(
        given.requests, given.connections, given.per_s, given.seconds, given.spans_per_s
    )
    if not report.publish():
        sys.exit(1)


def measure(
    requests: int = 20_000,
    connections: int = 64,
    per_s: int = 500,
    seconds: float = 15.0,
    spans_per_s: int = 10_000,
) -> Report:
    """Measure saturation, latency, and latency beside telemetry, each with a fresh server."""
    with _fresh() as folder, running(Path(folder) / "data") as server:
        full = uvloop.run(_saturate(server, _bodies(requests), connections))
    with _fresh() as folder, running(Path(folder) / "data") as server:
        alone = uvloop.run(_pace(server, per_s, seconds, 0))
    with _fresh() as folder, running(Path(folder) / "data") as server:
        beside = uvloop.run(_pace(server, per_s, seconds, spans_per_s))
    report = Report("decide")
    report.add(
        requests=full.requests,
        connections=connections,
        decisions_per_s=full.requests_per_s,
        saturated_p50_ms=full.percentile_ms(50),
        saturated_p99_ms=full.percentile_ms(99),
        rate_per_s=per_s,
        p50_ms=alone.percentile_ms(50),
        p99_ms=alone.percentile_ms(99),
        beside_spans_per_s=spans_per_s,
        beside_p50_ms=beside.percentile_ms(50),
        beside_p99_ms=beside.percentile_ms(99),
    )
    report.goal(f"at least {GOAL_PER_S} a second", full.requests_per_s >= GOAL_PER_S)
    report.goal(f"p99 below {GOAL_P99_MS} ms at {per_s}/s", alone.percentile_ms(99) < GOAL_P99_MS)
    return report


def _fresh() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


def _bodies(count: int) -> list[Request]:
    """Requests of calls in attempts of a thousand missions."""
    return [
        Request(
            json.dumps(
                {
                    "mission_id": f"m_{number % MISSIONS}",
                    "plan_id": f"p_{number % MISSIONS}",
                    "job_id": f"j_{number % MISSIONS}",
                    "attempt_id": f"a_{number % MISSIONS}",
                    "resource_id": f"r_{number}",
                    "job_type": "llm_call",
                    "context": {"model": "gpt-4o", "provider": "openai", "agent": "bench"},
                    "estimates": {"tokens": 1_000, "cost_usd": 0.01, "tool_calls": 0},
                }
            ).encode(),
            0,
        )
        for number in range(count)
    ]


async def _introduce(server: Server) -> None:
    """Let the engine know the chains that are asked about, as it does when agents run."""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    now = time.time_ns()
    for number in range(MISSIONS):
        span = spans.add(
            trace_id=(number + 1).to_bytes(16, "big"),
            span_id=(number + 1).to_bytes(8, "big"),
            start_time_unix_nano=now,
            end_time_unix_nano=now,
        )
        for level in ("mission", "plan", "job", "attempt"):
            span.attributes.add(
                key=f"neurorail.{level}.id"
            ).value.string_value = f"{level[0]}_{number}"
    async with GrpcSender(server.otlp_grpc) as sender:
        await sender.send(request.SerializeToString())


async def _saturate(server: Server, requests: Sequence[Request], connections: int) -> Sent:
    await _introduce(server)
    async with HttpSenders(server.api + PATH, "application/json", connections) as senders:
        await send_all(requests[:500], senders.send, connections)
        return await send_all(requests[500:], senders.send, connections)


async def _pace(server: Server, per_s: int, seconds: float, spans_per_s: int) -> Sent:
    """Ask at a steady rate; the first two seconds are not counted."""
    requests = _bodies(int(per_s * (seconds + 2)))
    await _introduce(server)
    async with HttpSenders(server.api + PATH, "application/json", 256) as senders:
        telemetry = asyncio.create_task(_telemetry(server, spans_per_s, seconds + 2))
        await _steadily(senders, requests[: 2 * per_s], per_s)
        sent = await _steadily(senders, requests[2 * per_s :], per_s)
        telemetry.cancel()
        with suppress(asyncio.CancelledError):
            await telemetry
    return sent


async def _steadily(senders: HttpSenders, requests: Sequence[Request], per_s: int) -> Sent:
    sent = Sent()
    began = time.perf_counter()

    async def one(body: bytes) -> None:
        asked = time.perf_counter()
        await senders.send(body)
        sent.latencies_s.append(time.perf_counter() - asked)
        sent.requests += 1

    async with asyncio.TaskGroup() as tasks:
        for number, request in enumerate(requests):
            await asyncio.sleep(max(0.0, began + number / per_s - time.perf_counter()))
            tasks.create_task(one(request.body))
    sent.seconds = time.perf_counter() - began
    return sent


async def _telemetry(server: Server, spans_per_s: int, seconds: float) -> None:
    if not spans_per_s:
        return
    workload, now = Workload(SPANS, 25), time.time_ns()
    count, every_s = int(seconds * spans_per_s / SPANS), SPANS / spans_per_s
    requests = [workload.request(number, now) for number in range(min(count, 100))]
    began = time.perf_counter()
    async with GrpcSender(server.otlp_grpc) as sender:
        for number in range(count):
            await asyncio.sleep(max(0.0, began + number * every_s - time.perf_counter()))
            await sender.send(requests[number % len(requests)].body)


if __name__ == "__main__":
    main()
