"""Sending on: spans/s to an OTLP receiver that does nothing, as they came and enriched.

The same load three times, each with a fresh server: without a destination, with one that gets the
requests' bytes unchanged, and with one whose spans carry what was decided.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from bench.load import GrpcSender, send_all
from bench.report import Report
from bench.server import POLL_S, Server, running
from bench.small_requests import empty_server
from bench.workload import Workload

GOAL_RATIO: Final = 0.9
"""Of what is governed without a destination."""
DELIVERED_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class _Run:
    governed_per_s: float
    exported_per_s: float
    cpu_us: float
    """Of the server, a span."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.export", description=__doc__)
    parser.add_argument("--spans", type=int, default=200_000)
    if not measure(parser.parse_args().spans).publish():
        sys.exit(1)


def measure(spans: int) -> Report:
    """Measure all three."""
    alone = _run(spans, None)
    with empty_server() as address:
        sink = {"endpoint": f"http://{address}", "signals": ["traces"], "compression": "none"}
        raw = _run(spans, sink)
        enriched = _run(spans, {**sink, "enrich": True})
    report = Report("export")
    report.add(
        spans=spans,
        alone_governed_spans_per_s=alone.governed_per_s,
        raw_governed_spans_per_s=raw.governed_per_s,
        raw_exported_spans_per_s=raw.exported_per_s,
        raw_cpu_us_per_span=raw.cpu_us - alone.cpu_us,
        enriched_governed_spans_per_s=enriched.governed_per_s,
        enriched_exported_spans_per_s=enriched.exported_per_s,
        enriched_cpu_us_per_span=enriched.cpu_us - alone.cpu_us,
    )
    ratio = raw.governed_per_s / alone.governed_per_s
    report.goal(f"governs at least {GOAL_RATIO} x as much beside raw export", ratio >= GOAL_RATIO)
    return report


def _run(spans: int, sink: Mapping[str, object] | None) -> _Run:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "neurorail.yaml"
        destinations = {} if sink is None else {"sink": sink}
        # JSON is YAML.
        config.write_text(json.dumps({"export": {"destinations": destinations}}))
        with running(folder / "data", ["--config", str(config)]) as server:
            return _measured(server, spans, exports=sink is not None)


def _measured(server: Server, spans: int, *, exports: bool) -> _Run:
    cpu_s = server.cpu_s()
    began = time.perf_counter()
    sent = asyncio.run(_send(server, spans))
    exported_s = _delivered_s(server, sent, began) if exports else 0.0
    server.wait_idle()
    all_s = time.perf_counter() - began
    cpu_s = server.cpu_s() - cpu_s
    exported_per_s = sent / exported_s if exported_s else 0.0
    return _Run(sent / all_s, exported_per_s, cpu_s / sent * 1e6)


async def _send(server: Server, spans: int) -> int:
    async with GrpcSender(server.otlp_grpc) as sender:
        sent = await send_all(Workload().requests(spans, time.time_ns()), sender.send, 8)
    return sent.spans


def _delivered_s(server: Server, spans: int, began: float) -> float:
    """Wait until the destination has all spans; the seconds since `began`."""
    while time.perf_counter() - began < DELIVERED_S:
        if _delivered(server) >= spans:
            return time.perf_counter() - began
        time.sleep(POLL_S)
    raise TimeoutError(f"{spans - _delivered(server):.0f} spans were not delivered")


def _delivered(server: Server) -> float:
    with urlopen(f"{server.api}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    series = 'otelcol_exporter_sent_spans{exporter="otlp/sink"'
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(series))


if __name__ == "__main__":
    main()
