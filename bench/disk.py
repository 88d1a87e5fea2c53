"""What a span and an event take of the disk, once the store has merged."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from bench.report import Report
from bench.server import running
from bench.startup import fill
from neurorail.collector.store.client import open_client
from neurorail.collector.store.config import StoreConfig

TABLES = ("otel_traces", "neurorail_audit", "neurorail_state_transitions")
SIZE = (
    "SELECT sum(rows), sum(bytes_on_disk) FROM system.parts "
    "WHERE active AND database = 'neurorail' AND ({table:String} = '' OR table = {table:String})"
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.disk", description=__doc__)
    parser.add_argument("--spans", type=int, default=500_000)
    if not measure(parser.parse_args().spans).publish():
        sys.exit(1)


def measure(spans: int) -> Report:
    """Fill a data directory, then look at it with the server stopped."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder).resolve() / "data"
        with running(data_dir) as server:
            asyncio.run(fill(server, spans))
        client = open_client(StoreConfig(f"chdb://{data_dir}/clickhouse"), database="neurorail")
        report = Report("disk")
        for table in TABLES:
            client.command(f"OPTIMIZE TABLE {table} FINAL")
            ((rows, size),) = client.query(SIZE, parameters={"table": table}).result_rows
            report.add(**{f"{table}_rows": rows, f"{table}_row_bytes": size / max(rows, 1)})
        ((_, size),) = client.query(SIZE, parameters={"table": ""}).result_rows
        report.add(span_with_its_events_bytes=size / spans)
        client.close()
    return report


if __name__ == "__main__":
    main()
