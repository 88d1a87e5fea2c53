"""Governed, durable and queryable spans each second, against ClickHouse's bare insert.

The server receives requests of 512 spans over gRPC from a generator on the same machine. The clock
stops when every span can be queried and the engine has applied every record. The baseline, run
alone, hands the same bytes to `INSERT … FORMAT Protobuf` into the same tables.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from bench import stored
from bench.load import GrpcSender, Sent, send_all
from bench.profiled_server import PROFILE_HEAD
from bench.report import RESULTS, Report
from bench.server import PROFILED, SERVE, Server, running
from bench.workload import Workload

GOAL = 0.4
HOPE = 0.8


def main() -> None:
    arguments = _parser().parse_args()
    if not measure(arguments.spans, arguments.concurrency, profile=arguments.profile).publish():
        sys.exit(1)


def measure(spans: int, concurrency: int = 8, *, profile: bool = False) -> Report:
    """Measure both and return the report.

    Raises:
        AssertionError: a span was lost or stored twice.
    """
    report = Report("ingest")
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        with running(data_dir, command=PROFILED if profile else SERVE) as server:
            begun_s = server.cpu_s()
            sent, all_s = asyncio.run(_load(server, spans, concurrency))
            rss_bytes, cpu_s = server.rss_bytes(), server.cpu_s() - begun_s
        if profile:
            _show_profile(data_dir)
        found = stored.count(data_dir)
        assert found["spans"] == found["distinct_spans"] == sent.spans, (found, sent.spans)
    baseline = _baseline(spans)
    governed = sent.spans / all_s
    report.add(
        spans=sent.spans,
        governed_spans_per_s=governed,
        acknowledged_spans_per_s=sent.spans_per_s,
        bare_insert_spans_per_s=baseline["spans_per_s"],
        ratio=governed / baseline["spans_per_s"],
        events_per_s=found["events"] / all_s,
        answer_p50_ms=sent.percentile_ms(50),
        answer_p99_ms=sent.percentile_ms(99),
        refused=sent.refused,
        server_cpu_us_per_span=cpu_s / sent.spans * 1e6,
        insert_cpu_us_per_span=baseline["cpu_us_per_span"],
        rss_mib=rss_bytes / (1 << 20),
    )
    report.goal(f"ratio at least {GOAL}", governed / baseline["spans_per_s"] >= GOAL)
    report.add(missing_to_hope=max(0.0, HOPE - governed / baseline["spans_per_s"]))
    return report


def _show_profile(data_dir: Path) -> None:
    """Print what the sampler said when the server stopped, and keep it."""
    said = data_dir.with_name(f"{data_dir.name}.log").read_text()
    text = said[said.index(PROFILE_HEAD) :]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "ingest-profile.txt").write_text(text)
    print(text, flush=True)


async def _load(server: Server, spans: int, concurrency: int) -> tuple[Sent, float]:
    workload = Workload()
    async with GrpcSender(server.otlp_grpc) as sender:
        began = time.perf_counter()
        sent = await send_all(workload.requests(spans, time.time_ns()), sender.send, concurrency)
        await asyncio.to_thread(server.wait_idle)
        return sent, time.perf_counter() - began


def _baseline(spans: int) -> Mapping[str, float]:
    """Run the bare insert in a process of its own, so that it begins as the server did."""
    answer = subprocess.run(
        [sys.executable, "-m", "bench.bare_insert", "--spans", str(spans)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.ingest", description=__doc__)
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--concurrency", type=int, default=8, help="requests at once")
    parser.add_argument(
        "--profile", action="store_true", help="print where the server's threads spent their time"
    )
    return parser


if __name__ == "__main__":
    main()
