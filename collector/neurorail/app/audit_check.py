"""Verifies the audit chain: on the store itself when no server runs, else by asking the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from neurorail.api.audit_verify import OnProgress, report_body
from neurorail.app.config import Config
from neurorail.app.location import RunningServer
from neurorail.app.wiring import store_config
from neurorail.client import Client, ClientError
from neurorail.collector.audit_chain import GENESIS
from neurorail.collector.datadir import DataDirectory
from neurorail.collector.engine.journal import Journal
from neurorail.collector.store.audit import VerificationReport, verify
from neurorail.collector.store.store import Store

VERIFY_PATH = "/api/neurorail/v1/audit/verify"
QUIET_S = 300.0
"""A server that says nothing for so long is given up."""


def verify_store(store: Store, node: str, head: str, tell: OnProgress) -> VerificationReport:
    """Verify every chain in the store, and that this node's chain reaches `head`.

    Raises:
        StoreError: the store cannot be read.
    """
    # Before the first event was archived there is no row to look for.
    expected = {node: head} if head != GENESIS.hex() else {}
    return verify(store, progress=tell, expected_heads=expected)


def verify_directly(config: Config, tell: OnProgress) -> dict[str, Any]:
    """Verify without a server. Holds the lock of the data directory meanwhile.

    Raises:
        StoreError: the store cannot be opened or read.
        DataDirectoryInUse: a server holds the directory.
        FileNotFoundError: there is no data directory.
    """
    if not (config.data_dir / "engine.db").exists():
        raise FileNotFoundError(f"{config.data_dir} holds no data: name it with --data-dir")
    directory = DataDirectory(Path(config.data_dir))
    directory.open()
    journal = Journal(directory.path / "engine.db")
    store = Store(store_config(config, directory.path))
    try:
        journal.open()
        store.start(migrate=False)
        node = config.node or directory.node
        return report_body(verify_store(store, node, journal.archived_head(), tell))
    finally:
        store.stop()
        journal.close()
        directory.close()


def verify_over_http(server: RunningServer, tell: OnProgress) -> dict[str, Any]:
    """Let the running server verify.

    Raises:
        ClientError: the server cannot be asked, or cannot read its store.
    """
    client = Client(server.api, server.token, QUIET_S)
    for said in client.stream_json(VERIFY_PATH):
        if "report" in said:
            report: dict[str, Any] = said["report"]
            return report
        if "error" in said:
            raise ClientError(f"the server cannot verify: {said['error']}")
        tell(int(said["checked"]), int(said["total"]))
    raise ClientError("the server ended before the verification did")
