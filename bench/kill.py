"""Kill the server again and again under load, and look for what it had acknowledged.

Every request is one mission in one trace. At the end each acknowledged trace must be stored with
each of its spans exactly once, the audit chain must verify, and the digest over all events must be
that of one undisturbed run over the same inbox.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from bench import replay, stored
from bench.load import GrpcSender
from bench.report import Report
from bench.server import Server, running
from bench.workload import Workload, trace_id

SPANS = 50
CONCURRENCY = 8
RUN_S = (0.2, 3.0)
"""How long a server lives once it is ready: a random moment between."""
KEEP_EVERYTHING = "inbox:\n  rotate_bytes: 8589934592\n"
"""One file: its records are never pruned, so that all of them can be applied anew."""


@dataclass(slots=True)
class Traffic:
    """What was sent, by trace id in hexadecimal digits."""

    acknowledged: set[str] = field(default_factory=set)
    unanswered: set[str] = field(default_factory=set)
    next_request: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.kill", description=__doc__)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=None, help="of the moments; default: random")
    parser.add_argument("--keep", type=Path, default=None, help="folder to keep the evidence in")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if arguments.seed is None else arguments.seed
    if not measure(arguments.times, seed, arguments.keep).publish():
        sys.exit(1)


def measure(times: int, seed: int, keep: Path | None = None) -> Report:
    """Kill `times` times and check everything once at the end."""
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        report = _measure(times, seed, data_dir)
        if keep is not None:
            shutil.copytree(folder, keep, dirs_exist_ok=True)
    return report


def _measure(times: int, seed: int, data_dir: Path) -> Report:
    options = ("--config", str(_config(data_dir.parent)))
    chance = random.Random(seed)
    workload = Workload(SPANS, SPANS, seed=seed)
    traffic = Traffic()
    recoveries_s = []
    for _ in range(times):
        with running(data_dir, options) as server:
            recoveries_s.append(server.ready_s)
            asyncio.run(_kill_under_load(server, workload, traffic, chance.uniform(*RUN_S)))
    with running(data_dir, options) as server:
        server.wait_idle()
        server.stop()
    verified = subprocess.run(
        [sys.executable, "-m", "neurorail.app.cli", "audit", "verify", "--data-dir", str(data_dir)],
        check=False,
        stdout=sys.stderr,
    )
    found = stored.traces(data_dir)
    compared = replay.compare(data_dir)
    missing = [t for t in traffic.acknowledged if found.get(t, (0, 0))[1] < SPANS]
    doubled = [t for t, (rows, distinct) in found.items() if rows != distinct]
    torn = [t for t in traffic.unanswered if found.get(t, (SPANS, SPANS))[1] != SPANS]
    report = Report("kill")
    report.add(
        kills=times,
        seed=seed,
        acknowledged_requests=len(traffic.acknowledged),
        acknowledged_spans=len(traffic.acknowledged) * SPANS,
        unanswered_requests=len(traffic.unanswered),
        missing_requests=len(missing),
        doubled_requests=len(doubled),
        torn_requests=len(torn),
        ready_median_s=sorted(recoveries_s)[times // 2],
        ready_max_s=max(recoveries_s),
        events=compared["disturbed_events"],
        undisturbed_events=compared["undisturbed_events"],
    )
    report.goal("no acknowledged span missing", not missing)
    report.goal("no span stored twice", not doubled)
    report.goal("no request stored in part", not torn)
    report.goal("audit chain verifies", verified.returncode == 0)
    report.goal("digest of an undisturbed run", bool(compared["same"]))
    return report


def _config(folder: Path) -> Path:
    path = folder / "kill.yaml"
    path.write_text(KEEP_EVERYTHING)
    return path


async def _kill_under_load(
    server: Server, workload: Workload, traffic: Traffic, after_s: float
) -> None:
    async with GrpcSender(server.otlp_grpc) as sender:
        workers = [
            asyncio.create_task(_send_until_gone(sender, workload, traffic))
            for _ in range(CONCURRENCY)
        ]
        await asyncio.sleep(after_s)
        server.kill()
        await asyncio.gather(*workers)


async def _send_until_gone(sender: GrpcSender, workload: Workload, traffic: Traffic) -> None:
    while True:
        request = workload.request(traffic.next_request, time.time_ns())
        traffic.next_request += 1
        trace = trace_id(request.body)
        try:
            await sender.send(request.body)
        except grpc.aio.AioRpcError:
            traffic.unanswered.add(trace)
            return
        traffic.acknowledged.add(trace)


if __name__ == "__main__":
    main()
