"""A server with the SQL endpoint, and telemetry in its store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
import pytest
from tests.end_to_end.rail import Chain, Rail, until
from tests.support.otlp_endpoint import http_endpoint
from tests.support.process import running_server
from tests.support.scene import overspent

USER, PASSWORD = "reader", "a-password-of-tests"
CONFIG = f"""
sql:
  address: 127.0.0.1:0
  password: {PASSWORD}
  max_execution_time_s: 12
  max_memory_bytes: 200000000
  max_result_bytes: 4000000
export:
  destinations:
    backend: {{endpoint: "{{ENDPOINT}}", protocol: http/protobuf}}
"""


@dataclass(frozen=True, slots=True)
class SqlRail:
    """A server, where it answers SQL, and the mission that is in its store."""

    rail: Rail
    url: str
    chain: Chain


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlRail]:
    """One server for all tests of the package; all it does is read."""
    folder = tmp_path_factory.mktemp("sql")
    path = folder / "neurorail.yaml"
    options = ("--config", str(path))
    with http_endpoint() as backend:
        path.write_text(CONFIG.replace("{ENDPOINT}", backend.address), encoding="utf-8")
        with running_server(folder / "data", *options, measured=True) as server:
            rail = Rail(server)
            chain = overspent(rail)
            until(
                "spans are archived", lambda: rail.get(f"/missions/{chain.mission}/spans")["spans"]
            )
            rail.all_is_stored()
            assert server.sql is not None
            yield SqlRail(rail, server.sql, chain)


@pytest.fixture(scope="package")
def governed(served: SqlRail) -> SqlRail:
    """The server, after a person stopped an agent that then asked."""
    api = f"{served.rail.server.api}/api"
    for path, body in (
        ("neurorail/v1/reflex/kill", {"scope": {"agent": "stopped"}, "reason": "a test"}),
        ("governor/v1/decide", {"job_type": "llm_call", "context": {"agent": "stopped"}}),
        ("governor/v1/decide", {"job_type": "llm_call"}),
    ):
        assert httpx2.post(f"{api}/{path}", json=body, timeout=60).status_code == 200
    served.rail.all_is_stored()
    return served
