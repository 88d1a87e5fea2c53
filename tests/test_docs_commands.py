"""Commands printed in the documents are run, as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.end_to_end.rail import MS, SECOND, Chain, Rail
from tests.support.otlp_requests import traces
from tests.support.process import running_server
from tests.support.stores import clickhouse_server
from tests.support.waiting import PROGRAM_S, ended_mission

PORTS = ("8000", "4318", "4317")


def commands(root: Path, page: str, mark: str) -> str:
    """All blocks of a page with a mark, one after the other."""
    text = (root / "docs" / page).read_text(encoding="utf-8")
    found = re.findall(rf"<!-- test: {mark} -->\n```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no commands that are marked {mark}"
    return "".join(found)


def bash(script: str, folder: Path, **variables: str) -> str:
    """What a script prints; it must end with status 0.

    It has job control, as a person's shell has, and nothing of it is left behind.
    """
    scripts = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        **variables,
    }
    done = subprocess.run(
        ["bash", "-c", f"set -eum\ntrap 'kill -9 $(jobs -p) 2>/dev/null || true' EXIT\n{script}"],
        check=False, capture_output=True, text=True, timeout=PROGRAM_S, cwd=folder, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
def test_the_tutorial_works_word_for_word(
    root: Path, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    script = commands(root, "tutorial.md", "tutorial")
    addresses = {}
    for usual, name in zip(PORTS, ("API", "OTLP__HTTP", "OTLP__GRPC"), strict=True):
        port = str(free_port())
        script = script.replace(f":{usual}", f":{port}")
        addresses[f"NEURORAIL_{name}__ADDRESS"] = f"127.0.0.1:{port}"
    # The gate of an agent asks at port 8000 where it is told nothing else.
    asked = f"http://{addresses['NEURORAIL_API__ADDRESS']}"
    said = bash(script, tmp_path, NEURORAIL_ENDPOINT=asked, **addresses)
    assert said.count('"status":"ready"') == 2
    missions = set(re.findall(r"\bmission (m_[0-9a-f]+)", said))
    assert len(missions) == 2
    assert "stopped at its budget" in said
    assert '"code":"NR-E002"' in said
    assert '"violation_type":"tokens"' in said
    assert '"allowed":false' in said
    assert '"reason":"mission used up its tokens budget"' in said
    assert re.search(r'"total_events":\d{2,}', said)
    assert not (tmp_path / "tutorial").exists()


def test_a_call_is_told_with_nothing_but_curl(root: Path, tmp_path: Path) -> None:
    with running_server(tmp_path / "data") as server:
        script = commands(root, "send-telemetry.md", "curl")
        said = bash(
            script.replace("http://localhost:4318", server.otlp_http) + 'echo " m_$TRACE"', tmp_path
        )
        answer, mission = said.split()
        assert answer == "{}"
        tree = ended_mission(server.api, mission)
        assert tree["mission"]["totals"]["total_tokens"] == 1_500


@pytest.mark.slow
def test_a_backup_restores_everything(root: Path, tmp_path: Path) -> None:
    original, restored, backup = tmp_path / "data", tmp_path / "restored", tmp_path / "backup"
    chains = [Chain(), Chain()]
    with running_server(original) as server:
        rail = Rail(server)
        for chain in chains:
            now = time.time_ns()
            spans = [
                chain.span(2, 4, parent=1, times=(now - 5 * MS, now)),
                chain.entity("mission", 1, times=(now - SECOND, now)),
            ]
            rail.send("traces", traces(*spans))
        before = [rail.ended(chain) for chain in chains]
        rail.all_is_stored()
    documented = (root / "docs" / "operating.md").read_text(encoding="utf-8")
    for path in original.iterdir():
        name = path.name.removesuffix("-wal").removesuffix("-shm")
        assert f"`{name}{'/' * path.is_dir()}`" in documented, path.name
    bash(commands(root, "backup.md", "backup"), tmp_path, DATA=str(original), BACKUP=str(backup))
    assert backup.stat().st_mode & 0o077 == 0
    bash(commands(root, "backup.md", "restore"), tmp_path, DATA=str(restored), BACKUP=str(backup))
    with running_server(restored) as server:
        rail = Rail(server)
        assert [rail.ended(chain) for chain in chains] == before
        # It goes on where it stopped, under the same name.
        assert (restored / "node").read_text() == (original / "node").read_text()
        third = Chain()
        rail.send("traces", traces(third.entity("mission", 1, times=(SECOND, 2 * SECOND))))
        rail.ended(third)
    bash(f"neurorail audit verify --data-dir {restored}", tmp_path)


@pytest.mark.slow
def test_a_backup_of_directory_and_clickhouse_restores_everything(
    root: Path, tmp_path: Path
) -> None:
    original, restored, backup = tmp_path / "data", tmp_path / "restored", tmp_path / "backup"
    chain, name = Chain(), str(tmp_path / "backups" / "tonight")
    with clickhouse_server(tmp_path / "clickhouse") as clickhouse:
        with running_server(original, "--clickhouse", clickhouse.url) as server:
            rail = Rail(server)
            now = time.time_ns()
            rail.send("traces", traces(chain.entity("mission", 1, times=(now - SECOND, now))))
            before = rail.ended(chain)
            rail.all_is_stored()
        both = ("backup", "clickhouse backup")
        bash(
            "".join(commands(root, "backup.md", mark) for mark in both),
            tmp_path, DATA=str(original), BACKUP=str(backup), CLICKHOUSE=clickhouse.url, NAME=name,
        )  # fmt: skip
    with clickhouse_server(tmp_path / "another") as clickhouse:
        url = clickhouse.url
        bash(
            commands(root, "backup.md", "clickhouse restore")
            + commands(root, "backup.md", "restore"),
            tmp_path, DATA=str(restored), BACKUP=str(backup), CLICKHOUSE=url, NAME=name,
            NEURORAIL_CLICKHOUSE__URL=url,
        )  # fmt: skip
        with running_server(restored, "--clickhouse", url) as server:
            rail = Rail(server)
            assert rail.ended(chain) == before
            second = Chain()
            rail.send("traces", traces(second.entity("mission", 1, times=(SECOND, 2 * SECOND))))
            rail.ended(second)
            rail.all_is_stored()
        variables = {"NEURORAIL_CLICKHOUSE__URL": url}
        bash(f"neurorail audit verify --data-dir {restored}", tmp_path, **variables)
