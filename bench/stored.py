"""What a data directory holds, read when no server has it open.

Runs in a process of its own, because the embedded engine's memory stays with the process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from neurorail.collector.store.config import StoreConfig
from neurorail.collector.store.store import Store

COUNTS = {
    "spans": "SELECT count() FROM otel_traces",
    "distinct_spans": "SELECT uniqExact(TraceId, SpanId) FROM otel_traces",
    "records": "SELECT uniqExact(Seq) FROM otel_traces",
    "events": "SELECT count() FROM neurorail_audit",
    "distinct_events": "SELECT uniqExact(node, epoch, seq, `index`) FROM neurorail_audit",
}


def count(data_dir: Path) -> dict[str, int]:
    """Return how many rows of each kind `data_dir` holds."""
    answer = subprocess.run(
        [sys.executable, "-m", "bench.stored", str(data_dir)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    found: dict[str, int] = json.loads(answer.stdout.splitlines()[-1])
    return found


def open_store(data_dir: Path) -> Store:
    """Open the embedded store of a data directory."""
    store = Store(StoreConfig(f"chdb://{(data_dir / 'clickhouse').resolve()}", readers=1))
    store.start(migrate=False)
    return store


def main() -> None:
    store = open_store(Path(sys.argv[1]))
    found: Mapping[str, int] = {
        name: int(store.query_rows(sql)[0][0]) for name, sql in COUNTS.items()
    }
    store.stop()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
