"""Manifests by the command line of a whole server: kept over kill -9, and in their table."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from tests.end_to_end.rail import Chain, Rail, config_file
from tests.end_to_end.test_restarts import embedded
from tests.support.otlp_requests import set_attributes, traces
from tests.support.process import running_server
from tests.support.waiting import PATIENCE_S, active_manifest
from typer.testing import CliRunner

from neurorail.app.cli import build

YAML = "neurorail_manifest: 1\nname: test\nversion: '{}'\ndefault_mode: direct\n"


def command(data: Path, *arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(build(), ["manifest", *arguments, "--data-dir", str(data)])
    assert result.exit_code == status, result.output
    return result.output if status else result.stdout


WAITING = (
    "otelcol_exporter_queue_size{",
    "neurorail_engine_outbox_batches ",
    "neurorail_engine_lag_records ",
)
OWN = """
attributes: {agent: [my.agent], tag.team: [team.name]}
prices: [{model: my-model, input_mtok: 2}]
"""


def called_job(rail: Rail) -> Any:
    """A job with one call, whose telemetry has names of its own."""
    chain, now = Chain(), time.time_ns()
    job = chain.entity("job", 2, times=(now - 10, now))
    set_attributes(job.attributes, {"my.agent": "mine"})
    call = chain.span(3, 4, parent=2, times=(now - 9, now))
    said = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "my-model",
            "gen_ai.usage.input_tokens": 10}  # fmt: skip
    set_attributes(call.attributes, said)
    mission = chain.entity("mission", 1, times=(now - 20, now))
    rail.send("traces", traces(mission, job, call, resource={"team.name": "search"}))
    (found,) = [one for one in rail.ended(chain)["descendants"] if one["entity_type"] == "job"]
    return found


def listed(data: Path) -> Any:
    return json.loads(command(data, "list", "--json"))


REFLEX = """
reflexes:
- id: stuck
  trigger: {no_progress: {silent_for: 1m}}
  actions: [alert: {webhook: %s}, alert: {}]
