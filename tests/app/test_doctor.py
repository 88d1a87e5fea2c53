from __future__ import annotations

import fcntl
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from neurorail.app.cli import build
from neurorail.app.config import Config
from neurorail.app.config_load import load
from neurorail.app.doctor import machine, prices, server, store
from neurorail.app.doctor.finding import Finding
from neurorail.app.location import RunningServer

NOBODY = RunningServer("http://127.0.0.1:1", os.getpid(), None)


def config(data_dir: Path, **more: Any) -> Config:
    return load(None, {"data_dir": data_dir, **more})


def test_directory_that_is_not_there_can_be_made(tmp_path: Path) -> None:
    assert machine.directory(config(tmp_path / "a" / "b")).status == "ok"


def test_directory_that_is_a_file_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("")
    assert machine.directory(config(file)).status == "wrong"


def test_directory_that_others_can_read_is_a_warning(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    found = machine.directory(config(tmp_path))
    assert (found.status, found.remedy) == ("warning", f"chmod 700 {tmp_path}")
    tmp_path.chmod(0o700)
    assert machine.directory(config(tmp_path)).status == "ok"


def test_lock_is_free_held_by_a_server_or_held_by_a_stranger(tmp_path: Path) -> None:
    assert machine.lock(config(tmp_path), None).status == "ok"
    with (tmp_path / "lock").open("w") as file:
        file.write("77")
        file.flush()
        assert machine.lock(config(tmp_path), None).status == "ok"
        fcntl.flock(file, fcntl.LOCK_EX)
        assert machine.lock(config(tmp_path), NOBODY).status == "ok"
        stranger = machine.lock(config(tmp_path), None)
    assert stranger.status == "wrong"
    assert "process 77" in stranger.detail


@pytest.mark.parametrize(
    ("least", "status"), [(0, "ok"), (1 << 60, "wrong")], ids=["plenty", "below the mark"]
)
def test_disk_is_compared_with_the_mark_of_the_inbox(
    tmp_path: Path, least: int, status: str
) -> None:
    settings = config(tmp_path / "not" / "there", inbox={"min_free_bytes": least})
    assert machine.disk(settings).status == status


def test_ports_taken_by_a_stranger_are_wrong(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = config(
            tmp_path,
            api={"address": address},
            otlp={"grpc": {"address": ":0"}, "http": {"address": ":0"}},
        )
        found = {finding.check: finding for finding in machine.ports(settings, None)}
        assert [finding.status for finding in found.values()] == ["ok", "ok", "wrong"]
        assert "in use" in found["port API"].detail
        ours = {finding.check: finding for finding in machine.ports(settings, NOBODY)}
        assert {finding.status for finding in ours.values()} == {"ok"}


def test_clock_behind_what_was_written_is_wrong(tmp_path: Path) -> None:
    settings = config(tmp_path)
    assert machine.clock(settings).status == "ok"
    (tmp_path / "inbox").mkdir()
    file = tmp_path / "inbox" / "1.db"
    file.write_text("")
    assert machine.clock(settings).status == "ok"
    ahead = file.stat().st_mtime + 3_600
    os.utime(file, (ahead, ahead))
    assert machine.clock(settings).status == "wrong"


def test_server_that_does_not_answer_is_wrong() -> None:
    assert [finding.status for finding in server.running(None)] == ["ok"]
    assert [finding.status for finding in server.running(NOBODY)] == ["wrong"]


def test_prices_of_a_file_are_read(tmp_path: Path) -> None:
    assert prices.prices(config(tmp_path)).detail.startswith("genai-prices ")
    file = tmp_path / "prices.yaml"
    for text, status in (
        ("- {model: mine, input_mtok: 1.5}\n", "ok"),
        ("- {modle: mine}\n", "wrong"),
        ("model: mine\n", "wrong"),
        ("[", "wrong"),
    ):
        file.write_text(text)
        found = prices.prices(config(tmp_path, prices={"override_file": file}))
        assert found.status == status, text
    absent = config(tmp_path, prices={"override_file": tmp_path / "absent"})
    assert prices.prices(absent).status == "wrong"


def test_clickhouse_that_is_away_is_wrong(tmp_path: Path) -> None:
    settings = config(tmp_path, clickhouse={"url": "http://127.0.0.1:1"})
    assert [finding.status for finding in store.clickhouse(settings, None)] == ["wrong"]


def test_doctor_json_says_all_and_ends_with_status_1_when_something_is_wrong(
    tmp_path: Path,
) -> None:
    file = tmp_path / "neurorail.yaml"
    file.write_text(
        "otlp: {grpc: {address: ':0'}, http: {address: ':0'}}\napi: {address: ':0'}\n"
        f"data_dir: {tmp_path / 'data'}\n"
    )
    runner = CliRunner()
    well = runner.invoke(build(), ["doctor", "--json", "--config", str(file)])
    said = json.loads(well.output)
    assert (well.exit_code, said["ok"]) == (0, True)
    assert {check["check"] for check in said["checks"]} >= {
        "data directory",
        "lock",
        "disk space",
        "server",
        "clickhouse",
        "prices",
        "clock",
        "open files",
        "engine",
    }
    file.write_text(file.read_text() + "inbox: {min_free_bytes: 1152921504606846976, "
                    "max_bytes: 1152921504606846976}\n")  # fmt: skip
    ill = runner.invoke(build(), ["doctor", "--config", str(file)])
    assert ill.exit_code == 1
    assert "wrong" in ill.output


def test_finding_needs_no_remedy() -> None:
    assert Finding("a", "ok", "b").remedy == ""
