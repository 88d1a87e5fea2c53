"""From the start of the process to ready, with much already stored."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from bench.load import GrpcSender, send_all
from bench.report import Report
from bench.server import Server, running
from bench.workload import Workload

GOAL_S = 3.0
STARTS = 5


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.startup", description=__doc__)
    parser.add_argument("--spans", type=int, default=1_000_000)
    if not measure(parser.parse_args().spans).publish():
        sys.exit(1)


def measure(spans: int) -> Report:
    """Fill a data directory, then start on it again and again."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        with running(data_dir) as server:
            empty_s = server.ready_s
            asyncio.run(fill(server, spans))
        after_stop = sorted(_ready_s(data_dir, kill=False) for _ in range(STARTS))
        _ready_s(data_dir, kill=True)
        after_kill = sorted(_ready_s(data_dir, kill=True) for _ in range(STARTS))
        stored_bytes = sum(path.stat().st_size for path in data_dir.rglob("*") if path.is_file())
    report = Report("startup")
    report.add(
        spans=spans,
        stored_mib=stored_bytes / (1 << 20),
        ready_empty_s=empty_s,
        ready_median_s=after_stop[STARTS // 2],
        ready_max_s=after_stop[-1],
        ready_after_kill_median_s=after_kill[STARTS // 2],
    )
    report.goal(f"ready in less than {GOAL_S} s", after_stop[STARTS // 2] < GOAL_S)
    return report


def _ready_s(data_dir: Path, *, kill: bool) -> float:
    with running(data_dir) as server:
        if kill:
            server.kill()
        return server.ready_s


async def fill(server: Server, spans: int) -> None:
    """Send spans to a server, and wait until it has stored them."""
    async with GrpcSender(server.otlp_grpc) as sender:
        await send_all(Workload().requests(spans, time.time_ns()), sender.send, 8)
        await asyncio.to_thread(server.wait_idle, 3_600.0)


if __name__ == "__main__":
    main()
