"""What a data directory holds, read when no server has it open.

Runs in a process of its own, because the embedded engine's memory stays with the process.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from neurorail.collector.store.config import StoreConfig
from neurorail.collector.store.store import Store

COUNTS = {
    "spans": "SELECT count() FROM otel_traces",
    "distinct_spans": "SELECT uniqExact(TraceId, SpanId) FROM otel_traces",
    "events": "SELECT count() FROM neurorail_audit",
    "distinct_events": "SELECT uniqExact(node, epoch, seq, `index`) FROM neurorail_audit",
}
TRACES = "SELECT TraceId, count(), uniqExact(SpanId) FROM otel_traces GROUP BY TraceId"


def count(data_dir: Path) -> dict[str, int]:
    """Return how many rows of each kind `data_dir` holds."""
    found: dict[str, int] = _ask(data_dir)
    return found


def traces(data_dir: Path) -> dict[str, tuple[int, int]]:
    """Return the rows and the distinct spans of each trace, by its id."""
    return {trace: (rows, spans) for trace, (rows, spans) in _ask(data_dir, "--traces").items()}


def counts_of(store: Store) -> dict[str, int]:
    """Return how many rows of each kind an open store holds."""
    return {name: int(store.query_rows(sql)[0][0]) for name, sql in COUNTS.items()}


def _ask(data_dir: Path, *options: str) -> Any:
    answer = subprocess.run(
        [sys.executable, "-m", "bench.stored", str(data_dir), *options],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(answer.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.stored", description=__doc__)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--traces", action="store_true", help="rows and spans of each trace")
    arguments = parser.parse_args()
    url = f"chdb://{(arguments.data_dir / 'clickhouse').resolve()}"
    store = Store(StoreConfig(url, readers=1))
    store.start(migrate=False)
    if arguments.traces:
        print(json.dumps({trace: found for trace, *found in store.query_rows(TRACES)}))
    else:
        print(json.dumps(counts_of(store)))
    store.stop()


if __name__ == "__main__":
    main()
