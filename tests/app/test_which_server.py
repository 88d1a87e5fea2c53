"""Which server a command asks, and what it says of one that is not there, or is another."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.app.scripted_server import Script, scripted_server
from tests.support.process import ServerProcess, running_server
from typer.testing import CliRunner

from neurorail.app.cli import build

TRACE = "/api/neurorail/v1/identity/trace/mission/m_1"
UNKNOWN = "no mission with id 'm_1' is known (404)"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(tmp_path_factory.mktemp("server") / "data") as running:
        yield running


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("NEURORAIL_"):
            monkeypatch.delenv(name)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(build(), list(arguments))


def test_a_directory_that_is_named_is_not_replaced_by_another_server(
    tmp_path: Path, server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neurorail.app.location.DEFAULT_API", server.api)
    absent = run("trace", "m_1", "--data-dir", str(tmp_path / "absent"))
    assert absent.exit_code == 2
    assert f"the data directory {tmp_path / 'absent'}: there is no such" in absent.stderr
    empty = run("trace", "m_1", "--data-dir", str(tmp_path))
    assert empty.exit_code == 2
    assert f"start it with: neurorail serve --data-dir {tmp_path}" in empty.stderr
    config = tmp_path / "neurorail.yaml"
    config.write_text(f"data_dir: {tmp_path}\n")
    assert "no server runs on" in run("tail", "--config", str(config)).stderr
    assert "no server runs on" in run("audit", "rotate-key", "--data-dir", str(tmp_path)).stderr
    # Nothing is named: the usual address may be asked, and it is said which one was.
    assert f"neurorail: {server.api}: {UNKNOWN}" in run("trace", "m_1").stderr
    monkeypatch.setenv("NEURORAIL_DATA_DIR", str(tmp_path))
    assert "no server runs on" in run("trace", "m_1").stderr


def test_an_option_counts_more_than_a_variable(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEURORAIL_ENDPOINT", "http://127.0.0.1:1")
    of_directory = run("trace", "m_1", "--data-dir", str(server.data_dir))
    assert (of_directory.exit_code, of_directory.stderr) == (
        1, f"neurorail: {server.api}: {UNKNOWN}\n",
    )  # fmt: skip
    assert "http://127.0.0.1:1: " in run("trace", "m_1").stderr
    assert UNKNOWN in run("trace", "m_1", "--server", server.api).stderr


def test_other_ports_of_the_server_are_told_from_its_api(server: ServerProcess) -> None:
    for address in (f"http://{server.otlp_grpc}", server.otlp_http):
        result = run("trace", "m_1", "--server", address)
        assert result.exit_code == 2
        assert result.stderr.startswith(f"neurorail: {address}")
        assert "is that the port of its API? it is 8000" in result.stderr
        assert re.fullmatch(r"[ -~]+\n", result.stderr)


def test_a_channel_that_is_not_known_ends_tail_at_once(server: ServerProcess) -> None:
    result = run("tail", "-c", "nope", "--data-dir", str(server.data_dir))
    assert result.exit_code == 2
    assert "unknown channels 'nope'; known: audit, lifecycle," in result.stderr
    assert "again" not in result.stderr


def test_a_missing_key_is_explained_to_a_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = {"detail": "send `Authorization: Bearer`", "details": {"reason": "missing"}}
    bad = {"detail": "the API key is not known", "details": {"reason": "unknown"}}
    with scripted_server(Script(json={TRACE: (401, refused)})) as script:
        told = run("trace", "m_1", "--server", script.url)
        script.json[TRACE] = (401, bad)
        monkeypatch.setenv("NEURORAIL_API_KEY", "nrk_1")
        other = run("trace", "m_1", "--server", script.url)
    assert told.exit_code == 2
    assert told.stderr == f"neurorail: {script.url}: " + (
        "asks for a key: set NEURORAIL_API_KEY to an API key of that server\n"
    )
    assert "the API key is not known (401); the key was that of NEURORAIL_API_KEY" in other.stderr


def test_ids_of_keys_are_never_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    data = str(tmp_path / "data")
    name = "what the whole crew of the night shift uses"
    for role in ("admin", "viewer"):
        made = run("keys", "create", "--role", role, "--name", name, "--data-dir", data)
        prefix = made.stdout[:12]
        assert prefix in run("keys", "list", "--data-dir", data).stdout


def test_keys_of_a_directory_that_cannot_be_used_end_with_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for directory in (file, file / "below"):
        made = run("keys", "create", "--admin", "--data-dir", str(directory))
        assert (made.exit_code, made.stdout) == (2, "")
        assert f"the data directory {directory} cannot be written: " in made.stderr
    absent = run("keys", "list", "--data-dir", str(tmp_path / "absent"))
    assert absent.exit_code == 2
    assert "there is no data directory" in absent.stderr
    assert not (tmp_path / "absent").exists()
