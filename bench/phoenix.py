"""The same load against Arize Phoenix, as somebody who compares the two would run it.

Phoenix is installed by this script into a virtual environment of its own (in the user's cache); it
is no dependency of the project. It runs as it comes: SQLite, one process, its default queue.
Durable means: a row in its database. NeuroRail gets the same requests in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import grpc
import psutil

from bench import stored
from bench.load import GrpcSender, Sent, send_all
from bench.report import Report
from bench.server import free_port, running
from bench.workload import Workload, trace_id

VERSION = "20.26.1"
READY_S = 180.0
SETTLE_S = 600.0
CONCURRENCY = 8
KILL_AFTER_S = 5.0
KILLED_REQUEST_SPANS = 512
"""One request is one trace in a run that is killed, so that what was acknowledged is known."""
SPANS_BY_TRACE = """
    SELECT traces.trace_id, count(*) FROM spans JOIN traces ON traces.id = spans.trace_rowid
    GROUP BY traces.trace_id
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.phoenix", description=__doc__)
    parser.add_argument("--spans", type=int, default=10_240)
    parser.add_argument("--version", default=VERSION)
    arguments = parser.parse_args()
    if not measure(arguments.spans, arguments.version).publish():
        sys.exit(1)


def measure(spans: int, version: str = VERSION) -> Report:
    """Measure both: a run to the end, and a run that is killed after a few seconds."""
    python = install(version)
    report = Report("phoenix")
    report.add(spans=spans, phoenix_version=version)
    with tempfile.TemporaryDirectory() as folder:
        theirs = _their_run(python, Path(folder) / "phoenix", spans)
        theirs_lost = _their_loss(python, Path(folder) / "phoenix-killed")
        ours = _our_run(Path(folder) / "neurorail", spans)
        ours_lost = _our_loss(Path(folder) / "neurorail-killed")
    for name, run, lost in (("phoenix", theirs, theirs_lost), ("neurorail", ours, ours_lost)):
        report.add(
            **{
                f"{name}_durable_spans_per_s": run.stored / run.seconds,
                f"{name}_answer_p99_ms": run.sent.percentile_ms(99),
                f"{name}_refused": run.sent.refused,
                f"{name}_stored_spans": run.stored,
                f"{name}_rss_mib": run.rss_bytes / (1 << 20),
                f"{name}_killed_acknowledged_spans": lost.acknowledged,
                f"{name}_killed_lost_spans": lost.lost,
                f"{name}_killed_lost_percent": lost.percent,
            }
        )
    report.goal("NeuroRail loses nothing on kill -9", ours_lost.percent == 0)
    return report


@dataclass(frozen=True, slots=True)
class Run:
    """A run to the end."""

    sent: Sent
    stored: int
    seconds: float
    """Until everything that will be stored was."""
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class Loss:
    """A run that was killed."""

    acknowledged: int
    lost: int
    """Of the acknowledged spans."""

    @property
    def percent(self) -> float:
        """Share of the acknowledged spans that is gone."""
        return 100 * self.lost / max(1, self.acknowledged)


def _loss(acknowledged: set[str], spans_by_trace: Mapping[str, int]) -> Loss:
    size = KILLED_REQUEST_SPANS
    found = sum(min(size, spans_by_trace.get(trace, 0)) for trace in acknowledged)
    return Loss(len(acknowledged) * size, len(acknowledged) * size - found)


