"""Takes checkpoints: reads what the archive holds since the last one, checks it, signs it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from neurorail.collector.audit.checkpoint import (
    KEY_FILE,
    NEXT_KEY_FILE,
    Anchors,
    Checkpoint,
    Place,
    Rotation,
    Signer,
    Statement,
    Tombstone,
)
from neurorail.collector.audit.merkle import Root
from neurorail.collector.audit_chain import GENESIS
from neurorail.collector.store.audit import verify
from neurorail.collector.store.store import Store

EVENTS_MAX: Final = 1_000_000
"""Events that one checkpoint covers; more make another one."""
_PAGE_EVENTS: Final = 50_000
_LOG: Final = logging.getLogger(__name__)


class ChainBroken(Exception):
    """The archive does not continue what was signed last. The text says where."""


class Checkpointer:
    """Signs for one node. Blocking; to be used by one thread at a time."""

    def __init__(
        self,
        store: Store,
        node: str,
        directory: Path,
        anchors: Anchors,
        clock: Callable[[], int],
    ) -> None:
        """`directory` holds the key; `clock` is Unix time in nanoseconds.

        Raises:
            ValueError: the file of anchors holds something else.
            OSError: it, or the key, cannot be read.
        """
        self._store = store
        self._node = node
        self._directory = directory
        self._anchors = anchors
        self._clock = clock
        statements = anchors.read()
        self._signer = Signer.of(directory, statements)
        known = checkpoints_of(statements, node)
        self._last = known[-1] if known else None

    def take(self, through_head: str) -> Checkpoint | None:
        """Sign what was archived since the last checkpoint; None if that is nothing.

        Args:
            through_head: the hash of the newest event that is archived for sure: rows after it may
                still be on their way.

        Raises:
            ChainBroken: the rows do not continue what was signed last.
            StoreError: the archive cannot be read.
            OSError: the anchor cannot be written.
        """
        last = self._last
        head = GENESIS.hex() if last is None else last.head
        begun, place = head, (0, 0, -1) if last is None else last.last
        root, first = Root(), None
        while head != through_head and root.count < EVENTS_MAX:
            page = self._page(place)
            for epoch, seq, index, prev_hash, own_hash in page:
                if head == through_head:
                    break
                if prev_hash != head:
                    raise ChainBroken(
                        f"event {self._node}.{epoch}.{seq}.{index} does not follow what was signed:"
                        f" its previous hash is {prev_hash[:16]}…, not {head[:16]}…"
                    )
                place, head = (epoch, seq, index), own_hash
                first = first or place
                root.add(bytes.fromhex(own_hash))
            if len(page) < _PAGE_EVENTS and head != through_head:
                raise ChainBroken(
                    f"the newest archived event of node {self._node}, with hash"
                    f" {through_head[:16]}…, is not among its rows"
                )
        if first is None:
            return None
        unsigned = Checkpoint(
            node=self._node,
            first=first,
            last=place,
            count=root.count,
            total=root.count + (0 if last is None else last.total),
            root=root.digest().hex(),
            prev_head=begun,
            head=head,
            time_unix_nano=self._clock(),
            public_key=self._signer.public_key,
        )
        return self._keep(self._signer.sign(unsigned))

    def rotate(self) -> Rotation:
        """Let another key sign from now on; the old one signs that.

        Raises:
            OSError: the anchor or the key cannot be written.
        """
        key = Ed25519PrivateKey.generate()
        new = Signer(key)
        unsigned = Rotation(
            node=self._node,
            new_public_key=new.public_key,
            time_unix_nano=self._clock(),
            public_key=self._signer.public_key,
        )
        rotation: Rotation = self._signer.sign(unsigned)
        # The statement goes before the key: one that nobody announced could not be believed.
        following = self._directory / NEXT_KEY_FILE
        Signer.store(key, following)
        self._anchors.append(rotation)
        following.replace(self._directory / KEY_FILE)
        self._signer = new
        return rotation

    def retain(self, before_unix_nano: int) -> Tombstone | None:
        """Remove verified events that were received before a time, up to a checkpoint.

        Returns:
            The statement that they were removed; None if no checkpoint is that old.

        Raises:
            ChainBroken: what is to be removed does not hold; nothing was removed.
            StoreError: the archive cannot be read or written; it may be done again.
            OSError: the anchor cannot be written.
        """
        statements = self._anchors.read()
        known = checkpoints_of(statements, self._node)
        old = [each for each in known if self._received(each) < before_unix_nano]
        gone = [each.total for each in statements
                if isinstance(each, Tombstone) and each.node == self._node]  # fmt: skip
        if not old:
            return None
        last = old[-1]
        if gone and gone[-1] >= last.total:
            return None
        self._must_hold(statements, last)
        unsigned = Tombstone(
            node=self._node,
            last=last.last,
            total=last.total,
            head=last.head,
            time_unix_nano=self._clock(),
            public_key=self._signer.public_key,
        )
        tombstone: Tombstone = self._signer.sign(unsigned)
        # The statement goes before the rows: rows that vanished without it would be a fault.
        self._anchors.append(tombstone)
        self.remove(tombstone)
        return tombstone

    def remove(self, tombstone: Tombstone) -> None:
        """Remove the rows that a tombstone speaks of, and wait until they are gone."""
        epoch, seq, index = tombstone.last
        self._store.command(
            "ALTER TABLE neurorail_audit DELETE WHERE node = {node:String} AND "
            "(epoch, seq, `index`) <= ({epoch:Int64}, {seq:UInt64}, {index:Int64})",
            {"node": self._node, "epoch": epoch, "seq": seq, "index": index},
            {"mutations_sync": 2},
        )

    def _must_hold(self, statements: Sequence[Statement], last: Checkpoint) -> None:
        own = [each for each in statements if each.node == self._node]
        report = verify(self._store, self._node, anchors=own, seqs=(0, last.last[1]))
        faults = [fault for node in report.nodes for fault in node.faults]
        if faults or not report.events:
            what = f"{faults[0].event_id}: {faults[0].detail}" if faults else "there are no rows"
            raise ChainBroken(f"nothing is removed, for the chain does not hold: {what}")

    def _received(self, checkpoint: Checkpoint) -> int:
        epoch, seq, index = checkpoint.last
        rows = self._store.query_rows(
            "SELECT toUnixTimestamp64Nano(timestamp) FROM neurorail_audit "
            "WHERE node = {node:String} AND epoch = {epoch:UInt32} AND seq = {seq:UInt64} "
            "AND `index` = {index:UInt32}",
            {"node": self._node, "epoch": epoch, "seq": seq, "index": index},
        )
        return int(rows[0][0]) if rows else 0

    def _page(self, after: Place) -> Sequence[Sequence[Any]]:
        epoch, seq, index = after
        return self._store.query_rows(
            "SELECT epoch, seq, `index`, lower(hex(prev_hash)), lower(hex(hash)) "
            "FROM neurorail_audit WHERE node = {node:String} AND seq >= {seq:UInt64} "
            "AND (epoch, seq, `index`) > ({epoch:Int64}, {seq:UInt64}, {index:Int64}) "
            "ORDER BY epoch, seq, `index` LIMIT {page:UInt32}",
            {"node": self._node, "epoch": epoch, "seq": seq, "index": index, "page": _PAGE_EVENTS},
        )

    def _keep(self, checkpoint: Checkpoint) -> Checkpoint:
        self._anchors.append(checkpoint)
        self._last = checkpoint
        _LOG.info(
            "audit checkpoint: node %s, %d events, head %s",
            checkpoint.node, checkpoint.total, checkpoint.head,
        )  # fmt: skip
        return checkpoint


def checkpoints_of(statements: Sequence[Statement], node: str) -> list[Checkpoint]:
    """The checkpoints of a node, oldest first."""
    return [each for each in statements if isinstance(each, Checkpoint) and each.node == node]
