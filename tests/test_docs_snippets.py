"""Programs printed in the documents run, against a real server."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from neurorail.app.config import Config
from neurorail.app.service import Addresses, Service
from neurorail.client import Client


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Addresses]:
    """A whole server on free ports, with its data in a temporary directory."""
    anywhere = {"address": "127.0.0.1:0"}
    config = Config.model_validate(
        {
            "data_dir": tmp_path / "data",
            "otlp": {"grpc": anywhere, "http": anywhere},
            "api": anywhere,
        }
    )
    service = Service(config)
    addresses = await service.start()
    try:
        yield addresses
    finally:
        await service.stop()


def program(root: Path, page: str) -> str:
    """The program of a page that is marked as tested."""
    text = (root / "docs" / page).read_text(encoding="utf-8")
    found = re.findall(r"<!-- test: python -->\n```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def run(code: str, addresses: Addresses) -> str:
    """What a program prints, exporting to the server."""
    environment = {
        **os.environ,
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{addresses.otlp_http}",
        "OTEL_SERVICE_NAME": "documents",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False, capture_output=True, text=True, timeout=60, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def trace_of(addresses: Addresses, mission_id: str) -> Any:
    """The tree of a mission, as the API gives it."""
    client = Client(f"http://{addresses.api}")
    return client.get_json(f"/api/neurorail/v1/identity/trace/mission/{mission_id}")


async def test_the_python_program_sends_a_mission_with_a_budget(
    root: Path, server: Addresses
) -> None:
    mission_id = await asyncio.to_thread(run, program(root, "send-telemetry.md"), server)
    tree = await asyncio.to_thread(trace_of, server, mission_id)
    assert tree["mission"]["state"] == "succeeded"
    kinds = sorted(entity["entity_type"] for entity in tree["descendants"])
    assert kinds == ["attempt", "job", "plan", "resource"]
    (call,) = tree["resources"]
    print(call)
