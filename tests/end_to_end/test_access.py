"""A server with credentials: both OTLP listeners, the API, the command line, SIGHUP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import grpc
import pytest
from tests.end_to_end.agents import AGENT_S, start_agent
from tests.end_to_end.rail import MS, SERVICES, Chain, Rail, config_file, until
from tests.support.otlp_requests import traces
from tests.support.process import running_server
from tests.support.waiting import PATIENCE_S
from typer.testing import CliRunner

from neurorail.app import cli
from neurorail.client import Client, Problem

KEYS = "/api/neurorail/v1/rbac/keys"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rail]:
    """A server of its own that has an admin key from the start."""
    folder: Path = tmp_path_factory.mktemp("guarded")
    made = CliRunner().invoke(
        cli.build(), ["keys", "create", "--admin", "--data-dir", str(folder / "data")]
    )
    config = config_file(
        folder,
        archive={"linger_ms": 20},
        metrics={"snapshot_interval_s": 2},
        audit={"checkpoint_interval_s": 1},
    )
    with running_server(folder / "data", "--config", str(config)) as server:
        rail = Rail(server)
        rail.client = Client(server.api, made.stdout.strip(), PATIENCE_S)
        yield rail


def span_of(chain: Chain) -> bytes:
    now = time.time_ns()
    return traces(chain.entity("mission", 1, times=(now - MS, now)))


def export(rail: Rail, body: bytes, *metadata: tuple[str, str]) -> None:
    with grpc.insecure_channel(rail.server.otlp_grpc) as channel:
        call = channel.unary_unary(f"{SERVICES}.trace.v1.TraceService/Export", None, None)
        call(body, timeout=60, metadata=metadata)


HEARD = """
    from neurorail.instrumentation import *
    from neurorail.instrumentation.process import process
    configure()
    with mission("m"), attempt():
        while gate_status().state == "connecting":
            pass
    print(gate_status().state)
