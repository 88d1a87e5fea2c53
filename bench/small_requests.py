"""Requests of ten spans each second: gRPC, HTTP/protobuf and HTTP/JSON.

The yardstick is a `grpc.aio` server that answers without looking, driven by the same generator,
each time just before; of several such pairs the median counts.
"""

from __future__ import annotations

import argparse
import base64
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench.http_load import HttpSenders
from bench.load import GrpcSender, Sent, send_all
from bench.report import Report
from bench.server import Server, running
from bench.workload import Request, Workload

GOAL = 0.5
SPANS = 10
CONCURRENCY = 256
"""Requests in flight, as from a fleet of agents: enough that nobody waits for more of them."""
ROUNDS = 5
"""Pairs of servers, measured in turns: a busy moment meets one pair, and the median counts."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.small_requests", description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--concurrency", type=int, default=CONCURRENCY)
    arguments = parser.parse_args()
    if not measure(arguments.requests, arguments.concurrency).publish():
        sys.exit(1)


def measure(requests: int, concurrency: int = CONCURRENCY) -> Report:
    """Measure each way in, one after the other, each with a server of its own."""
    pairs = [_pair(requests, concurrency) for _ in range(ROUNDS)]
    pairs.sort(key=lambda pair: pair[1].requests_per_s / pair[0].requests_per_s)
    empty, grpc, grpc_all_s = pairs[ROUNDS // 2]
    ratios = [grpc.requests_per_s / empty.requests_per_s for empty, grpc, _ in pairs]
    with _fresh() as server:
        protobuf = _http(server, _protobuf(requests), "application/x-protobuf", concurrency)
    with _fresh() as server:
        as_json = _http(server, _json(requests // 4), "application/json", concurrency)
    report = Report("small_requests")
    report.add(
        requests=requests,
        spans_per_request=SPANS,
        concurrency=concurrency,
        empty_grpc_requests_per_s=empty.requests_per_s,
        grpc_requests_per_s=grpc.requests_per_s,
        http_protobuf_requests_per_s=protobuf.requests_per_s,
        http_json_requests_per_s=as_json.requests_per_s,
        grpc_ratio=grpc.requests_per_s / empty.requests_per_s,
        grpc_ratio_min=ratios[0],
        grpc_ratio_max=ratios[-1],
        http_protobuf_over_grpc=protobuf.requests_per_s / grpc.requests_per_s,
        grpc_governed_requests_per_s=grpc.requests / grpc_all_s,
        grpc_answer_p50_ms=grpc.percentile_ms(50),
        grpc_answer_p99_ms=grpc.percentile_ms(99),
        refused=grpc.refused + protobuf.refused + as_json.refused,
    )
    report.goal(
        f"gRPC at least {GOAL} x an empty server",
        grpc.requests_per_s >= GOAL * empty.requests_per_s,
    )
    report.goal(
        "HTTP/protobuf at least as many as gRPC", protobuf.requests_per_s >= grpc.requests_per_s
    )
    report.goal("none refused", report.numbers["refused"] == 0)
    return report


def _pair(requests: int, concurrency: int) -> tuple[Sent, Sent, float]:
    """The empty server, the server beside it, and when all of that was applied and stored."""
    with empty_server() as address:
        empty = uvloop.run(_grpc(address, _protobuf(requests), concurrency))
    with _fresh() as server:
        grpc = uvloop.run(_grpc(server.otlp_grpc, _protobuf(requests), concurrency))
        return empty, grpc, _settle(server, grpc)


async def _grpc(address: str, requests: Sequence[Request], concurrency: int) -> Sent:
    async with GrpcSender(address) as sender:
        await send_all(requests[:100], sender.send, concurrency)
        return await send_all(requests[100:], sender.send, concurrency)


def _http(server: Server, requests: Sequence[Request], content_type: str, concurrency: int) -> Sent:
    async def run() -> Sent:
        url = f"{server.otlp_http}/v1/traces"
        async with HttpSenders(url, content_type, concurrency) as senders:
            await send_all(requests[:100], senders.send, concurrency)
            return await send_all(requests[100:], senders.send, concurrency)

    return uvloop.run(run())


def _settle(server: Server, sent: Sent) -> float:
    """Return the seconds until what was sent is applied and stored."""
    began = time.perf_counter()
    server.wait_idle()
    return sent.seconds + time.perf_counter() - began


@contextmanager
def _fresh() -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "data") as server:
        yield server


@contextmanager
def empty_server() -> Iterator[str]:
    """Run a server that does nothing with its requests; its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.empty_server"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def _protobuf(count: int) -> list[Request]:
    """Make the requests before the clock starts: what is measured is the server."""
    workload, now = Workload(SPANS, 25), time.time_ns()
    return [workload.request(index, now) for index in range(count + 100)]


def _json(count: int) -> list[Request]:
    return [Request(_as_json(request.body), request.spans) for request in _protobuf(count)]


def _as_json(body: bytes) -> bytes:
    found = MessageToDict(ExportTraceServiceRequest.FromString(body), use_integers_for_enums=True)
    for resource in found["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                _use_hex_ids(span)
    return json.dumps(found, separators=(",", ":")).encode()


def _use_hex_ids(span: dict[str, Any]) -> None:
    for name in ("traceId", "spanId", "parentSpanId"):
        if name in span:
            span[name] = base64.b64decode(span[name]).hex()


if __name__ == "__main__":
    main()
