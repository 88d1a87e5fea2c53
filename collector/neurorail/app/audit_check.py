"""Verifies the audit chain: on the store itself when no server runs, else by asking the server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from neurorail.api.audit_verify import OnProgress, VerifyBody, report_body
from neurorail.app.config import Config
from neurorail.app.location import RunningServer
from neurorail.app.wiring import store_config
from neurorail.client import Client, ClientError
from neurorail.collector.audit.bundle import write_bundle
from neurorail.collector.audit.checkpoint import (
    ANCHORS_FILE,
    Anchors,
    Statement,
    read_statements,
)
from neurorail.collector.audit_chain import GENESIS
from neurorail.collector.datadir import DataDirectory
from neurorail.collector.engine.journal import Journal
from neurorail.collector.envelope import DEFAULT_TENANT
from neurorail.collector.store.audit import VerificationReport, verify
from neurorail.collector.store.store import Store

VERIFY_PATH = "/api/neurorail/v1/audit/verify"
EXPORT_PATH = "/api/neurorail/v1/audit/export"
QUIET_S = 300.0
"""A server that says nothing for so long is given up."""


def verify_store(
    store: Store,
    node: str,
    head: str,
    tell: OnProgress,
    anchors: Sequence[Statement] = (),
    public_key: str | None = None,
    seqs: tuple[int, int] | None = None,
) -> VerificationReport:
    """Verify every chain in the store, and that this node's chain reaches `head`.

    Raises:
        StoreError: the store cannot be read.
    """
    # Before the first event was archived there is no row to look for.
    expected = {node: head} if head != GENESIS.hex() else {}
    return verify(
        store,
        progress=tell,
        expected_heads=expected,
        anchors=anchors,
        pinned_key=public_key,
        seqs=seqs,
    )


@dataclass(frozen=True, slots=True)
class Opened:
    """A data directory that no server uses, with its store."""

    store: Store
    node: str
    head: str
    anchors: Anchors
    directory: Path


@contextmanager
def opened_directly(config: Config) -> Iterator[Opened]:
    """The store of a data directory, without a server. Holds the directory's lock meanwhile.

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
        anchors = Anchors(config.audit.anchors_file or directory.path / ANCHORS_FILE)
        node = config.node or directory.node
        yield Opened(store, node, journal.archived_head(), anchors, directory.path)
    finally:
        store.stop()
        journal.close()
        directory.close()


def verify_directly(config: Config, asked: dict[str, Any], tell: OnProgress) -> dict[str, Any]:
    """Verify without a server; see `opened_directly` for what may go wrong.

    Raises:
        ValueError: the anchors are none.
    """
    body = VerifyBody.model_validate(asked)
    given = asked.get("anchors")
    with opened_directly(config) as opened:
        if given is None:
            statements = opened.anchors.read()
        else:
            statements = read_statements(map(msgspec.json.encode, given), "anchors")
        report = verify_store(
            opened.store, opened.node, opened.head, tell, statements, body.public_key, body.seqs
        )
    return report_body(report)


def verify_over_http(
    server: RunningServer, asked: dict[str, Any], tell: OnProgress
) -> dict[str, Any]:
    """Let the running server verify.

    Raises:
        ClientError: the server cannot be asked, or cannot read its store.
    """
    client = Client(server.api, server.token, QUIET_S)
    for said in client.stream_json(VERIFY_PATH, body=asked):
        if "report" in said:
            report: dict[str, Any] = said["report"]
            return report
        if "error" in said:
            raise ClientError(f"the server cannot verify: {said['error']}")
        tell(int(said["checked"]), int(said["total"]))
    raise ClientError("the server ended before the verification did")


def bundle_lines(config: Config, server: RunningServer | None, mission_id: str) -> Iterator[bytes]:
    """The lines of a mission's bundle, from the server or from the directory.

    Raises:
        ClientError: the server cannot be asked.
        StoreError, DataDirectoryInUse, FileNotFoundError: as `opened_directly` says.
    """
    if server is not None:
        client = Client(server.api, server.token, QUIET_S)
        yield from client.stream_lines(EXPORT_PATH, {"mission_id": mission_id})
        return
    with opened_directly(config) as opened:
        about = {"mission_id": mission_id}
        yield from write_bundle(opened.store, opened.anchors.read(), DEFAULT_TENANT, about)