"""
NO_EXPORT = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "LOGS", "METRICS")}


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ({}, "it wants a key, so set NEURORAIL_API_KEY to an agent key"),
        ({"NEURORAIL_API_KEY": "nr_wrong"}, "it does not take the key in NEURORAIL_API_KEY"),
    ],
)
def test_an_agent_without_a_good_key_is_told_so(
    guarded: Rail, key: dict[str, str], said: str
) -> None:
    agent = start_agent(guarded, HEARD, **NO_EXPORT, **key)
    out, complaints = agent.communicate(timeout=AGENT_S)
    assert (agent.returncode, out) == (0, "refused\n")
    where = f"this process is not governed by {guarded.server.api}"
    assert complaints.splitlines() == [f"neurorail: {where}: {said}"]


def test_telemetry_belongs_to_the_tenant_of_its_key(guarded: Rail) -> None:
    agent = guarded.client.post_json(KEYS, {"agent": True, "tenant": "acme"})["key"]
    over_grpc, over_http = Chain(), Chain()
    export(guarded, span_of(over_grpc), ("authorization", f"Bearer {agent}"))
    answer = guarded.post("traces", span_of(over_http), authorization=f"Bearer {agent}")
    assert answer.status == 200

    def seen(tenant: str, chain: Chain) -> bool:
        found = guarded.get("/missions", tenant=tenant)["missions"]
        return chain.mission in {mission["entity_id"] for mission in found}

    for chain in (over_grpc, over_http):
        until("the mission of acme", partial(seen, "acme", chain))
        assert not seen("default", chain)


def test_without_a_key_nothing_is_taken(guarded: Rail) -> None:
    body = span_of(Chain())
    answer = guarded.post("traces", body)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    with pytest.raises(grpc.RpcError) as refused:
        export(guarded, body)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    viewer = guarded.client.post_json(KEYS, {"role": "viewer"})["key"]
    assert guarded.post("traces", body, authorization=f"Bearer {viewer}").status == 403
    with pytest.raises(grpc.RpcError) as denied:
        export(guarded, body, ("x-api-key", viewer))
    assert denied.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_denials_are_audited(guarded: Rail) -> None:
    with pytest.raises(Problem) as refused:
        Client(guarded.server.api).get_json("/api/neurorail/v1/missions")
    assert refused.value.status == 401

    def told() -> list[dict[str, object]]:
        page = guarded.get("/audit/events", event_type="access_denied")
        details = [event["details"] for event in page["events"]]
        return [each for each in details if each["operation"] == "GET /missions"]

    assert until("the denial", told)[0]["reason"] == "missing"
    assert guarded.metrics()["neurorail_access_denied_total"] >= 1


def test_an_agent_is_no_person(guarded: Rail) -> None:
    agent = guarded.client.post_json(KEYS, {"agent": True})["key"]
    with pytest.raises(Problem) as refused:
        Client(guarded.server.api, agent).get_json("/api/neurorail/v1/missions")
    assert refused.value.status == 403


def test_keys_are_read_anew_on_sighup(guarded: Rail) -> None:
    data = guarded.server.data_dir
    made = guarded.client.post_json(KEYS, {"role": "viewer"})
    viewer = Client(guarded.server.api, made["key"])
    viewer.get_json("/api/neurorail/v1/missions")
    file = data / "keys.json"
    file.write_text(file.read_text().replace('"role": "viewer"', '"role": "operator"'))
    os.kill(guarded.server.process.pid, signal.SIGHUP)

    def role() -> bool:
        found = viewer.get_json("/api/neurorail/v1/rbac/whoami")
        return bool(found["role"] == "operator")

    until("the new role", role)


def test_the_command_line_of_the_same_user_may_ask(guarded: Rail) -> None:
    result = CliRunner().invoke(
        cli.build(), ["keys", "list", "--data-dir", str(guarded.server.data_dir)]
    )
    assert result.exit_code == 0, result.stderr
    assert "admin" in result.stdout


def test_what_is_written_over_rest_passes_the_engine(guarded: Rail) -> None:
    write = partial(guarded.client.post_json, idempotency_key="once")
    made = write("/api/neurorail/v1/identity/mission", {"tags": {"team": "a"}})
    assert write("/api/neurorail/v1/identity/mission", {"tags": {"team": "a"}}) == made
    mission = made["entity_id"]
    path = "/api/neurorail/v1/lifecycle/transition/mission"
    moved = guarded.client.post_json(path, {"entity_id": mission, "transition": "enqueue"})
    assert moved["state"] == "queued"
    with pytest.raises(Problem) as illegal:
        guarded.client.post_json(path, {"entity_id": mission, "transition": "succeed"})
    assert (illegal.value.status, illegal.value.code) == (409, "NR-E301")
    guarded.events(mission, "transition_rejected")


def test_snapshots_are_put_on_record(guarded: Rail) -> None:
    guarded.client.post_json("/api/neurorail/v1/identity/mission", {})

    def taken() -> list[dict[str, object]]:
        page = guarded.get("/audit/events", event_type="snapshot_created")
        return [event["details"] for event in page["events"]]

    counts = until("a snapshot", taken)[0]["entity_counts"]
    assert counts["missions"] >= 1


def test_what_is_archived_can_be_listed_and_added_up(guarded: Rail) -> None:
    post = guarded.client.post_json
    mission = post("/api/neurorail/v1/identity/mission", {"tags": {"of": "lists"}})["entity_id"]
    usage = {"entity_type": "mission", "entity_id": mission, "cost_usd": "0.25", "model": "m-x"}
    post("/api/neurorail/v1/telemetry/record", usage)
    path = "/api/neurorail/v1/lifecycle/transition/mission"
    post(path, {"entity_id": mission, "transition": "cancel"})
    listed = guarded.get("/missions", tag="of=lists", state="cancelled")["missions"]
    assert [row["entity_id"] for row in listed] == [mission]
    assert listed[0]["totals"]["cost_usd"] == 0.25

    def added_up() -> list[dict[str, object]]:
        groups = guarded.get("/usage", group_by="model", model="m-x")["groups"]
        return list(groups)

    assert until("the usage", added_up) == [
        {
            "model": "m-x",
            "calls": 1,
            "unpriced_calls": 0,
            "input_tokens": 0,
            "output_tokens": 0,
            "total_tokens": 0,
            "cost_usd": 0.25,
        }
    ]


def test_a_missions_trail_is_signed_exported_and_verified_elsewhere(
    guarded: Rail, tmp_path: Path
) -> None:
    path = "/api/neurorail/v1/identity/mission"
    mission = guarded.client.post_json(path, {})["entity_id"]
    (event,) = guarded.events(mission, "state_changed")

    def proof() -> dict[str, object] | None:
        try:
            told = guarded.get(f"/audit/proof/{event['audit_id']}")
        except Problem as problem:
            if problem.status != 404:
                raise
            return None
        return dict(told) if told["event"]["proof"] else None

    key = until("the proof", proof)["statements"][0]["public_key"]
    folder, bundle = str(guarded.server.data_dir), tmp_path / "bundle.jsonl"
    exported = CliRunner().invoke(
        cli.build(),
        ["audit", "export", "--mission", mission, "--output", str(bundle), "--data-dir", folder],
    )
    assert exported.exit_code == 0, exported.stderr
    verifier = Path(__file__).resolve().parents[2] / "docs" / "verify_bundle.py"
    said = subprocess.run(
        [sys.executable, str(verifier), str(bundle), key],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.stdout.startswith("PROVEN: 1 of 1 events proven"), said.stdout + said.stderr
    assert said.returncode == 0
    unknown = tmp_path / "unknown.jsonl"
    refused = CliRunner().invoke(
        cli.build(),
        ["audit", "export", "--mission", "m_nope", "--output", str(unknown), "--data-dir", folder],
    )
    assert refused.exit_code == 1, refused.output
    assert "holds no event of mission 'm_nope'" in refused.stderr
    assert not unknown.exists()
    old = guarded.client.post_json("/api/neurorail/v1/audit/rotate-key", {})["public_key"]
    verified = CliRunner().invoke(cli.build(), ["audit", "verify", "--json", "--data-dir", folder])
    report = json.loads(verified.stdout)
    assert report["ok"] is True
    assert report["nodes"][0]["anchors"] >= 1
    wrong = CliRunner().invoke(
        cli.build(), ["audit", "verify", "--public-key", old, "--json", "--data-dir", folder]
    )
    assert wrong.exit_code == 1, "the new key is not the one that signed first"


def test_settings_are_read_anew_on_sighup(guarded: Rail) -> None:
    file = guarded.server.data_dir.parent / "neurorail.yaml"
    settings = json.loads(file.read_text())

    def stored() -> object:
        """What is kept of a detail by that name."""
        logged = guarded.client.post_json(
            "/api/neurorail/v1/audit/log",
            {
                "event_type": "note",
                "event_category": "governance",
                "severity": "info",
                "message": "m",
                "details": {"customer.name": "Ann"},
            },
        )
        found = guarded.get("/audit/events", event_type="audit_logged", limit=1)["events"][0]
        assert found["audit_id"] == logged["audit_id"]
        return json.dumps(found)

    assert "Ann" in str(stored())
    file.write_text(json.dumps(settings | {"content": {"deny_keys": ["customer.*"]}}))
    os.kill(guarded.server.process.pid, signal.SIGHUP)
    until("the rule", lambda: "Ann" not in str(stored()))
