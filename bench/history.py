"""A data directory with much stored history: some governed for real, the rest copied by SQL.

The copies are made inside ClickHouse from what a server governed, with ids, times, models, agents
and outcomes of their own, so that their shapes are real. Spans go into the table of spans, events
into the table that every governance table is filled from; views, indexes and roll-ups fill as ever.
Copies are another node's: a ClickHouse may be shared, and a server's own audit chain stays whole.

Runs in a process of its own, because the embedded engine's memory stays with the process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bench.load import GrpcSender, send_all
from bench.server import Server, running
from bench.workload import Workload
from neurorail.collector.store.config import StoreConfig
from neurorail.collector.store.store import Store

GOVERNED_SPANS: Final = 200_000
SAMPLE: Final = 2_000
DAYS: Final = 28
"""Copies lie within so many days; spans are kept for 30."""
MODELS: Final = (
    "gpt-4o-mini", "gpt-4o", "o4-mini", "claude-sonnet-4", "claude-haiku-4", "gemini-2.5-pro",
    "gemini-2.5-flash", "mistral-large", "llama-4-70b", "qwen-3-32b", "command-r", "nova-pro",
)  # fmt: skip
AGENTS: Final = 20
SERVICES: Final = 12
TEAMS: Final = 8
_COPY_ROWS: Final = 1_000_000
"""About as many rows an INSERT."""


@dataclass(frozen=True, slots=True)
class History:
    """What is stored, and some of the governed entities to ask for: type and id."""

    spans: int
    events: int
    entities: list[list[str]]
    missions: list[str]
    """Missions that were copied, with all their events."""


def make(data_dir: Path, spans: int, events: int, governed: int = GOVERNED_SPANS) -> History:
    """Fill `data_dir`, unless it is filled already with as much."""
    made = data_dir.parent / f"{data_dir.name}.history.json"
    wanted = {"spans": spans, "events": events, "governed": governed}
    if made.exists():
        found = json.loads(made.read_text())
        if found["wanted"] == wanted:
            return History(**found["history"])
        raise ValueError(f"{data_dir} holds another history: {found['wanted']}")
    with running(data_dir) as server:
        asyncio.run(_govern(server, min(governed, spans)))
    answer = subprocess.run(
        [sys.executable, "-m", "bench.history", str(data_dir), str(spans), str(events)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    history = History(**json.loads(answer.stdout.splitlines()[-1]))
    made.write_text(json.dumps({"wanted": wanted, "history": asdict(history)}))
    return history


async def _govern(server: Server, spans: int) -> None:
    async with GrpcSender(server.otlp_grpc) as sender:
        await send_all(Workload().requests(spans, time.time_ns()), sender.send, 8)
        await asyncio.to_thread(server.wait_idle, 3_600.0)


_NEW_MARK: Final = "substring(lower(hex(sipHash64(mark, copy))), 1, 12) AS new_mark"
_KIND: Final = "sipHash64(new_mark) AS kind"
_SHIFT: Final = f"toInt64(kind % {DAYS * 86_400_000}) * 1000000 AS shift"
_MODEL: Final = f"{list(MODELS)!r}[1 + kind % {len(MODELS)}] AS a_model"
_AGENT: Final = f"concat('agent-', toString(intDiv(kind, 100) % {AGENTS})) AS an_agent"
_SERVICE: Final = f"concat('service-', toString(intDiv(kind, 10000) % {SERVICES})) AS a_service"
_TEAM: Final = f"concat('team-', toString(intDiv(kind, 1000000) % {TEAMS})) AS a_team"
_COPIES: Final = "(SELECT {first:UInt32} + number AS copy FROM numbers({copies:UInt32})) AS copies"

_SPANS: Final = f"""
INSERT INTO otel_traces (Timestamp, TraceId, SpanId, ParentSpanId, TraceState, SpanName, SpanKind,
    ServiceName, ResourceAttributes, ScopeName, ScopeVersion, SpanAttributes, Duration, StatusCode,
    StatusMessage, Events.Timestamp, Events.Name, Events.Attributes, Tenant, Node, Seq, ReceivedAt)
WITH right(TraceId, 12) AS mark, {_NEW_MARK}, {_KIND}, {_SHIFT}, {_MODEL}, {_SERVICE}
SELECT
    Timestamp - toIntervalNanosecond(shift),
    replaceOne(TraceId, mark, new_mark), replaceOne(SpanId, mark, new_mark),
    replaceOne(ParentSpanId, mark, new_mark), TraceState,
    replaceOne(SpanName, 'gpt-4o-mini', a_model), SpanKind, a_service, ResourceAttributes,
    ScopeName, ScopeVersion,
    CAST(mapApply((k, v) -> (k, if(v = 'gpt-4o-mini', a_model, replaceOne(v, mark, new_mark))),
        SpanAttributes), 'Map(LowCardinality(String), String)'),
    Duration, StatusCode, StatusMessage,
    arrayMap(t -> t - toIntervalNanosecond(shift), Events.Timestamp), Events.Name,
    Events.Attributes, Tenant, 'copied', Seq, ReceivedAt - toIntervalNanosecond(shift)
