"""The baseline of `bench.ingest`: the same bytes, straight into ClickHouse."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.workload import Request, Workload
from neurorail.collector.archive.formats import PROTOBUF_FORMAT, telemetry_sources
from neurorail.collector.archive.frames import frame_requests
from neurorail.collector.envelope import ANONYMOUS, DEFAULT_TENANT, Envelope, Kind, Signal
from neurorail.collector.store.config import StoreConfig
from neurorail.collector.store.store import Store

REQUESTS_PER_INSERT = 64


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.bare_insert", description=__doc__)
    parser.add_argument("--spans", type=int, default=1_000_000)
    print(json.dumps(measure(parser.parse_args().spans)))


def measure(spans: int) -> dict[str, float]:
    """Insert `spans` spans and return the rate; making the bytes is not counted."""
    source = telemetry_sources()[Signal.TRACES]
    requests = Workload().requests(spans, time.time_ns())
    wall_s = cpu_s = 0.0
    inserted = seq = 0
    with tempfile.TemporaryDirectory() as folder:
        store = Store(StoreConfig(f"chdb://{Path(folder) / 'clickhouse'}"))
        store.start()
        while batch := _batch(requests):
            envelopes = [_envelope(seq + n, request) for n, request in enumerate(batch, 1)]
            seq += len(batch)
            parts = frame_requests(envelopes, "bench")
            wall, cpu = time.perf_counter(), time.process_time()
            store.raw_insert(source.table, parts, PROTOBUF_FORMAT, source.settings(f"bench.{seq}"))
            wall_s += time.perf_counter() - wall
            cpu_s += time.process_time() - cpu
            inserted += sum(request.spans for request in batch)
        found = store.query_rows("SELECT count() FROM otel_traces")[0][0]
        assert found == inserted, f"{found} of {inserted} spans are in otel_traces"
        store.stop()
    return {
        "spans": inserted,
        "spans_per_s": inserted / wall_s,
        "cpu_us_per_span": cpu_s / inserted * 1e6,
    }


def _batch(requests: Iterator[Request]) -> list[Request]:
    return [request for _, request in zip(range(REQUESTS_PER_INSERT), requests, strict=False)]


def _envelope(seq: int, request: Request) -> Envelope:
    return Envelope(
        seq,
        Kind.TELEMETRY,
        Signal.TRACES,
        "otlp_proto",
        time.time_ns(),
        DEFAULT_TENANT,
        ANONYMOUS,
        1,
        request.body,
        request.spans,
    )


if __name__ == "__main__":
    main()
