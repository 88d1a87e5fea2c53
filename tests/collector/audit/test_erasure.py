"""Erasure: what was planted is in no table any more, and the chain still verifies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from tests.end_to_end.rail import until
from tests.support.live_engine import LiveEngine
from tests.support.rail import Rail, running_rail
from tests.support.stores import started_store

from neurorail.api.erasure import create_router
from neurorail.collector.audit.checkpoint import Anchors
from neurorail.collector.audit.checkpointer import Checkpointer
from neurorail.collector.audit.erasure import discard_replaced
from neurorail.collector.decode import encode_observations
from neurorail.collector.decode.decoder import Decoder
from neurorail.collector.envelope import Envelope
from neurorail.collector.store.audit import verify
from neurorail.collector.store.store import Store

API = "/api/neurorail/v1"
SECRET = "planted-secret-4711"
TRACE = "ab" * 16
METRICS = tuple(
    f"otel_metrics_{kind}" for kind in ("gauge", "sum", "summary", "histogram", "exp_histogram")
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("erasure")
    with started_store(f"chdb://{folder}/clickhouse") as found:
        yield found


@dataclass
class Planted:
    """An API with a mission that holds a secret wherever one can be."""

    rail: Rail
    live: LiveEngine
    store: Store
    folder: Path

    async def post(self, path: str, body: Any, status: int = 201) -> Any:
        response = await self.rail.client.post(f"{API}{path}", json=body, timeout=60)
        assert response.status_code == status, response.text
        return response.json()

    async def mission(self, name: str, secret: str, **tags: str) -> None:
        """A mission with a job, an entry, spans and logs, all with a secret."""
        await self.post(
            "/identity/mission",
            {"mission_id": f"m_{name}", "tags": {"note": secret, **tags}, "agent": secret,
             "metadata": {"x": secret}},
        )  # fmt: skip
        for step in ("enqueue", "start"):
            body = {"entity_id": f"m_{name}", "transition": step, "reason": secret}
            await self.post("/lifecycle/transition/mission", body, 200)
        plan = {"plan_id": f"p_{name}", "mission_id": f"m_{name}", "tags": {"note": secret}}
        await self.post("/identity/plan", plan)
        entry = {
            "event_type": secret, "event_category": "safety", "severity": "info",
            "message": f"look: {secret}", "details": {"x": secret}, "mission_id": f"m_{name}",
            "caused_by_agent": secret,
        }  # fmt: skip
        await self.post("/audit/log", entry)
        usage = {"entity_type": "mission", "entity_id": f"m_{name}", "model": secret}
        await self.post("/telemetry/record", usage)
        cancel = {"entity_id": f"m_{name}", "transition": "cancel", "reason": secret}
        await self.post("/lifecycle/transition/mission", cancel, 200)
        trace = TRACE if name == "1" else "cd" * 16
        for table, column in (("otel_traces", "Span"), ("otel_logs", "Log")):
            self.store.command(
                f"INSERT INTO {table} (TraceId, {column}Attributes) VALUES ({{t:String}}, map("
                "'neurorail.mission.id', {m:String}, 'note', {s:String}, 'user.id', {u:String}))",
                {"t": trace, "m": f"m_{name}", "s": secret, "u": f"user-{name}"},
            )

        for table in METRICS:
            self.store.command(
                f"INSERT INTO {table} (MetricName, Attributes, ResourceAttributes) VALUES ('a', "
                "map('neurorail.mission.id', {m:String}, 'note', {s:String}), map()), ('b', "
                "map(), map('user.id', {u:String}))",
                {"m": f"m_{name}", "s": secret, "u": f"user-{name}"},
            )

    def archive(self) -> None:
        """Archive events and, as the server does, what the records said."""
        decoder, rows = Decoder(), []
        for seq, record in enumerate(self.live.records, 1):
            envelope = Envelope(
                seq, record.kind, record.signal, record.encoding, self.live.now, record.tenant,
                record.principal, 1, record.body,
            )  # fmt: skip
            said = encode_observations(decoder.decode(envelope))
            rows.append([record.tenant, "n1", seq, said])
        self.store.insert("neurorail_records", rows, ["tenant", "node", "seq", "observations"])
        self.live.archive(self.store)

    def tables_with(self, text: str) -> list[str]:
        """Every table in which a text is, in any column."""
        found = []
        tables = self.store.query_rows(
            "SELECT name FROM system.tables WHERE database = {database:String} "
            "AND engine LIKE '%MergeTree'",
            {"database": self.store.database},
        )
        for (table,) in tables:
            rows = self.store.query_rows(
                f"SELECT count() FROM {table} WHERE position(toString(tuple(*)), {{t:String}}) > 0",
                {"t": text},
            )
            if rows[0][0]:
                found.append(table)
        return sorted(found)


@dataclass
class NoFiles:
    """A server that keeps everything in memory."""

    live: LiveEngine
    store: Store

    def seal(self) -> None:
        """Nothing to do."""

    async def archived(self) -> bool:
        self.live.archive(self.store)
        return True

    async def scrubbed(self) -> list[str]:
        return []


@pytest.fixture
async def planted(store: Store, tmp_path: Path) -> AsyncIterator[Planted]:
    for (table,) in store.query_rows(
        "SELECT name FROM system.tables WHERE database = {database:String} "
        "AND engine LIKE '%MergeTree' AND name != 'neurorail_migrations'",
        {"database": store.database},
    ):
        store.command(f"TRUNCATE TABLE {table}")
    live = LiveEngine()

    async with running_rail(live=live, store=store) as rail:
        app: FastAPI = rail.app
        app.include_router(create_router(store, NoFiles(live, store)), prefix=API)
        made = Planted(rail, live, store, tmp_path)
        await made.mission("1", SECRET, subject="ann")
        await made.mission("2", "harmless")
        made.archive()
        yield made


@pytest.mark.parametrize(
    "what", [{"mission_id": "m_1"}, {"subject": "ann"}, {"subject": "user-1"}, {"everything": True}]
)
async def test_what_was_planted_is_gone_and_the_chain_holds(
    planted: Planted, what: dict[str, Any]
) -> None:
    before = planted.tables_with(SECRET)
    assert {"neurorail_audit", "neurorail_records", "otel_traces", "otel_logs"} <= set(before)
    signer = Checkpointer(planted.store, "n1", planted.folder, Anchors(planted.folder / "a"),
                          lambda: 1)  # fmt: skip
    head = planted.store.query_rows(
        "SELECT lower(hex(hash)) FROM neurorail_audit ORDER BY seq DESC, `index` DESC LIMIT 1"
    )[0][0]
    assert signer.take(head) is not None
    answer = await planted.post("/audit/erase", {**what, "reason": "asked for"}, 200)
    everything = "everything" in what
    assert answer == {
        "missions": 2 if everything else 1,
        "scope": "tenant" if everything else next(iter(what)).removesuffix("_id"),
        "found": True,
        "remains": ["parts that ClickHouse has replaced, on its disk for at most 600 s"],
    }
    assert planted.tables_with(SECRET) == []
    if everything or what.get("subject") == "user-1":
        assert planted.tables_with("user-1") == []
    assert ("neurorail_audit" in planted.tables_with("harmless")) is not everything
    report = verify(planted.store, anchors=Anchors(planted.folder / "a").read())
    assert report.ok, report.nodes[0].faults
    assert report.nodes[0].erased_details > 0
    assert report.nodes[0].anchors == 1


async def test_nothing_of_it_is_shown_any_more(planted: Planted) -> None:
    await planted.post("/audit/erase", {"mission_id": "m_1", "reason": "asked for"}, 200)
    shown = ""
    for path in (
        "/identity/trace/mission/m_1", "/audit/events", "/missions?paged=true", "/missions",
        "/lifecycle/history/mission/m_1", "/usage?group_by=model", "/telemetry/metrics/m_1",
    ):  # fmt: skip
        response = await planted.rail.client.get(f"{API}{path}")
        assert response.status_code == 200, response.text
        shown += response.text
    assert SECRET not in shown
    assert "harmless" in shown
    state = await planted.rail.get("/lifecycle/state/mission/m_1")
    assert state["state"] == "cancelled", "what was decided stays"
    erased = (await planted.rail.get("/audit/events", event_type="data_erased"))["events"]
    assert erased[0]["details"]["reason"] == "asked for"
    assert erased[0]["details"]["entities"] == 2


@pytest.mark.parametrize("what", [{"mission_id": "m_none"}, {"subject": "nobody"}])
async def test_what_is_not_known_is_not_called_erased(
    planted: Planted, what: dict[str, Any]
) -> None:
    answer = await planted.post("/audit/erase", {**what, "reason": f"asked for {what}"}, 200)
    assert (answer["missions"], answer["found"]) == (0, False)
    assert "neurorail_audit" in planted.tables_with(SECRET)
    erased = (await planted.rail.get("/audit/events", event_type="data_erased"))["events"]
    assert erased[0]["details"]["reason"] == f"asked for {what}", "the order is on record"
    assert erased[0]["details"]["entities"] == 0


async def test_what_was_erased_before_is_known_by_its_hashes(planted: Planted) -> None:
    for _ in range(2):
        answer = await planted.post("/audit/erase", {"mission_id": "m_1", "reason": "r"}, 200)
        assert (answer["missions"], answer["found"]) == (1, True)


@pytest.mark.parametrize(
    "what", [{}, {"mission_id": "m_1", "everything": True}, {"mission_id": "j_1"}]
)
async def test_exactly_one_thing_is_erased(planted: Planted, what: dict[str, Any]) -> None:
    await planted.post("/audit/erase", {**what, "reason": "x"}, 422)
    assert "neurorail_audit" in planted.tables_with(SECRET)


def test_what_clickhouse_has_replaced_leaves_its_disk_at_once(store: Store) -> None:
    # By itself it looks in an hour.
    store.command(
        "ALTER TABLE otel_logs MODIFY SETTING merge_tree_clear_old_parts_interval_seconds = 3600"
    )
    store.command("INSERT INTO otel_logs (TraceId, Body) VALUES ('t', 'kept'), ('t', 'erased')")
    store.command("ALTER TABLE otel_logs DELETE WHERE Body = 'erased'", {}, {"mutations_sync": 2})
    parts = (
        "SELECT count() FROM system.parts WHERE database = currentDatabase() "
        "AND table = 'otel_logs' AND NOT active"
    )
    assert store.query_rows(parts)[0][0] >= 1

    def gone() -> bool:
        # The mutation may hold them for a moment longer.
        discard_replaced(store)
        return bool(store.query_rows(parts)[0][0] == 0)

    until("they are gone", gone)
    assert store.query_rows("SELECT Body FROM otel_logs WHERE TraceId = 't'") == [("kept",)]
