"""Resident memory over millions of spans: it must not grow with what has passed through."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.load import GrpcSender, send_all
from bench.report import Report
from bench.server import Server, running
from bench.workload import Request, Workload

SAMPLE_S = 1.0
GROWTH_MAX = 0.1
"""The last quarter's median may exceed the third's by so much of it and still count as flat: in the
first half the engine fills its memory up to its limits, and ClickHouse's merges are peaks."""
LAG_RECORDS_MAX = 500
"""The generator waits while more records than this are not applied and stored."""
LAG_GAUGES = ("neurorail_engine_lag_records", "otelcol_exporter_queue_size")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--spans", type=int, default=5_000_000)
    parser.add_argument("--missions", type=int, default=200_000)
    arguments = parser.parse_args()
    if not measure(arguments.spans, arguments.missions).publish():
        sys.exit(1)


def measure(spans: int, missions: int) -> Report:
    """Send everything and sample the memory meanwhile."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "data") as server:
        samples = asyncio.run(_run(server, spans, max(8, spans // missions)))
        after_bytes = server.rss_bytes()
    middle, quarter = len(samples) // 2, len(samples) // 4
    first, second = samples[:middle], samples[middle:]
    third, last = median(second[:quarter]), median(second[quarter:])
    mib = 1 << 20
    growth = last / third - 1
    report = Report("memory")
    report.add(
        spans=spans,
        missions=missions,
        samples=len(samples),
        rss_begin_mib=samples[0] / mib,
        rss_first_half_mean_mib=_mean(first) / mib,
        rss_first_half_max_mib=max(first) / mib,
        rss_second_half_mean_mib=_mean(second) / mib,
        rss_second_half_max_mib=max(second) / mib,
        rss_third_quarter_median_mib=third / mib,
        rss_last_quarter_median_mib=last / mib,
        rss_after_mib=after_bytes / mib,
        growth_in_second_half=growth,
        spans_per_s=spans / (len(samples) * SAMPLE_S),
    )
    report.goal(f"grows by less than {GROWTH_MAX:.0%} in the second half", growth < GROWTH_MAX)
    return report


async def _run(server: Server, spans: int, spans_per_mission: int) -> list[int]:
    samples: list[int] = []
    open_gate = asyncio.Event()
    open_gate.set()
    watch = asyncio.create_task(_watch(server, samples, open_gate))
    async with GrpcSender(server.otlp_grpc) as sender:

        async def send(body: bytes) -> None:
            await open_gate.wait()
            await sender.send(body)

        requests = _timely(Workload(512, spans_per_mission), spans)
        await send_all(requests, send, concurrency=8)
        await asyncio.to_thread(server.wait_idle, 3_600.0)
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    return samples


def _timely(workload: Workload, spans: int) -> Iterator[Request]:
    """Yield requests whose spans ended just before they are sent."""
    for index in range(-(-spans // workload.spans_per_request)):
        yield workload.request(index, time.time_ns())


async def _watch(server: Server, samples: list[int], open_gate: asyncio.Event) -> None:
    while True:
        samples.append(server.rss_bytes())
        found = await asyncio.to_thread(server.metrics)
        if max(found[name] for name in LAG_GAUGES) > LAG_RECORDS_MAX:
            open_gate.clear()
        else:
            open_gate.set()
        await asyncio.sleep(SAMPLE_S)


def _mean(samples: list[int]) -> float:
    return sum(samples) / len(samples)


if __name__ == "__main__":
    main()
