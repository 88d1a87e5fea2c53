"""Verifies the audit chain: recomputes every hash and says which rows do not hold.

A row is at fault in one of these ways:

| fault | what was found |
|---|---|
| `altered` | the row's hash is not the hash of what the row says |
| `details_altered` | its details are not those whose hash the row holds |
| `missing` | the row follows an event that is not in the table |
| `reordered` | the row follows an event that is in the table, but not the one before it |
| `duplicated` | another row has the same position |
| `head_missing` | the newest event that was expected is not in the table |
| `anchor_missing` | an event that a signed checkpoint names is not there, or in another place |
| `anchor_invalid` | a statement about the chain has a wrong signature, or does not fit the others |
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from neurorail.collector.audit.checkpoint import (
    Checkpoint,
    Place,
    Statement,
    Tombstone,
    faults_of,
)
from neurorail.collector.audit_chain import GENESIS, canonical, link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from neurorail.collector.store.store import Store

    OnProgress = Callable[[int, int], None]
    """Called with the events checked so far and the events there are."""

ALTERED: Final = "altered"
DETAILS_ALTERED: Final = "details_altered"
MISSING: Final = "missing"
REORDERED: Final = "reordered"
DUPLICATED: Final = "duplicated"
HEAD_MISSING: Final = "head_missing"
ANCHOR_MISSING: Final = "anchor_missing"
ANCHOR_INVALID: Final = "anchor_invalid"

_CHUNK_EVENTS: Final = 20_000
_FAULTS_MAX: Final = 1_000
"""Faults of a node that are named; all are counted."""
_RECENT_MAX: Final = 100_000

# The head fields in canonical order, and then what only the table says.
_COLUMNS: Final = """node, epoch, seq, `index`, tenant, toUnixTimestamp64Nano(timestamp),
event_time_unix_nano, channel, event_type, event_category, severity, message, mission_id, plan_id,
job_id, attempt_id, resource_id, entity_type, entity_id, principal, lower(hex(details_hash)),
lower(hex(prev_hash)), lower(hex(hash)), details"""
_HEAD_LENGTH: Final = 21


@dataclass(frozen=True, slots=True)
class Fault:
    """One row that does not hold."""

    kind: str
    event_id: str
    detail: str


@dataclass(slots=True)
class NodeReport:
    """What was found in the chain of one node."""

    node: str
    events: int = 0
    first_event_id: str = ""
    last_event_id: str = ""
    last_hash: str = ""
    anchors: int = 0
    """Signed checkpoints that the chain agrees with."""
    duplicates: int = 0
    removable: int = 0
    """Events that a tombstone speaks of and that are still there: retention was cut short."""
    erased_details: int = 0
    """Events whose details were erased; the chain holds without them."""
    faults: list[Fault] = field(default_factory=list)
    fault_count: int = 0

    def add(self, kind: str, event_id: str, detail: str) -> None:
        """Notes a fault; the first thousand are kept."""
        self.fault_count += 1
        if len(self.faults) < _FAULTS_MAX:
            self.faults.append(Fault(kind, event_id, detail))


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """What was found in the chains of all nodes that were asked about."""

    nodes: tuple[NodeReport, ...]

    @property
    def ok(self) -> bool:
        """Whether every row holds."""
        return not any(report.fault_count for report in self.nodes)

    @property
    def events(self) -> int:
        """Events that were checked."""
        return sum(report.events for report in self.nodes)


def verify(
    store: Store,
    node: str | None = None,
    progress: OnProgress | None = None,
    expected_heads: Mapping[str, str] | None = None,
    anchors: Sequence[Statement] = (),
    pinned_key: str | None = None,
    seqs: tuple[int, int] | None = None,
) -> VerificationReport:
    """Checks the chain of one node or of all, in pieces, in the order of the events.

    Args:
        store: A started store.
        node: The node to check; all without it.
        progress: Called after each piece.
        expected_heads: By node, the hash (hex) of the newest event known elsewhere: without it,
            rows that were cut off at the end cannot be noticed.
        anchors: Signed statements from outside the database: with them a chain that was replaced
            as a whole is noticed.
        pinned_key: The first public key (hex), known from elsewhere; else the first is believed.
        seqs: First and last record sequence of a part; what lies before is taken as it is.

    Raises:
        StoreError: If the store cannot be read.
    """
    windows = _windows(store, node, seqs)
    total = sum(window.events for window in windows)
    chains: dict[str, _Chain] = {}
    done = 0
    for window in windows:
        chain = chains.get(window.node)
        if chain is None:
            named = [each for each in anchors if each.node == window.node]
            chain = chains[window.node] = _Chain(window.node, named, pinned_key, seqs)
        for rows in _pieces(store, window):
            for row in rows:
                chain.check(row)
            done += len(rows)
            if progress is not None:
                progress(done, total)
    for name in {each.node for each in anchors if node in (None, each.node)} - set(chains):
        named = [each for each in anchors if each.node == name]
        chains[name] = _Chain(name, named, pinned_key, seqs)
    for chain in chains.values():
        chain.check_anchors()
    for name, expected in (expected_heads or {}).items():
        if node in (None, name) and seqs is None:
            chains.setdefault(name, _Chain(name)).check_head(expected)
    return VerificationReport(tuple(chains[name].report for name in sorted(chains)))


@dataclass(frozen=True, slots=True)
class _Window:
    node: str
    epoch: int
    first_seq: int
    last_seq: int
    events: int


def _windows(store: Store, node: str | None, seqs: tuple[int, int] | None) -> list[_Window]:
    first, last = seqs or (0, 2**64 - 1)
    rows = store.query_rows(
        "SELECT node, epoch, min(seq), max(seq), count() FROM neurorail_audit "
        "WHERE ({every:Bool} OR node = {node:String}) "
        "AND seq BETWEEN {first:UInt64} AND {last:UInt64} "
        "GROUP BY node, epoch ORDER BY node, epoch",
        {"every": node is None, "node": node or "", "first": first, "last": last},
    )
    return [_Window(*row) for row in rows]


def _pieces(store: Store, window: _Window) -> Iterator[Sequence[Sequence[Any]]]:
    """The window's rows in ranges of sequence numbers, each of about `_CHUNK_EVENTS` rows."""
    seqs = window.last_seq - window.first_seq + 1
    step = max(1, seqs * _CHUNK_EVENTS // max(window.events, 1))
    for start in range(window.first_seq, window.last_seq + 1, step):
        rows = store.query_rows(
            f"SELECT {_COLUMNS} FROM neurorail_audit WHERE node = {{node:String}} "
            "AND epoch = {epoch:UInt32} AND seq BETWEEN {first:UInt64} AND {last:UInt64} "
            "ORDER BY seq, `index`",
            {
                "node": window.node,
                "epoch": window.epoch,
                "first": start,
                "last": min(start + step - 1, window.last_seq),
            },
        )
        if rows:
            yield rows


class _Chain:
    """Follows the chain of one node."""

    def __init__(
        self,
        node: str,
        statements: Sequence[Statement] = (),
        pinned_key: str | None = None,
        seqs: tuple[int, int] | None = None,
    ) -> None:
        self.report = NodeReport(node)
        self._partial = seqs is not None and seqs[0] > 1
        self._last_hash = GENESIS.hex()
        checkpoints = [each for each in statements if isinstance(each, Checkpoint)]
        removed = [each for each in statements if isinstance(each, Tombstone)]
        self._tombstone = removed[-1] if removed else None
        self._gone = 0
        if self._tombstone is not None:
            # What a signed statement says was removed is no gap.
            self._last_hash, self._gone = self._tombstone.head, self._tombstone.total
            checkpoints = [each for each in checkpoints if each.total > self._gone]
        first, last = seqs or (0, 2**64 - 1)
        self._anchors = {each.head: each for each in checkpoints if first <= each.last[1] <= last}
        for fault in faults_of(statements, pinned_key):
            self.report.add(ANCHOR_INVALID, "", f"{fault} (of node {node})")
        self._last_position: tuple[int, int, int] | None = None
        self._recent: dict[str, None] = {}

    def check(self, row: Sequence[Any]) -> None:
        """Checks the next row."""
        report = self.report
        head = list(row[:_HEAD_LENGTH])
        prev_hash, stored_hash, details = row[_HEAD_LENGTH:]
        node, epoch, seq, index = head[:4]
        event_id = f"{node}.{epoch}.{seq}.{index}"
        if self._tombstone is not None and (epoch, seq, index) <= tuple(self._tombstone.last):
            report.removable += 1
            return
        report.events += 1
        report.first_event_id = report.first_event_id or event_id
        report.last_event_id = event_id
        if (epoch, seq, index) == self._last_position:
            report.duplicates += 1
            report.add(DUPLICATED, event_id, "another row has this position")
            return
        self._last_position = (epoch, seq, index)
        if link(bytes.fromhex(prev_hash), canonical(head)).hex() != stored_hash:
            report.add(ALTERED, event_id, "the hash is not that of what the row says")
        self._check_details(event_id, details, head[-1])
        if self._partial and report.events == 1:
            self._last_hash = prev_hash  # What lies before was not asked about.
        if prev_hash != self._last_hash:
            if prev_hash in self._recent:
                report.add(REORDERED, event_id, "it follows an event that is not the one before it")
            else:
                after = self.report.last_hash[:16] or "the beginning"
                report.add(MISSING, event_id, f"events between {after} and it are missing")
        self._remember(stored_hash)
        anchor = self._anchors.get(stored_hash)
        if anchor is not None:
            self._check_anchor(anchor, (epoch, seq, index), event_id)

    def _check_anchor(self, anchor: Checkpoint, place: Place, event_id: str) -> None:
        here = self._gone + self.report.events - self.report.duplicates
        if place == tuple(anchor.last) and (self._partial or anchor.total == here):
            del self._anchors[anchor.head]
            self.report.anchors += 1
        else:
            self.report.add(
                ANCHOR_MISSING,
                event_id,
                f"it is event {here} of the chain; a checkpoint signed it as event {anchor.total}",
            )

    def check_anchors(self) -> None:
        """Notes every checkpoint whose last event did not come."""
        for anchor in self._anchors.values():
            epoch, seq, index = anchor.last
            self.report.add(
                ANCHOR_MISSING,
                f"{anchor.node}.{epoch}.{seq}.{index}",
                f"the event with hash {anchor.head[:16]}…, which a checkpoint signed, is not there:"
                " rows were removed, or the chain was replaced",
            )

    def check_head(self, expected: str) -> None:
        """Checks that the chain ends where it was expected to end, or after it."""
        if expected != self._last_hash and expected not in self._recent:
            self.report.add(
                HEAD_MISSING,
                self.report.last_event_id,
                f"the event with hash {expected} is missing",
            )

    def _check_details(self, event_id: str, details: str | bytes, details_hash: str) -> None:
        if not details:
            self.report.erased_details += 1
            return
        data = details if isinstance(details, bytes) else details.encode()
        if sha256(data).hexdigest() != details_hash:
            self.report.add(
                DETAILS_ALTERED, event_id, "the details are not those that were written"
            )

    def _remember(self, stored_hash: str) -> None:
        self._last_hash = self.report.last_hash = stored_hash
        self._recent[stored_hash] = None
        if len(self._recent) > _RECENT_MAX:
            del self._recent[next(iter(self._recent))]
