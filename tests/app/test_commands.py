from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.app.scripted_server import Script, event, scripted_server
from typer.testing import CliRunner

from neurorail.app.cli import build
from neurorail.app.location import Directory, RunningServer, client_for, running_server
from neurorail.client import Client

TRACE = "/api/neurorail/v1/identity/trace"
ENV = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.fixture
def run() -> Any:
    def invoke(*arguments: str) -> Any:
        return CliRunner().invoke(build(), list(arguments))

    return invoke


@pytest.fixture
def script() -> Iterator[Script]:
    with scripted_server(Script(json={"/health": (200, {"status": "ok"})})) as running:
        yield running


def test_help_names_every_command(run: Any) -> None:
    result = run("--help")
    assert result.exit_code == 0
    for command in ("serve", "demo", "tail", "trace", "doctor", "audit"):
        assert f"  {command} " in result.output


@pytest.mark.parametrize(
    "group",
    ["", "audit", "budget", "keys", "manifest", "reflex", "confirmations", "rules"],
)
def test_summaries_fit_a_terminal_of_80_columns(run: Any, group: str) -> None:
    result = run(*filter(None, [group]), "--help")
    assert "Commands:" in result.output
    assert "..." not in result.output.partition("Commands:")[2]


def test_version_is_shown(run: Any) -> None:
    result = run("--version")
    assert (result.exit_code, result.output[:10]) == (0, "neurorail ")


def test_help_imports_neither_pydantic_settings_nor_the_server() -> None:
    code = (
        "import sys; from neurorail.app.cli import build; build();"
        "print([n for n in ('pydantic_settings', 'fastapi', 'grpc', 'chdb', 'clickhouse_connect')"
        " if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=ENV
    )
    assert done.stdout.strip() == "[]"


def test_command_line_without_its_packages_says_how_to_install_them() -> None:
    code = (
        "import sys; sys.modules['typer'] = None; sys.argv = ['neurorail', 'serve'];"
        "from neurorail.app.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENV)
    assert done.returncode == 2
    assert 'pip install "neurorail[collector]"' in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("serve", "--nonsense"),
        ("trace",),
        ("trace", "x_1"),
        ("serve", "--api", "0.0.0.0:8000"),
        ("serve", "--otlp-grpc", "nowhere"),
        ("serve", "--clickhouse", "ftp://x"),
        ("serve", "--config", "/absent/neurorail.yaml"),
        ("doctor", "--config", "/absent/neurorail.yaml"),
        ("tail", "--config", "/absent/neurorail.yaml"),
        ("trace", "m_1", "--server", "ftp://x"),
    ],
)
def test_wrong_use_ends_with_status_2(run: Any, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_serve_beyond_loopback_says_why_it_refuses(run: Any) -> None:
    result = run("serve", "--api", "0.0.0.0:8000")
    assert "api.address '0.0.0.0:8000' can be reached from other machines" in result.stderr
    assert "neurorail keys create --admin" in result.stderr


def test_trace_asks_for_the_type_of_the_prefix(run: Any, script: Script) -> None:
    body = {"job": {"entity_type": "job", "entity_id": "j_1", "state": "running"}}
    script.json[f"{TRACE}/job/j_1"] = (200, {**body, "descendants": []})
    tree = run("trace", "j_1", "--server", script.url)
    assert tree.exit_code == 0
    assert "job j_1  RUNNING" in tree.output
    machine = run("trace", "j_1", "--server", script.url, "--json")
    assert json.loads(machine.output)["job"] == body["job"]


def test_trace_unknown_entity_ends_with_status_1(run: Any, script: Script) -> None:
    result = run("trace", "m_1", "--server", script.url)
    assert result.exit_code == 1
    assert "nothing here (404)" in result.stderr


@pytest.mark.parametrize(
    ("which", "missions", "status", "says"),
    [
        (["--mission", "m_1"], 1, 0, "erased what was kept of 1 mission\n"),
        (["--subject", "ann"], 2, 0, "erased what was kept of 2 missions\n"),
        (["--subject", "ann"], 0, 0, "erased what was kept of this person: no mission\n"),
        (["--mission", "m_1"], 0, 1, "nothing is known of mission m_1"),
        (["--tenant", "acme"], 0, 1, "nothing is known of tenant acme"),
    ],
)
def test_erase_says_what_it_found(
    run: Any, script: Script, which: list[str], missions: int, status: int, says: str
) -> None:
    told = {"missions": missions, "scope": "mission", "found": status == 0, "remains": []}
    script.json["/api/neurorail/v1/audit/erase"] = (200, told)
    result = run("erase", *which, "--reason", "r", "--server", script.url)
    assert result.exit_code == status
    assert says in result.output


def test_trace_without_a_server_ends_with_status_2(run: Any, free_port: Callable[[], int]) -> None:
    result = run("trace", "m_1", "--server", f"http://127.0.0.1:{free_port()}")
    assert result.exit_code == 2
    assert "neurorail serve" in result.stderr


def test_tail_json_writes_one_event_a_line_and_resumes(run: Any, script: Script) -> None:
    script.streams += [b"retry: 1\n\n" + event("1", "a", x=1), event("2", "b")]
    result = run("tail", "--json", "-c", "audit", "-t", "a", "-e", "m_1", "--server", script.url)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["event_type"] for line in lines] == ["a", "b"]
    assert lines[0]["data"] == {"x": 1}
    stream = [seen for seen in script.seen if seen.path.endswith("/events")]
    assert stream[0].query["channels"] == ["audit"]
    assert stream[0].query["event_types"] == ["a"]
    assert stream[0].query["entity_ids"] == ["m_1"]
    assert stream[1].headers["Last-Event-ID"] == "1"
    # The script has no more: the server refuses, which is not tried again.
    assert result.exit_code == 2


