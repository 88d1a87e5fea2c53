"""A server works in its data directory, wherever it was started."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest
from tests.support.process import running_server
from tests.support.waiting import PATIENCE_S, PROGRAM_S
from tests.test_docs_snippets import program, run

from neurorail.app.config import Config
from neurorail.app.working_directory import in_data_directory


def test_relative_paths_keep_their_meaning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = Config.model_validate(
        {
            "data_dir": "data",
            "prices": {"override_file": "prices.yaml"},
            "otlp": {"http": {"tls": {"cert_file": "c.pem", "key_file": "/keys/k.pem"}}},
            "engine": {"lateness_ms": 5},
        }
    )
    with in_data_directory(config) as settled:
        assert Path.cwd() == tmp_path / "data"
        assert settled.data_dir == tmp_path / "data"
        assert settled.prices.override_file == tmp_path / "prices.yaml"
        assert settled.otlp.http.tls.cert_file == tmp_path / "c.pem"
        assert settled.otlp.http.tls.key_file == Path("/keys/k.pem")
        assert settled.engine == config.engine
    assert Path.cwd() == tmp_path


def test_the_data_directory_is_the_owner_s_alone(tmp_path: Path) -> None:
    config = Config.model_validate({"data_dir": tmp_path / "new" / "data"})
    with in_data_directory(config) as settled:
        assert settled.data_dir.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a directory nobody can write")
def test_spans_are_archived_by_a_server_that_may_not_write_where_it_was_started(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/proc")
    assert not os.path.lexists("/proc/__cache__")
    with running_server(tmp_path / "data") as server:
        run(program(root, "send-telemetry.md"), server)
        archive_is_done(server.api)
    assert archived_spans(tmp_path / "data" / "clickhouse") == 3


def archive_is_done(api: str) -> None:
    """Wait until no record waits for the archive."""
    ends = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends:
        with urlopen(f"{api}/metrics", timeout=60) as answer:
            text = answer.read().decode()
        if re.search(r"^otelcol_exporter_queue_size{[^}]*} 0(\.0)?$", text, re.MULTILINE):
            return
        time.sleep(0.05)
    raise AssertionError("records still wait for the archive")


def archived_spans(store: Path) -> int:
    """Rows of `otel_traces`, counted by a process of its own."""
    code = (
        "import clickhouse_connect\n"
        f"client = clickhouse_connect.get_client(interface='chdb', path={str(store)!r})\n"
        "print(client.command('SELECT count() FROM neurorail.otel_traces'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=store.parent, check=True, capture_output=True, text=True, timeout=PROGRAM_S,
    )  # fmt: skip
    return int(done.stdout)
