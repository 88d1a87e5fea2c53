from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from tests.app.scripted_server import Script, scripted_server
from tests.support.rail import AnsweringInbox, open_access
from typer.testing import CliRunner

from neurorail.api import audit_verify, problems
from neurorail.api.audit_verify import OnProgress, VerifyBody, create_router
from neurorail.app.cli import build
from neurorail.app.config_load import load
from neurorail.app.service import Service
from neurorail.collector.engine.journal import Journal
from neurorail.collector.store.audit import NodeReport, VerificationReport
from neurorail.collector.store.config import StoreConfig
from neurorail.collector.store.store import Store

VERIFY = "/api/neurorail/v1/audit/verify"


def a_report(*, faults: int = 0) -> VerificationReport:
    node = NodeReport("n1", events=3, last_event_id="n1.1.2.0", last_hash="ab")
    for at in range(faults):
        node.add("altered", f"n1.1.{at}.0", "the hash is not that of what the row says")
    return VerificationReport((node,))


def app(verify: Callable[[OnProgress], VerificationReport]) -> FastAPI:
    made = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})
    problems.install(made)

    async def on_a_thread(asked: VerifyBody, tell: OnProgress) -> VerificationReport:
        return await asyncio.to_thread(verify, tell)

    made.state.dependencies = SimpleNamespace(access=open_access(AnsweringInbox()))
    made.include_router(create_router(on_a_thread), prefix="/api/neurorail/v1")
    return made


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_route_tells_progress_and_then_the_report() -> None:
    told = threading.Event()

    def verify(tell: OnProgress) -> VerificationReport:
        tell(1, 3)
        told.set()
        return a_report()

    with TestClient(app(verify)) as client:
        answer = client.get(VERIFY)
    assert answer.headers["content-type"] == "application/x-ndjson"
    *progress, last = lines_of(answer.text)
    assert all(line == {"checked": 1, "total": 3} for line in progress)
    assert last["report"]["ok"] is True
    assert last["report"]["nodes"][0]["last_hash"] == "ab"
    assert told.is_set()


def test_route_store_that_cannot_be_read_is_told() -> None:
    def verify(tell: OnProgress) -> VerificationReport:
        raise OSError("the disk is gone")

    with TestClient(app(verify)) as client:
        assert lines_of(client.get(VERIFY).text) == [{"error": "the disk is gone"}]


def test_route_runs_one_verification_at_a_time() -> None:
    started, release = threading.Event(), threading.Event()

    def verify(tell: OnProgress) -> VerificationReport:
        started.set()
        assert release.wait(60)
        return a_report()

    with TestClient(app(verify)) as client:
        answers: list[Any] = []
        first = threading.Thread(target=lambda: answers.append(client.get(VERIFY)))
        first.start()
        assert started.wait(60)
        refused = client.get(VERIFY)
        release.set()
        first.join()
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert lines_of(answers[0].text)[-1]["report"]["ok"] is True
        # The next one may run again.
        assert client.get(VERIFY).status_code == 200


