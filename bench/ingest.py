"""Governed, durable and queryable spans each second, against ClickHouse's bare insert.

The server receives requests of 512 spans over gRPC from a generator on the same machine. The clock
stops when every span can be queried, the engine has applied every record and every event is stored.
The baseline, run alone, hands the same bytes to `INSERT … FORMAT Protobuf` into the same tables.

How much is to be governed decides: spans of agents make one and a half events each, which are
stored too, so a second baseline inserts the lines of these events as well. Spans of other services
make none; they are measured beside them.
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
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class _Governed:
    """What a server made of a load."""

    sent: Sent
    seconds: float
    cpu_s: float
    rss_bytes: int
    events: int

    @property
    def spans_per_s(self) -> float:
        return self.sent.spans / self.seconds


def measure(spans: int, concurrency: int = 8, *, profile: bool = False) -> Report:
    """Measure all of it and return the report.

    Raises:
        AssertionError: a span was lost or stored twice.
    """
    with tempfile.TemporaryDirectory() as folder:
        data_dir, lines = Path(folder) / "data", Path(folder) / "events"
        agents = _govern(data_dir, Workload(), spans, concurrency, profile=profile)
        stored.write_event_lines(data_dir, lines)
        bare = _bare(spans)
        all_rows = _bare(spans, "--events", str(lines))
    with tempfile.TemporaryDirectory() as folder:
        other = Workload(ordinary=True)
        ordinary = _govern(Path(folder) / "data", other, spans, concurrency)
        bare_ordinary = _bare(spans, "--ordinary")
    ratio = agents.spans_per_s / bare["spans_per_s"]
    report = Report("ingest")
    report.add(
        spans=agents.sent.spans,
        governed_spans_per_s=agents.spans_per_s,
        acknowledged_spans_per_s=agents.sent.spans_per_s,
        bare_insert_spans_per_s=bare["spans_per_s"],
        ratio=ratio,
        events_per_s=agents.events / agents.seconds,
        bare_insert_with_events_spans_per_s=all_rows["spans_per_s"],
        ratio_with_events=agents.spans_per_s / all_rows["spans_per_s"],
        answer_p50_ms=agents.sent.percentile_ms(50),
        answer_p99_ms=agents.sent.percentile_ms(99),
        refused=agents.sent.refused + ordinary.sent.refused,
        server_cpu_us_per_span=agents.cpu_s / agents.sent.spans * 1e6,
        insert_cpu_us_per_span=bare["cpu_us_per_span"],
        insert_with_events_cpu_us_per_span=all_rows["cpu_us_per_span"],
        rss_mib=agents.rss_bytes / (1 << 20),
        ordinary_governed_spans_per_s=ordinary.spans_per_s,
        ordinary_bare_insert_spans_per_s=bare_ordinary["spans_per_s"],
        ordinary_ratio=ordinary.spans_per_s / bare_ordinary["spans_per_s"],
        ordinary_server_cpu_us_per_span=ordinary.cpu_s / ordinary.sent.spans * 1e6,
    )
    report.goal(f"spans of agents: ratio at least {GOAL}", ratio >= GOAL)
    report.goal(
        f"spans of other services: ratio at least {GOAL}",
        ordinary.spans_per_s >= GOAL * bare_ordinary["spans_per_s"],
    )
    report.add(missing_to_hope=max(0.0, HOPE - ratio))
    return report


def _govern(
    data_dir: Path, workload: Workload, spans: int, concurrency: int, *, profile: bool = False
) -> _Governed:
    with running(data_dir, command=PROFILED if profile else SERVE) as server:
        begun_s = server.cpu_s()
        sent, all_s = asyncio.run(_load(server, workload, spans, concurrency))
        rss_bytes, cpu_s = server.rss_bytes(), server.cpu_s() - begun_s
    if profile:
        _show_profile(data_dir)
    found = stored.count(data_dir)
    assert found["spans"] == found["distinct_spans"] == sent.spans, (found, sent.spans)
    return _Governed(sent, all_s, cpu_s, rss_bytes, found["events"])


def _show_profile(data_dir: Path) -> None:
    """Print what the sampler said when the server stopped, and keep it."""
    said = data_dir.with_name(f"{data_dir.name}.log").read_text()
    text = said[said.index(PROFILE_HEAD) :]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "ingest-profile.txt").write_text(text)
    print(text, flush=True)


async def _load(
    server: Server, workload: Workload, spans: int, concurrency: int
) -> tuple[Sent, float]:
    async with GrpcSender(server.otlp_grpc) as sender:
        began = time.perf_counter()
        sent = await send_all(workload.requests(spans, time.time_ns()), sender.send, concurrency)
        await asyncio.to_thread(server.wait_idle)
        return sent, time.perf_counter() - began


def _bare(spans: int, *options: str) -> Mapping[str, float]:
    """Run a bare insert in a process of its own, so that it begins as the server did."""
    answer = subprocess.run(
        [sys.executable, "-m", "bench.bare_insert", "--spans", str(spans), *options],
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
