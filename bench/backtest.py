"""A backtest of stored history under twenty rules: how many observations it gets through a second.

The history is made of the requests of the other measurements, decoded as the server decodes them,
and put into an embedded ClickHouse. Reading, decoding, deciding and counting are in the number.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.report import Report
from bench.workload import Workload
from neurorail.collector.archive.rowbinary import RECORD_COLUMNS, ROWBINARY, record_row
from neurorail.collector.decode import Decoder, encode_observations
from neurorail.collector.envelope import Envelope, Kind, Signal
from neurorail.collector.rerun.backtest import backtest
from neurorail.collector.store.config import StoreConfig
from neurorail.collector.store.store import Store
from neurorail.rules.manifest.load import load
from neurorail.rules.manifest.model import Manifest
from neurorail.rules.observations import EpochStarted, Observation, PricesLoaded

GOAL = 50_000
SPANS = 512
NODE = "bench"
BEGIN_UNIX_NANO = 1_790_000_000_000_000_000
STEP_NS = 50_000_000
PRICES = {
    "format": 1,
    "version": "bench",
    "providers": [],
    "overrides": [{"match": {"starts_with": ""}, "prices": [{"input_mtok": "1"}]}],
}
HEAD = "neurorail_manifest: 1\nname: bench\nversion: '{}'\ndefault_mode: direct\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.backtest", description=__doc__)
    parser.add_argument("--spans", type=int, default=200_000)
    arguments = parser.parse_args()
    if not measure(arguments.spans).publish():
        sys.exit(1)


def manifest() -> Manifest:
    """Twenty rules of every kind."""
    modes = [
        f"- {{id: mode{n}, when: {{model: [gpt-{n}, gpt-4o]}}, mode: rail, effect: warn}}"
        for n in range(6)
    ]
    cel = "- {id: cel, when: {cel: 'tokens > 100000 && !failed'}, mode: rail, effect: refuse}"
    budgets = [
        f"  - {{id: budget{n}, level: {level}, limits: {{max_tokens: {10**9 + n}}}}}"
        for n, level in enumerate(("mission", "plan", "job", "attempt"))
    ]
    pools = [
        f"- {{id: pool{n}, key: [{key}], window: {{calendar: day}}, limits: {{max_cost_usd: 50}}}}"
        for n, key in enumerate(("agent", "model", "provider", "tool"))
    ]
    reflexes = [
        "- {id: errors, per: [provider, model], trigger: {error_rate: {window: 1m, percent: 90}}}",
        "- {id: row, per: [model], trigger: {consecutive_failures: {count: 50}}}",
        "- {id: slow, per: [model], trigger: {latency: {window: 1m, more_than: 1h}}}",
        "- {id: again, per: [mission_id], trigger: {repeated_call: {count: 50, window: 1m}}}",
        "- {id: storm, trigger: {violation_storm: {count: 5000, window: 1m}}}",
    ]
    parts = [
        "mode_rules:", *modes, cel, "budgets:\n  defaults:", *budgets, "pools:", *pools,
        "reflexes:", *reflexes,
    ]  # fmt: skip
    return load(HEAD.format("twenty") + "\n".join(parts) + "\n")


def history(spans: int) -> Iterator[Envelope]:
    """Records as they are stored."""
    settings: list[Observation] = [EpochStarted(1, NODE, "bench"),
                PricesLoaded("bench", "ab", json.dumps(PRICES).encode())]  # fmt: skip
    for place, seen in enumerate(settings):
        yield _stored(place + 1, Kind.SYSTEM, Signal.NONE, [seen], 0)
    decoder = Decoder()
    workload = Workload(SPANS)
    seq = len(settings)
    for request in workload.requests(spans, BEGIN_UNIX_NANO):
        seq += 1
        live = Envelope(
            seq, Kind.TELEMETRY, Signal.TRACES, "otlp_proto", _at(seq), "default", "bench", 1,
            request.body, SPANS,
        )  # fmt: skip
        yield _stored(seq, Kind.TELEMETRY, Signal.TRACES, decoder.decode(live), SPANS)


def _stored(seq: int, kind: Kind, signal: Signal, seen: list[Observation], items: int) -> Envelope:
    body = encode_observations(seen)
    return Envelope(seq, kind, signal, "json", _at(seq), "default", "bench", 1, body, items)


def _at(seq: int) -> int:
    return BEGIN_UNIX_NANO + seq * STEP_NS


def measure(spans: int) -> Report:
    """Store a history and run both sides of a backtest over it."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(StoreConfig(f"chdb://{folder}/clickhouse"))
        store.start()
        try:
            for envelope in history(spans):
                row = record_row(envelope, NODE, envelope.body)
                store.raw_insert("neurorail_records", [row], ROWBINARY, columns=RECORD_COLUMNS)
            work = Path(folder) / "work"
            work.mkdir()
            began, cpu = time.monotonic(), time.process_time()
            found = backtest(store, NODE, work, manifest(), against=load(HEAD.format("none")))
            wall_s, cpu_s = time.monotonic() - began, time.process_time() - cpu
        finally:
            store.stop()
    assert found is not None, "there is a history"
    applied = 2 * found.observations
    report = Report("backtest")
    report.add(
        spans=spans,
        observations=found.observations,
        calls=found.new.tally.calls,
        rules=20,
        wall_s=wall_s,
        cpu_s=cpu_s,
        observations_per_s=applied / wall_s,
        observations_per_core_s=applied / cpu_s,
        spans_per_core_s=2 * spans / cpu_s,
    )
    report.goal(f"at least {GOAL:,} observations/s a core", applied / cpu_s >= GOAL)
    return report


if __name__ == "__main__":
    main()
