"""The baseline of `bench.ingest`: the same bytes, straight into ClickHouse.

With `--events` also what governing makes of them: the lines of all events, into their tables.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.workload import Request, Workload
from neurorail.collector.archive.formats import (
    EVENTS_FORMAT,
    EVENTS_TABLE,
    PROTOBUF_FORMAT,
    event_settings,
    telemetry_sources,
)
from neurorail.collector.archive.frames import frame_requests
from neurorail.collector.envelope import ANONYMOUS, DEFAULT_TENANT, Envelope, Kind, Signal
from neurorail.collector.store.config import StoreConfig
from neurorail.collector.store.store import Store

REQUESTS_PER_INSERT = 64


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.bare_insert", description=__doc__)
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--ordinary", action="store_true", help="spans that concern no agent")
    parser.add_argument("--events", type=Path, help="a folder of files of event lines")
    arguments = parser.parse_args()
    workload = Workload(ordinary=arguments.ordinary)
    print(json.dumps(measure(workload, arguments.spans, arguments.events)))


def measure(workload: Workload, spans: int, events: Path | None = None) -> dict[str, float]:
    """Insert `spans` spans and return the rate; making and reading the bytes is not counted."""
    source = telemetry_sources()[Signal.TRACES]
    requests = workload.requests(spans, time.time_ns())
    files = sorted(events.iterdir()) if events is not None else []
    clock = _Clock()
    inserted = seq = 0
    with tempfile.TemporaryDirectory() as folder:
        store = Store(StoreConfig(f"chdb://{Path(folder) / 'clickhouse'}"))
        store.start()
        while batch := _batch(requests):
            envelopes = [_envelope(seq + n, request) for n, request in enumerate(batch, 1)]
            seq += len(batch)
            parts = frame_requests(envelopes, "bench")
            with clock:
                store.raw_insert(
                    source.table, parts, PROTOBUF_FORMAT, source.settings(f"bench.{seq}")
                )
            inserted += sum(request.spans for request in batch)
        for number, file in enumerate(files):
            lines = file.read_bytes()
            with clock:
                settings = event_settings(f"bench.events.{number}")
                store.raw_insert(EVENTS_TABLE, [lines], EVENTS_FORMAT, settings)
        found = store.query_rows("SELECT count() FROM otel_traces")[0][0]
        assert found == inserted, f"{found} of {inserted} spans are in otel_traces"
        store.stop()
    return {
        "spans": inserted,
        "spans_per_s": inserted / clock.wall_s,
        "cpu_us_per_span": clock.cpu_s / inserted * 1e6,
    }


class _Clock:
    """Adds up what happens inside of it, in seconds of the wall and of the processors."""

    wall_s = cpu_s = 0.0

    def __enter__(self) -> None:
        self.wall_s -= time.perf_counter()
        self.cpu_s -= time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall_s += time.perf_counter()
        self.cpu_s += time.process_time()


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
