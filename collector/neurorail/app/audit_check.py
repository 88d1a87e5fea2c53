"""Verifies the audit chain: on the store itself when no server runs, else by asking the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from neurorail.api.audit_verify import OnProgress, VerifyBody, report_body
from neurorail.app.config import Config
from neurorail.app.location import RunningServer
from neurorail.app.wiring import store_config
from neurorail.client import Client, ClientError, NotFound
from neurorail.collector.audit.bundle import NothingArchived, about_event, write_bundle
from neurorail.collector.audit.checkpoint import (
    ANCHORS_FILE,
    Anchors,
    Statement,
    public_key_of,
    read_statements,
)
from neurorail.collector.audit_chain import GENESIS
from neurorail.collector.datadir import DataDirectory
from neurorail.collector.engine.journal import Journal
from neurorail.collector.envelope import DEFAULT_TENANT
from neurorail.collector.store.audit import Own, VerificationReport, verify
from neurorail.collector.store.store import Store

VERIFY_PATH = "/api/neurorail/v1/audit/verify"
EXPORT_PATH = "/api/neurorail/v1/audit/export"
PROOF_PATH = "/api/neurorail/v1/audit/proof"
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
    own: Own | None = None,
) -> VerificationReport:
    """Verify every chain in the store, and that this node's chain reaches `head`.

    Args:
        store: a started store.
        node: this node.
        head: the hash (hex) of the newest event that must be there.
        tell: told how far it is.
        anchors: signed statements.
        public_key: the first key, if the caller knows it.
        seqs: first and last record sequence of a part.
        own: this node, when `anchors` are all of its statements.

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
        own=own,
    )


def verify_as_asked(
    store: Store,
    node: str,
    directory: Path,
    head: str,
    read_own: Callable[[], Sequence[Statement]],
    asked: VerifyBody,
    tell: OnProgress,
) -> VerificationReport:
    """Verify against the anchors that were given, or else against all of the server's own.

    Raises:
        StoreError: the store cannot be read.
        ValueError: the anchors, or the key, are none.
    """
    given, own = asked.statements(), None
    anchors: Sequence[Statement] = given or ()
    if given is None:
        own = Own(node, public_key_of(directory), read_own)
        anchors = read_own()
    return verify_store(store, node, head, tell, anchors, asked.public_key, asked.seqs, own)


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
    read_statements(map(msgspec.json.encode, body.anchors or ()), "anchors")
    with opened_directly(config) as opened:
        report = verify_as_asked(
            opened.store, opened.node, opened.directory, opened.head, opened.anchors.read, body,
            tell,
        )  # fmt: skip
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
        NothingArchived: it has no event in the archive; before the first line.
        ClientError: the server cannot be asked.
        StoreError, DataDirectoryInUse, FileNotFoundError: as `opened_directly` says.
    """
    if server is not None:
        client = Client(server.api, server.token, QUIET_S)
        try:
            yield from client.stream_lines(EXPORT_PATH, {"mission_id": mission_id})
        except NotFound:
            raise NothingArchived from None
        return
    with opened_directly(config) as opened:
        about = {"mission_id": mission_id}
        yield from write_bundle(opened.store, opened.anchors.read(), DEFAULT_TENANT, about)


def proof_lines(config: Config, server: RunningServer | None, event_id: str) -> list[bytes]:
    """The lines of a bundle of one event.

    Raises:
        NothingArchived: there is no such event in the archive.
        ValueError: that is no event id.
        ClientError, StoreError, DataDirectoryInUse, FileNotFoundError: as for `bundle_lines`.
    """
    about = about_event(event_id)
    if server is None:
        with opened_directly(config) as opened:
            statements = opened.anchors.read()
            return list(write_bundle(opened.store, statements, DEFAULT_TENANT, about))
    try:
        told = Client(server.api, server.token, QUIET_S).get_json(f"{PROOF_PATH}/{event_id}")
    except NotFound:
        raise NothingArchived from None
    begin = {"kind": "bundle", "version": 1, "about": about}
    lines = [begin, *told["statements"], told["event"]]
    return [msgspec.json.encode(line) + b"\n" for line in lines]