def install(version: str) -> Path:
    """Return the interpreter of an environment that has Phoenix, made if need be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = cache / "neurorail-bench" / f"phoenix-{version}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"installing arize-phoenix {version} into {folder}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", f"arize-phoenix=={version}"], check=True
        )
        (folder / "complete").touch()
    return python


# ── Phoenix ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Phoenix:
    """A running Phoenix."""

    process: subprocess.Popen[bytes]
    address: str
    folder: Path

    def stored(self) -> int:
        """Count the rows of its span table."""
        return sum(self.spans_by_trace().values())

    def spans_by_trace(self) -> dict[str, int]:
        """Count the rows of its span table for each trace."""
        path = f"file:{self.folder / 'phoenix.db'}?mode=ro"
        with closing(sqlite3.connect(path, uri=True)) as database:
            return dict(database.execute(SPANS_BY_TRACE).fetchall())


@contextmanager
def _phoenix(python: Path, folder: Path) -> Iterator[Phoenix]:
    folder.mkdir()
    http, grpc_port = free_port(), free_port()
    environment = {
        **{n: v for n, v in os.environ.items() if not n.startswith(("PHOENIX_", "PYTHON"))},
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(http),
        "PHOENIX_GRPC_PORT": str(grpc_port),
        "PHOENIX_TELEMETRY_ENABLED": "false",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [python, "-m", "phoenix.server.main", "serve"], env=environment, stdout=log, stderr=log
        )
        try:
            _wait(lambda: _answers(f"http://127.0.0.1:{http}/healthz"), READY_S)
            yield Phoenix(process, f"127.0.0.1:{grpc_port}", folder)
        finally:
            process.kill()
            process.wait()


def _their_run(python: Path, folder: Path, spans: int) -> Run:
    with _phoenix(python, folder) as phoenix:
        began = time.perf_counter()
        sent = asyncio.run(_send(phoenix.address, spans))
        stored_spans, stored_at = _until_it_rests(phoenix, sent.spans)
        rss = int(psutil.Process(phoenix.process.pid).memory_info().rss)
        return Run(sent, stored_spans, stored_at - began, rss)


def _until_it_rests(phoenix: Phoenix, expected: int) -> tuple[int, float]:
    """Wait until all is stored, or nothing was for a while; return how much and when."""
    count, changed = phoenix.stored(), time.perf_counter()
    ends = changed + SETTLE_S
    while count < expected and time.perf_counter() < min(ends, changed + 30):
        time.sleep(0.2)
        if (now := phoenix.stored()) != count:
            count, changed = now, time.perf_counter()
    return count, changed


def _their_loss(python: Path, folder: Path) -> Loss:
    with _phoenix(python, folder) as phoenix:
        acknowledged = asyncio.run(_until_killed(phoenix.address, phoenix.process.kill))
        phoenix.process.wait()
        return _loss(acknowledged, phoenix.spans_by_trace())


# ── NeuroRail ────────────────────────────────────────────────────────────────────────────────


def _our_run(data_dir: Path, spans: int) -> Run:
    with running(data_dir) as server:
        began = time.perf_counter()
        sent = asyncio.run(_send(server.otlp_grpc, spans))
        server.wait_idle()
        seconds = time.perf_counter() - began
        rss = server.rss_bytes()
    return Run(sent, stored.count(data_dir)["spans"], seconds, rss)


def _our_loss(data_dir: Path) -> Loss:
    with running(data_dir) as server:
        acknowledged = asyncio.run(_until_killed(server.otlp_grpc, server.kill))
    with running(data_dir) as server:
        server.wait_idle()
    found = {trace: distinct for trace, (_, distinct) in stored.traces(data_dir).items()}
    return _loss(acknowledged, found)


# ── the load ─────────────────────────────────────────────────────────────────────────────────


async def _send(address: str, spans: int) -> Sent:
    async with GrpcSender(address) as sender:
        return await send_all(Workload().requests(spans, time.time_ns()), sender.send, CONCURRENCY)


async def _until_killed(address: str, kill: Callable[[], None]) -> set[str]:
    """Send for a few seconds, kill the server, return the traces it had acknowledged."""
    workload = Workload(KILLED_REQUEST_SPANS, KILLED_REQUEST_SPANS)
    acknowledged: set[str] = set()
    numbers = iter(range(1 << 30))

    async def work(sender: GrpcSender) -> None:
        for number in numbers:
            request = workload.request(number, time.time_ns())
            await sender.send(request.body)
            acknowledged.add(trace_id(request.body))

    async with GrpcSender(address) as sender:
        workers = [asyncio.create_task(work(sender)) for _ in range(CONCURRENCY)]
        await asyncio.sleep(KILL_AFTER_S)
        kill()
        for worker in workers:
            with suppress(grpc.aio.AioRpcError):
                await worker
    return acknowledged


def _wait(done: Callable[[], bool], timeout_s: float) -> None:
    ends = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > ends:
            raise TimeoutError(f"not ready after {timeout_s} s")
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, TimeoutError, ConnectionError):
        return False


if __name__ == "__main__":
    main()