def test_tail_without_a_terminal_writes_plain_lines(run: Any, script: Script) -> None:
    script.streams.append(
        b"retry: 1\n\n" + event("1", "state_changed", entity_type="job", to_state="running")
    )
    result = run("tail", "--server", script.url)
    assert "state_changed" in result.stdout
    assert "job new → running" in result.stdout


def test_running_server_is_none_when_its_process_is_gone(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    said = {"api": "http://127.0.0.1:1", "pid": gone.pid, "token": "t"}
    (tmp_path / "server.json").write_text(json.dumps(said))
    assert running_server(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"api": 1, "pid": "x"}'])
def test_running_server_unreadable_file_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "server.json").write_text(text)
    assert running_server(tmp_path) is None


def test_client_for_uses_what_the_server_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"api": "http://127.0.0.1:1234", "pid": os.getpid(), "token": "t"}
    (tmp_path / "server.json").write_text(json.dumps(said))
    assert running_server(tmp_path) == RunningServer("http://127.0.0.1:1234", os.getpid(), "t")
    usual, other = Directory(tmp_path, named=False), Directory(tmp_path / "other", named=False)
    assert client_for(None, usual).base_url == "http://127.0.0.1:1234"
    assert client_for("http://127.0.0.1:9", usual).base_url == "http://127.0.0.1:9"
    assert client_for(None, other).base_url == "http://127.0.0.1:8000"
    monkeypatch.setenv("NEURORAIL_ENDPOINT", "http://127.0.0.1:10")
    assert client_for(None, usual).base_url == "http://127.0.0.1:10"
    option = Directory(tmp_path, named=True, by_option=True)
    assert client_for(None, option).base_url == "http://127.0.0.1:1234"


def test_serve_runs_until_sigterm(tmp_path: Path) -> None:
    """The real server: one line when ready, an answer to /ready, a clean end, a clean restart."""
    for _ in range(2):
        command = [sys.executable, "-m", "neurorail.app.cli", "serve", "--json"]
        command += ["--data-dir", str(tmp_path / "data")]
        for listener in ("--otlp-grpc", "--otlp-http", "--api"):
            command += [listener, "127.0.0.1:0"]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENV
        ) as server:
            assert server.stdout is not None
            assert server.stderr is not None
            said = json.loads(server.stdout.readline())
            assert set(said) == {"otlp_grpc", "otlp_http", "api"}
            Client(said["api"]).get_json("/ready")
            assert running_server(tmp_path / "data") is not None
            file = tmp_path / "data" / "server.json"
            assert file.stat().st_mode & 0o777 == 0o600
            server.send_signal(signal.SIGTERM)
            output, errors = server.communicate(timeout=150)
        assert server.returncode == 0, errors
        assert output == ""
        assert "every caller there is admin" in errors
        assert "Traceback" not in errors
        assert not file.exists()


STOPPED_BY_ITS_READER = """
import os, signal, sys
from neurorail.app.cli import main

class Output:
    def write(self, text):
        if "otlp_http" in text:
            os.kill(os.getpid(), signal.SIGTERM)

    def flush(self):
        pass

sys.stdout = Output()
main()
"""


def test_serve_can_be_stopped_as_soon_as_it_says_that_it_is_ready(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STOPPED_BY_ITS_READER, "serve", "--json"]
    command += ["--data-dir", str(tmp_path / "data")]
    for listener in ("--otlp-grpc", "--otlp-http", "--api"):
        command += [listener, "127.0.0.1:0"]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env=ENV, timeout=250
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "data" / "server.json").exists()