"""


def test_what_is_wrong_with_a_manifest_is_said_where_it_is_made(tmp_path: Path) -> None:
    data, file, secret = tmp_path / "data", tmp_path / "manifest.yaml", tmp_path / "secret"
    secret.write_text("s" * 32)
    ops = {"name": "ops", "url": "http://127.0.0.1:9/", "secret_file": str(secret)}
    config = config_file(tmp_path, alerts={"webhooks": [ops]})
    with running_server(data, "--config", str(config)):
        file.write_text(YAML.format("2.0") + "".join(f"x{number}: 1\n" for number in range(7)))
        said = command(data, "create", str(file), status=1)
        for number in range(7):
            assert f"{file}:{5 + number}:1: unknown key 'x{number}'" in said
        file.write_text(YAML.format("2.0") + REFLEX % "pager")
        made = CliRunner().invoke(
            build(), ["manifest", "create", str(file), "--data-dir", str(data)]
        )
        assert made.exit_code == 0, made.output
        assert made.stderr.splitlines() == [
            "warning: reflex 'stuck': no webhook 'pager' is configured, its alert is sent nowhere"
        ]
        file.write_text(YAML.format("3.0") + REFLEX % "ops")
        assert json.loads(command(data, "create", str(file), "--json"))["warnings"] == []


def test_manifest_by_the_command_line(tmp_path: Path) -> None:
    data = tmp_path / "data"
    file = tmp_path / "manifest.yaml"
    file.write_text(YAML.format("2.0"))
    with running_server(data) as server:
        assert "default_mode: direct" in command(data, "show")
        assert command(data, "create", str(file)).startswith("2.0 is draft, sha256 ")
        assert "NR-E110" in command(data, "create", str(file), status=1)
        assert "its gate: 0 evaluations" in command(data, "shadow", "2.0")
        assert "NR-E132" in command(data, "activate", "2.0", status=1)
        assert "needs a --reason" in command(data, "activate", "2.0", "--force", status=2)
        command(data, "activate", "2.0", "--force", "--reason", "first")
        server.kill()
    with running_server(data) as server:
        active_manifest(server.api, "2.0")
        assert listed(data)["active"]["version"] == "2.0"
        assert command(data, "show") == YAML.format("2.0")
        assert json.loads(command(data, "show", "2.0", "--json"))["state"] == "active"
        assert "in force: 2.0" in command(data, "list")
        assert json.loads(command(data, "retire", "2.0", "--json"))["state"] == "retired"
        command(data, "show", "7", status=1)
        file.write_text(YAML.format("3.0") + OWN)
        command(data, "create", str(file))
        command(data, "activate", "3.0", "--force", "--reason", "own names")
        job = called_job(Rail(server))
        assert (job["agent"], job["tags"]) == ("mine", {"team": "search"})
        assert job["totals"]["cost_usd"] == 0.00002
        archived(server.api)
    with embedded(data) as store:
        rows = store.query(
            "SELECT version, status, change_reason, changed_by, manifest != '' AS whole, "
            "chain_sha256 != '' AS linked FROM governor_manifests WHERE version = '2.0' "
            "ORDER BY seq, `index`"
        )
    assert [(row["status"], row["change_reason"]) for row in rows] == [
        ("draft", ""), ("shadow", ""), ("active", "first"), ("retired", ""),
    ]  # fmt: skip
    assert [row["whole"] for row in rows] == [1, 0, 0, 0]
    assert rows[0]["linked"] == 1


def test_history_of_a_server_is_replayed_from_its_store_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    file = tmp_path / "manifest.yaml"
    file.write_text(YAML.format("2.0") + OWN)
    with running_server(data) as server:
        called_job(Rail(server))
        command(data, "create", str(file))
        command(data, "activate", "2.0", "--force", "--reason", "own names")
        called_job(Rail(server))
        archived(server.api)
        # The server holds the store: it does it itself, beside its work.
        beside = json.loads(rules(data, "replay", "--json"))
        assert beside["equal"]
        backtested(data, tmp_path)
        assert "not 'x'" in rules(data, "replay", "--node", "x", status=2)
        assert "there are: none" in rules(data, "replay", "--after", "3", status=1)
        archived(server.api)
    report = json.loads(rules(data, "replay", "--json"))
    assert report["records"] > beside["records"] >= 5
    assert report["equal"]
    assert report["events"] > 20
    assert report["records"] >= 5
    assert "replayed " + report["digest"] in rules(data, "replay", "--through", "999")
    backtested(data, tmp_path)
    with embedded(data) as store:
        store.command("ALTER TABLE neurorail_audit DELETE WHERE event_type = 'manifest_activated'",
                      settings={"mutations_sync": 2})  # fmt: skip
    assert "manifest_activated" in rules(data, "replay", status=1)
    assert "no record of node 'x' is stored" in rules(data, "replay", "--node", "x", status=2)
    assert "holds no data" in rules(tmp_path / "none", "replay", status=2)


def backtested(data: Path, folder: Path) -> None:
    """The manifest that refuses every call, tried on what the server has stored."""
    strict, page = folder / "strict.yaml", folder / "report.html"
    rule = "mode_rules: [{id: nothing, mode: rail, effect: refuse}]\n"
    strict.write_text(YAML.format("strict") + rule)
    options = ("backtest", "--manifest", str(strict))
    body = json.loads(rules(data, *options, "--json", "--html", str(page), "--since", "1d"))
    assert body["calls"]["all"] == body["calls"]["newly_refused"] == 2
    assert body["new"]["rules"]["nothing"]["false_positive_candidates"] == 2
    assert body["against"]["version"] == "2.0"
    assert "Backtest of manifest strict" in page.read_text()
    said = rules(data, *options, "--against", str(strict), "--html", str(page))
    assert "nothing" in said
    assert "newly refused" in said
    assert "/neurorail/trace?mission=m_" in said
    assert "not exact: agents are taken" in said
    assert "was received then" in rules(data, *options, "--since", "2100-01-01", status=1)
    assert "is no time" in rules(data, *options, "--since", "tomorrow", status=2)
    strict.write_text("polls: []")
    assert "unknown key 'polls'" in rules(data, *options, status=1)


def archived(api: str) -> None:
    """Wait until everything that happened is in the store."""
    ends = time.monotonic() + PATIENCE_S
    while True:
        with urlopen(f"{api}/metrics") as answer:
            said = answer.read().decode()
        waiting = [line for line in said.splitlines() if line.startswith(WAITING)]
        assert len(waiting) == len(WAITING)
        if all(line.endswith(" 0.0") for line in waiting):
            return
        assert time.monotonic() < ends, waiting
        time.sleep(0.05)


def rules(data: Path, *arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(build(), ["rules", *arguments, "--data-dir", str(data)])
    assert result.exit_code == status, result.output
    return result.output if status else result.stdout


@pytest.mark.slow
def test_replay_begins_at_a_state_that_the_server_stored(tmp_path: Path) -> None:
    data, config = tmp_path / "data", tmp_path / "neurorail.yaml"
    config.write_text("archive: {state_interval_s: 1}\n")
    with running_server(data, "--config", str(config)) as server:
        called_job(Rail(server))
        ends = time.monotonic() + PATIENCE_S
        while not (data / "engine-state.db").exists():
            assert time.monotonic() < ends
            time.sleep(0.001)
        while (data / "engine-state.db").exists():
            time.sleep(0.001)
        called_job(Rail(server))
        archived(server.api)
    none = rules(data, "replay", "--after", "999", status=2)
    seq = none.split("there are: ")[1].split(",")[0].strip()
    assert json.loads(rules(data, "replay", "--after", seq, "--json"))["equal"]