FROM (SELECT * FROM otel_traces WHERE Node != 'copied') AS spans CROSS JOIN {_COPIES}
"""

_EVENTS: Final = f"""
INSERT INTO neurorail_events_in
WITH right(mission_id, 12) AS mark, {_NEW_MARK}, {_KIND}, {_SHIFT}, {_MODEL}, {_AGENT}, {_TEAM},
    replaceAll(details, mark, new_mark) AS copied,
    extract(details, '"created_at_unix_nano":(\\d+)') AS created
SELECT
    'copied', epoch, seq, `index`, tenant,
    toUInt64(toUnixTimestamp64Nano(timestamp) - shift),
    toUInt64(event_time_unix_nano - shift),
    channel, event_type, event_category, severity, message,
    replaceOne(mission_id, mark, new_mark), replaceOne(plan_id, mark, new_mark),
    replaceOne(job_id, mark, new_mark), replaceOne(attempt_id, mark, new_mark),
    replaceOne(resource_id, mark, new_mark), entity_type,
    replaceOne(entity_id, mark, new_mark), principal,
    lower(hex(details_hash)), lower(hex(prev_hash)),
    lower(hex(hash)),
    multiIf(
        event_type = 'cost_tracked',
        replaceOne(replaceOne(copied, '"gpt-4o-mini"', concat('"', a_model, '"')),
            '"agent":null', concat('"agent":"', an_agent, '"')),
        event_type = 'metrics_recorded',
        replaceOne(replaceOne(replaceOne(replaceOne(copied,
            '"team":"search"', concat('"team":"', a_team, '"')),
            '"state":"succeeded"', if(kind % 20 = 0, '"state":"failed"', '"state":"succeeded"')),
            concat('"created_at_unix_nano":', created),
            concat('"created_at_unix_nano":', toString(toInt64OrZero(created) - shift))),
            '"duration_ms":900', concat('"duration_ms":', toString(900 + kind % 600000))),
        copied),
    false
FROM (SELECT * FROM neurorail_audit
    WHERE node != 'copied' AND length(mission_id) = 34 AND CONDITION) AS events
CROSS JOIN {_COPIES}
"""

_EVERY: Final = "1"
_OUTCOMES: Final = (
    "(event_type = 'cost_tracked' OR (event_type = 'metrics_recorded' AND entity_type = 'mission'))"
)
"""What is kept of every mission: what it cost, and how it ended."""


def _fill(store: Store, spans: int, events: int) -> None:
    own_spans, own_events, outcomes = (
        int(store.query_rows(sql)[0][0])
        for sql in (
            "SELECT count() FROM otel_traces",
            "SELECT count() FROM neurorail_audit WHERE length(mission_id) = 34",
            f"SELECT count() FROM neurorail_audit WHERE length(mission_id) = 34 AND {_OUTCOMES}",
        )
    )
    copies = max(0, -(-spans // own_spans) - 1)
    _copy(store, _SPANS, own_spans, 0, copies)
    left = max(0, events - own_events - copies * outcomes)
    whole = min(copies, -(-left // (own_events - outcomes)))
    _copy(store, _EVENTS.replace("CONDITION", _EVERY), own_events, 0, whole)
    _copy(store, _EVENTS.replace("CONDITION", _OUTCOMES), outcomes, whole, copies)


def _copy(store: Store, sql: str, rows: int, first: int, last: int) -> None:
    at_once = max(1, _COPY_ROWS // rows)
    for begin in range(first, last, at_once):
        copies = min(at_once, last - begin)
        store.command(
            sql, {"first": begin, "copies": copies}, {"max_partitions_per_insert_block": 0}
        )
        print(f"{begin + copies} of {last} copies", file=sys.stderr, flush=True)


def _look(store: Store) -> History:
    spans, events = (
        int(store.query_rows(f"SELECT count() FROM {table}")[0][0])
        for table in ("otel_traces", "neurorail_audit")
    )
    entities = store.query_rows(
        "SELECT entity_type, entity_id FROM (SELECT DISTINCT entity_type, entity_id FROM "
        "neurorail_state_transitions WHERE node != 'copied' AND length(mission_id) = 34) "
        f"ORDER BY sipHash64(entity_id) LIMIT {SAMPLE}"
    )
    missions = store.query_rows(
        "SELECT DISTINCT mission_id FROM neurorail_state_transitions WHERE node = 'copied' "
        f"ORDER BY sipHash64(mission_id) LIMIT {SAMPLE}"
    )
    found = [list(row) for row in entities]
    return History(spans, events, found, [row[0] for row in missions])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.history", description=__doc__)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("spans", type=int)
    parser.add_argument("events", type=int)
    given = parser.parse_args(arguments)
    store = Store(StoreConfig(f"chdb://{(given.data_dir / 'clickhouse').resolve()}", readers=1))
    store.start()
    _fill(store, given.spans, given.events)
    print(json.dumps(asdict(_look(store))))
    store.stop()


if __name__ == "__main__":
    main()
