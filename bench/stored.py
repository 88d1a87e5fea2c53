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

import msgspec

from neurorail.collector.store.config import StoreConfig
from neurorail.collector.store.store import Store

COUNTS = {
    "spans": "SELECT count() FROM otel_traces",
    "distinct_spans": "SELECT uniqExact(TraceId, SpanId) FROM otel_traces",
    "events": "SELECT count() FROM neurorail_audit",
    "distinct_events": "SELECT uniqExact(node, epoch, seq, `index`) FROM neurorail_audit",
}
RECORDS_PER_FILE = 40
EVENTS = """
SELECT node, epoch, seq, `index`, tenant, toUnixTimestamp64Nano(timestamp), event_time_unix_nano,
    channel, event_type, event_category, severity, message,
    mission_id, plan_id, job_id, attempt_id, resource_id, entity_type, entity_id, principal,
    lower(hex(details_hash)), lower(hex(prev_hash)), lower(hex(hash)), details
FROM neurorail_audit WHERE seq >= {begin:UInt64} AND seq < {end:UInt64}
ORDER BY epoch, seq, `index`"""
TRACES = "SELECT TraceId, count(), uniqExact(SpanId) FROM otel_traces GROUP BY TraceId"


def count(data_dir: Path) -> dict[str, int]:
    """Return how many rows of each kind `data_dir` holds."""
    found: dict[str, int] = _ask(data_dir)
    return found


def traces(data_dir: Path) -> dict[str, tuple[int, int]]:
    """Return the rows and the distinct spans of each trace, by its id."""
    return {trace: (rows, spans) for trace, (rows, spans) in _ask(data_dir, "--traces").items()}


def write_event_lines(data_dir: Path, folder: Path) -> None:
    """Write the events that `data_dir` holds into files, as the lines that they were stored from.

    A file holds about as many as the archive inserts at once.
    """
    _ask(data_dir, "--events", str(folder))


def _event_lines(store: Store, folder: Path) -> None:
    folder.mkdir()
    last = store.query_rows("SELECT max(seq) FROM neurorail_audit")[0][0]
    for number, begin in enumerate(range(0, last + 1, RECORDS_PER_FILE)):
        between = {"begin": begin, "end": begin + RECORDS_PER_FILE}
        rows = store.query_rows(EVENTS, between)
        lines = [msgspec.json.encode([*head, msgspec.Raw(data)]) for *head, data in rows]
        (folder / f"{number:06d}.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))


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
    parser.add_argument("--events", type=Path, help="write the events as lines into this folder")
    arguments = parser.parse_args()
    url = f"chdb://{(arguments.data_dir / 'clickhouse').resolve()}"
    store = Store(StoreConfig(url, readers=1))
    store.start(migrate=False)
    if arguments.events is not None:
        _event_lines(store, arguments.events)
        print("null")
    elif arguments.traces:
        print(json.dumps({trace: found for trace, *found in store.query_rows(TRACES)}))
    else:
        print(json.dumps(counts_of(store)))
    store.stop()


if __name__ == "__main__":
    main()
