"""Telemetry at a steady rate, from a process of its own: missions, ordinary spans beside them."""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Callable

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench.load import GrpcSender
from bench.workload import Workload

MISSION_SPANS = 25
ORDINARY_SPANS = 500
"""A request."""
EVENTS_PER_SPAN = 1.3
"""What a span of a mission makes on average."""


def ordinary_request() -> bytes:
    """A request of database spans that nothing governs, each in a trace of its own."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "library"
    spans = group.scope_spans.add().spans
    now = time.time_ns()
    for _ in range(ORDINARY_SPANS):
        span = spans.add(
            trace_id=os.urandom(16),
            span_id=os.urandom(8),
            name="SELECT library.pages",
            kind=3,
            start_time_unix_nano=now - 5_000_000,
            end_time_unix_nano=now,
        )
        for key, value in (
            ("db.system.name", "postgresql"),
            ("db.namespace", "library"),
            ("db.operation.name", "SELECT"),
            ("db.query.text", "SELECT id, title, body FROM pages WHERE id = $1"),
            ("server.address", "db-1"),
        ):
            span.attributes.add(key=key).value.string_value = value
    return request.SerializeToString()


async def feed(address: str, events_per_s: float, spans_per_s: float, seconds: float) -> None:
    """Send as many missions as make so many events, and ordinary spans up to so many spans."""
    governed_per_s = events_per_s / EVENTS_PER_SPAN
    ordinary_per_s = max(0.0, spans_per_s - governed_per_s)
    missions = Workload(MISSION_SPANS, MISSION_SPANS)
    ordinary = [ordinary_request() for _ in range(20)]
    async with GrpcSender(address) as sender, asyncio.TaskGroup() as tasks:

        async def steadily(body_of: Callable[[int], bytes], spans: int, rate: float) -> None:
            began = time.perf_counter()
            for number in range(int(seconds * rate / spans)):
                await asyncio.sleep(max(0.0, began + number * spans / rate - time.perf_counter()))
                tasks.create_task(sender.send(body_of(number)))

        tasks.create_task(
            steadily(
                lambda number: missions.request(number, time.time_ns()).body,
                MISSION_SPANS,
                governed_per_s,
            )
        )
        tasks.create_task(
            steadily(
                lambda number: ordinary[number % len(ordinary)], ORDINARY_SPANS, ordinary_per_s
            )
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.feed", description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--events-per-s", type=float, default=1_000)
    parser.add_argument("--spans-per-s", type=float, default=5_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    asyncio.run(feed(given.address, given.events_per_s, given.spans_per_s, given.seconds))


if __name__ == "__main__":
    main()
