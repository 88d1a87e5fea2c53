"""After an erasure no file of the server holds what was planted, and the audit still verifies."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from tests.end_to_end.rail import API, MS, Chain, Rail, config_file, until
from tests.support.otlp_requests import set_attributes
from tests.support.process import running_server
from tests.support.stores import clickhouse_server
from tests.support.waiting import PATIENCE_S
from typer.testing import CliRunner

from neurorail.app import cli
from neurorail.collector.store.config import StoreConfig
from neurorail.collector.store.store import Store

SECRET = f"planted-{uuid4().hex}"
PERSON = f"person-{uuid4().hex}"
LOOK_S = 0.5
"""Between two looks into all files."""
CONFIG: dict[str, Any] = {
    "archive": {"linger_ms": 20},
    "audit": {"checkpoint_interval_s": 1},
    "metrics": {"snapshot_interval_s": 0},
}


@pytest.fixture(scope="module", params=["chdb", pytest.param("http", marks=pytest.mark.slow)])
def rail(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rail]:
    """A server on the embedded engine, and one on a ClickHouse beside it."""
    folder = tmp_path_factory.mktemp("erased")
    options = ["--config", str(config_file(folder, **CONFIG))]
    with ExitStack() as stack:
        store = None
        if request.param == "http":
            (folder / "data").mkdir()
            clickhouse = stack.enter_context(clickhouse_server(folder / "data" / "beside"))
            options += ["--clickhouse", clickhouse.url]
            store = Store(StoreConfig(clickhouse.url, readers=1))
        server = stack.enter_context(running_server(folder / "data", *options))
        if store is not None:
            store.start(migrate=False)
            stack.callback(store.stop)
        yield Rail(server, store)


def gauge(person: str, note: str) -> bytes:
    """A gauge whose resource names a person, and no mission."""
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    set_attributes(group.resource.attributes, {"user.id": person})
    point = group.scope_metrics.add().metrics.add(name="g").gauge.data_points.add(as_int=1)
    point.time_unix_nano = time.time_ns()
    set_attributes(point.attributes, {"note": note})
    return request.SerializeToString()


def plant(rail: Rail) -> str:
    """A mission of a person, by telemetry and over REST, with a secret wherever one can be."""
    chain, now = Chain(), time.time_ns()
    more = {"note": SECRET, "user.id": PERSON, "neurorail.tag.note": SECRET}
    rail.send_spans(chain.entity("mission", 1, times=(now - MS, now), **more))
    rail.send("metrics", gauge(PERSON, SECRET))
    rail.ended(chain)
    post = rail.client.post_json
    tags = {"subject": PERSON, "note": SECRET}
    made = post(f"{API}/identity/mission", {"tags": tags, "metadata": {"x": SECRET}})["entity_id"]
    move = {"entity_id": made, "transition": "cancel", "reason": SECRET}
    post(f"{API}/lifecycle/transition/mission", move)
    entry = {
        "event_type": "note", "event_category": "safety", "severity": "info", "message": SECRET,
        "mission_id": made,
    }  # fmt: skip
    post(f"{API}/audit/log", entry)
    return str(made)


def files_with(rail: Rail, *texts: str) -> list[str]:
    """The files of the server, and of the ClickHouse beside it, in which one of the texts is."""
    found = []
    for folder, _, names in os.walk(rail.server.data_dir):
        for name in names:
            # Files come and go meanwhile.
            with suppress(FileNotFoundError):
                content = Path(folder, name).read_bytes()
                if any(text.encode() in content for text in texts):
                    found.append(os.path.relpath(Path(folder, name), rail.server.data_dir))
    return found


def erase(rail: Rail, reason: str) -> str:
    """What the command says that erases the person: again, as it asks, if the archive is behind."""
    arguments = ["erase", "--subject", PERSON, "--reason", reason]

    def erased() -> Any:
        told = CliRunner().invoke(
            cli.build(), [*arguments, "--data-dir", str(rail.server.data_dir)]
        )
        behind = "erase again later" in told.output
        assert behind or told.exit_code == 0, told.output
        return None if behind else told

    return str(until("the erasure", erased).stdout)


def command(rail: Rail, *arguments: str) -> Any:
    """What a command says."""
    told = CliRunner().invoke(cli.build(), [*arguments, "--data-dir", str(rail.server.data_dir)])
    assert told.exit_code == 0, told.output
    return told.stdout


def test_a_person_is_in_no_file_any_more_and_the_audit_verifies(rail: Rail) -> None:
    mission = plant(rail)
    rail.all_is_stored()
    planted = files_with(rail, SECRET, PERSON)
    assert any("inbox" in name for name in planted), planted
    said = erase(rail, "asked for")
    assert said.startswith("erased what was kept of 2 missions"), said
    ends = time.monotonic() + 3 * PATIENCE_S
    while remaining := files_with(rail, SECRET, PERSON):
        assert time.monotonic() < ends, "\n".join(remaining)
        # What ClickHouse still used then, it takes off its disk the next time.
        erase(rail, "again")
        time.sleep(LOOK_S)
    state = rail.get(f"/lifecycle/state/mission/{mission}")
    assert state["state"] == "cancelled", "what was decided stays"
    report = json.loads(command(rail, "audit", "verify", "--json"))
    assert report["ok"] is True, report
    assert report["nodes"][0]["erased_details"] > 0


def test_old_events_are_retained_by_command(rail: Rail) -> None:
    rail.client.post_json(f"{API}/identity/mission", {})

    def removed() -> Any:
        # There has to be a checkpoint that covers them.
        return "removed" in command(rail, "audit", "retain", "--before", "0s")

    until("the removal", removed)
    assert json.loads(command(rail, "audit", "verify", "--json"))["ok"] is True
