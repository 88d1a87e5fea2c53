"""The official JavaScript SDK sends to a real server, over HTTP/protobuf and gRPC."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.process import ServerProcess, running_server
from tests.support.waiting import ended_mission

pytestmark = [pytest.mark.node, pytest.mark.timeout(300)]

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def packages(root: Path) -> Path:
    """`node_modules` as locked, installed once for all test processes and kept for the next run."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("no Node.js and npm on the path")
    locked = (HERE / "package-lock.json").read_bytes()
    home = root / "build" / "javascript" / hashlib.sha256(locked).hexdigest()[:12]
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "installed").exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, home)
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(
                command, cwd=home, check=False, capture_output=True, text=True, timeout=240
            )
            if done.returncode != 0:
                pytest.skip(f"npm could not install the SDK: {done.stderr[-500:]}")
            (home / "installed").touch()
    return home / "node_modules"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A whole server."""
    with running_server(tmp_path_factory.mktemp("server") / "data") as running:
        yield running


def run(program: str, folder: Path, packages: Path, endpoint: str) -> str:
    """What a program prints, exporting to the server."""
    (folder / "node_modules").symlink_to(packages)
    (folder / "send.mjs").write_text(program, encoding="utf-8")
    environment = {
        **os.environ,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_SERVICE_NAME": "javascript",
    }
    done = subprocess.run(
        ["node", "send.mjs"],
        cwd=folder, check=False, capture_output=True, text=True, timeout=60, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_program_of_the_documents_sends_over_http(
    root: Path, tmp_path: Path, packages: Path, server: ServerProcess
) -> None:
    text = (root / "docs" / "send-telemetry.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```js\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    mission_id = run(program, tmp_path, packages, server.otlp_http)
    mission: dict[str, Any] = ended_mission(server.api, mission_id)["mission"]
    assert mission["state"] == "succeeded"
    assert mission["service"] == "my-agent"
    assert mission["budget"]["max_tokens"] == 10_000


def test_a_call_is_metered_that_was_sent_over_grpc(
    tmp_path: Path, packages: Path, server: ServerProcess
) -> None:
    program = (HERE / "send-grpc.mjs").read_text(encoding="utf-8")
    mission_id = run(program, tmp_path, packages, f"http://{server.otlp_grpc}")
    tree = ended_mission(server.api, mission_id, descendants=1)
    (call,) = tree["resources"]
    assert call["model"] == "gpt-4o"
    assert call["totals"]["total_tokens"] == 110
    assert tree["mission"]["totals"]["total_tokens"] == 110