async def test_route_client_that_goes_away_ends_the_verification() -> None:
    def verify(tell: OnProgress) -> VerificationReport:
        while True:
            tell(1, 3)
            time.sleep(0.001)  # The thread of the loop gets its turn.

    async def on_a_thread(asked: VerifyBody, tell: OnProgress) -> VerificationReport:
        return await asyncio.to_thread(verify, tell)

    running = asyncio.Lock()
    await running.acquire()
    lines = audit_verify._Run(on_a_thread, VerifyBody(), running).lines()
    assert json.loads(await anext(lines)) == {"checked": 1, "total": 3}
    await lines.aclose()  # type: ignore[attr-defined]
    async with asyncio.timeout(60), running:
        """The next one may run."""


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A directory in which a server ran."""
    folder = tmp_path / "data"
    addresses = {"address": "127.0.0.1:0"}

    async def once() -> None:
        options = {
            "data_dir": folder,
            "otlp": {"grpc": addresses, "http": addresses},
            "api": addresses,
        }
        service = Service(load(None, options))
        await service.start()
        await service.stop()

    asyncio.run(once())
    return folder


def verify(folder: Path, *more: str) -> Any:
    return CliRunner().invoke(build(), ["audit", "verify", "--data-dir", str(folder), *more])


def test_verify_without_a_server_reads_the_store_and_finds_what_was_changed(
    data_dir: Path,
) -> None:
    holds = verify(data_dir, "--json")
    assert holds.exit_code == 0, holds.output
    report = json.loads(holds.stdout)
    assert report["ok"] is True
    assert report["events"] > 0
    said = verify(data_dir)
    assert said.exit_code == 0
    assert "the chain holds" in said.stdout
    assert "no checkpoint covers any of them yet" in said.stdout

    store = Store(StoreConfig(f"chdb://{(data_dir / 'clickhouse').resolve()}"))
    store.start(migrate=False)
    store.command(
        "ALTER TABLE neurorail_audit UPDATE message = 'nothing happened' WHERE seq = 1 "
        "SETTINGS mutations_sync = 2"
    )
    store.stop()
    broken = verify(data_dir)
    assert broken.exit_code == 1
    assert "altered" in broken.stdout
    assert "NR-E302" in broken.stdout


def test_verify_finds_rows_cut_off_at_the_end(data_dir: Path) -> None:
    # What the outbox no longer holds must be in the table.
    with sqlite3.connect(data_dir / "engine.db") as connection:
        connection.execute("DELETE FROM outbox")
    connection.close()
    store = Store(StoreConfig(f"chdb://{(data_dir / 'clickhouse').resolve()}"))
    store.start(migrate=False)
    newest = store.query_rows("SELECT max((seq, `index`)) FROM neurorail_audit")[0][0]
    store.command(
        "DELETE FROM neurorail_audit WHERE (seq, `index`) = ({seq:UInt64}, {index:UInt32})",
        {"seq": newest[0], "index": newest[1]},
    )
    store.stop()
    cut = verify(data_dir, "--json")
    assert cut.exit_code == 1
    report = json.loads(cut.stdout)
    faults = report["nodes"][0]["faults"]
    assert [fault["kind"] for fault in faults] == ["head_missing"]


def test_archived_head_is_where_the_outbox_begins(data_dir: Path) -> None:
    journal = Journal(data_dir / "engine.db")
    journal.open()
    try:
        waiting = journal.unarchived()
        head = journal.archived_head()
        if waiting:
            assert head.encode() in waiting[0].lines.splitlines()[0]
        journal.prune(journal.progress.ordinal)
        assert journal.archived_head() == journal.progress.audit.hex()
    finally:
        journal.close()


def test_verify_without_data_ends_with_status_2(tmp_path: Path) -> None:
    result = verify(tmp_path / "absent")
    assert result.exit_code == 2
    assert "holds no data" in result.stderr


@pytest.mark.parametrize(
    ("answer", "status", "says"),
    [
        ({"report": {"ok": True, "events": 3, "nodes": []}}, 0, "the chain holds: 3 events"),
        ({"report": {"ok": False, "events": 3, "nodes": []}}, 1, "does not hold"),
        ({"error": "no disk"}, 2, "no disk"),
        ({"checked": 1, "total": 2}, 2, "ended before"),
    ],
)
def test_verify_with_a_server_asks_it(
    tmp_path: Path, answer: dict[str, Any], status: int, says: str
) -> None:
    body = json.dumps({"checked": 1, "total": 9}) + "\n" + json.dumps(answer) + "\n"
    script = Script(json={VERIFY: (200, body.encode())})
    with scripted_server(script):
        said = {"api": script.url, "pid": os.getpid(), "token": "secret"}
        (tmp_path / "server.json").write_text(json.dumps(said))
        result = verify(tmp_path)
    assert result.exit_code == status
    assert says in result.output
    assert script.seen[0].headers["Authorization"] == "Bearer secret"


def test_a_key_that_has_signed_nothing_proves_nothing(data_dir: Path, tmp_path: Path) -> None:
    anchors = tmp_path / "anchors.jsonl"
    anchors.write_text("")
    for more in (["--public-key", "11" * 32], ["--anchors", str(anchors)]):
        result = verify(data_dir, *more)
        assert result.exit_code == 1, result.output
        assert "not proven: nothing contradicts" in result.stderr
        assert "the chain holds" not in result.output
    nothing = verify(data_dir, "--from", "999999")
    assert nothing.exit_code == 1
    assert "there is no event to verify" in nothing.stderr
    assert verify(data_dir, "--public-key", "deadbeef").exit_code == 2


def export(folder: Path, mission: str, *more: str) -> Any:
    return CliRunner().invoke(
        build(), ["audit", "export", "--mission", mission, "--data-dir", str(folder), *more]
    )


def test_an_unknown_mission_is_not_exported(data_dir: Path, tmp_path: Path) -> None:
    written = tmp_path / "bundle.jsonl"
    refused = export(data_dir, "m_nope", "--output", str(written))
    assert refused.exit_code == 1
    assert "the archive holds no event of mission 'm_nope'" in refused.stderr
    assert not written.exists()


def test_export_says_how_many_events_are_not_signed_yet(tmp_path: Path) -> None:
    lines = [
        b'{"kind":"bundle"}',
        *[b'{"kind":"event","proof":null}'] * 2,
        b'{"proof":{"place":1}}',
    ]
    body = b"".join(line + b"\n" for line in lines)
    written = tmp_path / "bundle.jsonl"
    script = Script(json={"/api/neurorail/v1/audit/export": (200, body)})
    with scripted_server(script):
        said = {"api": script.url, "pid": os.getpid(), "token": None}
        (tmp_path / "server.json").write_text(json.dumps(said))
        result = export(tmp_path, "m_1", "--output", str(written))
    assert result.exit_code == 0, result.output
    assert "not signed yet: 2; the next checkpoint covers them" in result.stderr
    assert written.read_bytes() == body


def test_verify_names_no_more_faults_than_fit(tmp_path: Path) -> None:
    from neurorail.api.audit_verify import report_body

    body = json.dumps({"report": report_body(a_report(faults=30))}).encode()
    script = Script(json={VERIFY: (200, body)})
    with scripted_server(script):
        said = {"api": script.url, "pid": os.getpid(), "token": None}
        (tmp_path / "server.json").write_text(json.dumps(said))
        result = verify(tmp_path)
    assert result.exit_code == 1
    assert result.stdout.count("altered: ") == 20
    assert "and 10 more" in result.stdout


def proof(folder: Path, event: str, *more: str) -> Any:
    return CliRunner().invoke(build(), ["audit", "proof", event, "--data-dir", str(folder), *more])


def test_proof_without_a_server_reads_the_store(data_dir: Path, tmp_path: Path) -> None:
    first = json.loads(verify(data_dir, "--json").stdout)["nodes"][0]["first_event_id"]
    written = tmp_path / "event.jsonl"
    early = proof(data_dir, first, "--output", str(written))
    assert early.exit_code == 1, "no checkpoint was due yet"
    assert "the next checkpoint will cover it" in early.output
    lines = [json.loads(line) for line in written.read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["bundle", "event"]
    node = first.rsplit(".", 3)[0]
    assert "no archived event" in proof(data_dir, f"{node}.1.999.0").output
    assert proof(data_dir, "nonsense").exit_code == 2
    assert proof(tmp_path / "absent", first).exit_code == 2


def test_proof_with_a_server_asks_it(tmp_path: Path) -> None:
    path = "/api/neurorail/v1/audit/proof"
    told = {
        "event": {"kind": "event", "proof": {"place": 0}},
        "statements": [{"kind": "checkpoint"}],
    }
    answers = {f"{path}/n1.1.2.0": (200, json.dumps(told).encode())}
    script = Script(json=answers)
    with scripted_server(script):
        said = {"api": script.url, "pid": os.getpid(), "token": None}
        (tmp_path / "server.json").write_text(json.dumps(said))
        found = proof(tmp_path, "n1.1.2.0")
        absent = proof(tmp_path, "n1.1.3.0")
    assert found.exit_code == 0, found.output
    kinds = [json.loads(line)["kind"] for line in found.stdout.splitlines()]
    assert kinds == ["bundle", "checkpoint", "event"]
    assert absent.exit_code == 1
