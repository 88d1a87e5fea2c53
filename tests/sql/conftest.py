"""A server with the SQL endpoint, and telemetry in its store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.end_to_end.rail import Chain, Rail, until
from tests.support.process import running_server
from tests.support.scene import overspent

USER, PASSWORD = "reader", "a-password-of-tests"
CONFIG = f"""
sql:
  address: 127.0.0.1:0
  password: {PASSWORD}
  max_execution_time_s: 4
  max_memory_bytes: 200000000
  max_result_bytes: 4000000
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
    (folder / "neurorail.yaml").write_text(CONFIG, encoding="utf-8")
    options = ("--config", str(folder / "neurorail.yaml"))
    with running_server(folder / "data", *options, measured=True) as server:
        rail = Rail(server)
        chain = overspent(rail)
        until("spans are archived", lambda: rail.get(f"/missions/{chain.mission}/spans")["spans"])
        rail.all_is_stored()
        assert server.sql is not None
        yield SqlRail(rail, server.sql, chain)
