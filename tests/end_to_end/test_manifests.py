"""Manifests by the command line of a whole server: kept over kill -9, and in their table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.end_to_end.test_restarts import embedded
from tests.support.process import running_server
from tests.support.waiting import active_manifest
from typer.testing import CliRunner

from neurorail.app.cli import build

YAML = "neurorail_manifest: 1\nname: test\nversion: '{}'\ndefault_mode: direct\n"


def command(data: Path, *arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(build(), ["manifest", *arguments, "--data-dir", str(data)])
    assert result.exit_code == status, result.output
    return result.output if status else result.stdout


def listed(data: Path) -> Any:
    return json.loads(command(data, "list", "--json"))


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
    with embedded(data) as store:
        rows = store.query(
            "SELECT version, status, change_reason, changed_by, manifest != '' AS whole, "
            "chain_sha256 != '' AS linked FROM governor_manifests ORDER BY seq, `index`"
        )
    assert [(row["status"], row["change_reason"]) for row in rows] == [
        ("draft", ""), ("shadow", ""), ("active", "first"), ("retired", ""),
    ]  # fmt: skip
    assert {row["version"] for row in rows} == {"2.0"}
    assert [row["whole"] for row in rows] == [1, 0, 0, 0]
    assert rows[0]["linked"] == 1
