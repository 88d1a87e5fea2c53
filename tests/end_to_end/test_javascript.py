"""The official JavaScript SDK sends every signal over every protocol."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.end_to_end.agents import AGENT_S
from tests.end_to_end.rail import Chain, Rail
from tests.support.needed import not_here

pytestmark = pytest.mark.node

HERE = Path(__file__).parent / "javascript"


@pytest.fixture(scope="module")
def packages(root: Path) -> Path:
    """`node_modules` as locked, installed once for all test processes and kept for the next run."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        not_here("no Node.js and npm on the path")
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
                not_here(f"`npm ci` cannot install the SDK: {done.stderr[-500:]}")
            (home / "installed").touch()
    return home / "node_modules"


def run(program: str, folder: Path, packages: Path, endpoint: str, *arguments: str) -> str:
    """What a program prints, exporting to the server."""
    (folder / "node_modules").symlink_to(packages)
    (folder / "send.mjs").write_text(program, encoding="utf-8")
    environment = {
        **os.environ,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_TIMEOUT": "60000",
        "OTEL_SERVICE_NAME": "javascript",
    }
    done = subprocess.run(
        ["node", "send.mjs", *arguments],
        cwd=folder, check=False, capture_output=True, text=True, timeout=AGENT_S, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_program_of_the_documents(
    root: Path, tmp_path: Path, packages: Path, rail: Rail
) -> None:
    text = (root / "docs" / "send-telemetry.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```js\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    mission_id = run(program, tmp_path, packages, rail.server.otlp_http)
    mission = rail.entity(mission_id, lambda tree: tree["mission"]["ended_at"])["mission"]
    assert mission["state"] == "succeeded"
    assert mission["service"] == "my-agent"
    assert mission["budget"]["max_tokens"] == 10_000


@pytest.mark.parametrize("protocol", ["grpc", "proto", "http"])
def test_every_signal(
    tmp_path: Path, packages: Path, rail: Rail, chain: Chain, protocol: str
) -> None:
    program = (HERE / "send-all.mjs").read_text(encoding="utf-8")
    server = rail.server
    endpoint = f"http://{server.otlp_grpc}" if protocol == "grpc" else server.otlp_http
    run(program, tmp_path, packages, endpoint, protocol, chain.mark)

    # Spans, and the log record that came before them.
    tree = rail.ended(chain)
    assert tree["mission"]["state"] == "succeeded"
    assert tree["mission"]["budget"]["max_tokens"] == 50
    (violation,) = rail.events(chain.mission, "budget_violation")
    assert violation["details"]["consumed"] == 110
    (call,) = tree["resources"]
    assert (call["model"], call["totals"]["total_tokens"]) == ("gpt-4o", 110)
    where = "WHERE ServiceName = {service:String}"
    spans = rail.rows(f"SELECT * FROM otel_traces {where}", 2, service=chain.mark)
    by_name = {row["SpanName"]: row for row in spans}
    outer, inner = by_name["agent run"], by_name["chat gpt-4o"]
    assert inner["ParentSpanId"] == outer["SpanId"]
    assert outer["SpanAttributes"]["tried"] == "[1,2.5]"
    assert inner["Events.Attributes"] == [{"at": "1.5"}]
    (record,) = rail.rows(f"SELECT * FROM otel_logs {where}", service=chain.mark)
    assert record["EventName"] == "neurorail.lifecycle.transition"
    assert record["Body"] == "the agent began"
    sums = f"SELECT MetricName, Value, Attributes FROM otel_metrics_sum {where}"
    (counter,) = rail.rows(sums, service=chain.mark)
    assert tuple(counter.values()) == ("calls", 3.0, {"tool": "search"})
    histograms = f"SELECT Count, Sum FROM otel_metrics_histogram {where}"
    (histogram,) = rail.rows(histograms, service=chain.mark)
    assert tuple(histogram.values()) == (1, 12.5)
