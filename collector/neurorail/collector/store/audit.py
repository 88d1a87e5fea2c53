"""Verifies the audit chain: recomputes every hash and says which rows do not hold.

A row is at fault in one of these ways:

| fault | what was found |
|---|---|
| `altered` | the row's hash is not the hash of what the row says |
| `details_altered` | its details are not those whose hash the row holds |
| `missing` | the row follows an event that is not in the table |
| `inserted` | the row after it follows the row before it |
| `reordered` | the row follows an event that is in the table, but not the one before it |
| `duplicated` | another row has the same position |
| `head_missing` | the newest event that was expected is not in the table |
| `anchor_missing` | an event that a signed checkpoint names is not there, or in another place |
| `unanchored` | the row puts a checkpoint on record that the anchors do not hold |
| `anchor_invalid` | a statement about the chain has a wrong signature, or does not fit the others |
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import msgspec

from neurorail.collector.audit.checkpoint import (
    Checkpoint,
    Place,
    Statement,
    Tombstone,
    faults_of,
    newest_key,
)
from neurorail.collector.audit.differences import difference
from neurorail.collector.audit_chain import GENESIS, HEAD_FIELDS, canonical, link
from neurorail.collector.stream.event import parse_event_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from neurorail.collector.store.store import Store

    OnProgress = Callable[[int, int], None]
    """Called with the events checked so far and the events there are."""

ALTERED: Final = "altered"
DETAILS_ALTERED: Final = "details_altered"
MISSING: Final = "missing"
INSERTED: Final = "inserted"
REORDERED: Final = "reordered"
DUPLICATED: Final = "duplicated"
HEAD_MISSING: Final = "head_missing"
UNANCHORED: Final = "unanchored"
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
lower(hex(prev_hash)), lower(hex(hash)), details, caused_by_agent, caused_by_event"""
_HEAD_LENGTH: Final = len(HEAD_FIELDS)
_EVENT_TYPE: Final = HEAD_FIELDS.index("event_type")


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
    erased_details: int = 0
    """Events whose details were erased; the chain holds without them."""
    removable: int = 0
    """Events that a tombstone speaks of and that are still there: retention was cut short."""
    first_fault: Fault | None = None
    """The fault of the row that is first in the chain; of a statement, if no row has one."""
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


@dataclass(frozen=True, slots=True)
class Own:
    """What a server knows of its own statements."""

    node: str
    public_key: str | None
    """The key (hex) that signs now."""
    read: Callable[[], Sequence[Statement]]
    """Its statements as they are now: it may have signed while its chain was verified."""


def verify(
    store: Store,
    node: str | None = None,
    progress: OnProgress | None = None,
    expected_heads: Mapping[str, str] | None = None,
    anchors: Sequence[Statement] = (),
    pinned_key: str | None = None,
    seqs: tuple[int, int] | None = None,
    own: Own | None = None,
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
        own: The node whose every statement is among `anchors`, as its server keeps them.

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
            chain = chains[window.node] = _Chain(window.node, named, pinned_key, seqs, own)
            chain.begin(_hash_before(store, window.node, seqs))
        for rows in _pieces(store, window):
            for row in rows:
                chain.check(row)
            done += len(rows)
            if progress is not None:
                progress(done, total)
    for name in {each.node for each in anchors if node in (None, each.node)} - set(chains):
        named = [each for each in anchors if each.node == name]
        chains[name] = _Chain(name, named, pinned_key, seqs, own)
    for chain in chains.values():
        chain.end()
    for name, expected in (expected_heads or {}).items():
        if node in (None, name) and seqs is None:
            chains.setdefault(name, _Chain(name)).check_head(expected)
    reports = tuple(chains[name].report for name in sorted(chains))
    for report in reports:
        report.first_fault = min(report.faults, key=_order, default=None)
    return VerificationReport(reports)


def _order(fault: Fault) -> tuple[bool, Place]:
    try:
        return (False, parse_event_id(fault.event_id)[1])
    except ValueError:
        return (True, (0, 0, 0))


def _hash_before(store: Store, node: str, seqs: tuple[int, int] | None) -> str | None:
    """The hash of the last row before a part; None when there is no such row."""
    if seqs is None:
        return None
    rows = store.query_rows(
        "SELECT lower(hex(hash)) FROM neurorail_audit WHERE node = {node:String} "
        "AND seq < {first:UInt64} ORDER BY epoch DESC, seq DESC, `index` DESC LIMIT 1",
        {"node": node, "first": seqs[0]},
    )
    return rows[0][0] if rows else None


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
        own: Own | None = None,
    ) -> None:
        self.report = NodeReport(node)
        self._partial = seqs is not None
        self._last_hash = GENESIS.hex()
        self._base = 0
        self._dropped: Place = (0, 0, -1)
        self._dropped_hash = ""
        self._own = own if own is not None and own.node == node else None
        self._unanchored: dict[str, str] = {}
        self._signatures = {each.signature for each in statements}
        for fault in faults_of(statements, pinned_key):
            self.report.add(ANCHOR_INVALID, "", f"{fault} (of node {node})")
        if self._own is not None and statements:
            self._check_key(statements, self._own)
        for tombstone in (each for each in statements if isinstance(each, Tombstone)):
            self._last_hash, self._base = tombstone.head, tombstone.total
            self._dropped, self._dropped_hash = tombstone.last, tombstone.head
        first, last = seqs or (0, 2**64 - 1)
        self._anchors = {
            each.head: each
            for each in statements
            if isinstance(each, Checkpoint)
            and first <= each.last[1] <= last
            and tuple(each.last) > self._dropped
        }
        self._before: Sequence[Any] = ()
        self._recent: dict[str, str] = {}

    def _check_key(self, statements: Sequence[Statement], own: Own) -> None:
        if own.public_key is not None and newest_key(statements) != own.public_key:
            self.report.add(
                ANCHOR_INVALID, "", f"the statements are not signed by the key of node {own.node}"
            )

    def begin(self, hash_before: str | None) -> None:
        """Goes on from a hash, where only a part is looked at."""
        self._last_hash = hash_before or self._last_hash

    def check(self, row: Sequence[Any]) -> None:
        """Checks the next row."""
        report = self.report
        head = list(row[:_HEAD_LENGTH])
        prev_hash, stored_hash, details, *caused_by = row[_HEAD_LENGTH:]
        node, *position = head[:4]
        place: Place = (position[0], position[1], position[2])
        event_id = f"{node}.{place[0]}.{place[1]}.{place[2]}"
        if place <= self._dropped:
            report.removable += 1
            return
        report.events += 1
        report.first_event_id = report.first_event_id or event_id
        report.last_event_id = event_id
        if self._before and list(self._before[1:4]) == position:
            report.duplicates += 1
            report.add(DUPLICATED, event_id, "another row has this position")
            return
        said = self._details(event_id, details, head, tuple(caused_by))
        whole = link(bytes.fromhex(prev_hash), canonical(head)).hex() == stored_hash
        if not whole:
            differs = difference(head, prev_hash, stored_hash, self._last_hash, said, self._before)
            report.add(ALTERED, event_id, differs)
        if prev_hash != self._last_hash:
            self._say_what_is_between(event_id, prev_hash, whole)
        self._before = head
        self._remember(stored_hash, event_id)
        anchor = self._anchors.get(stored_hash)
        if anchor is not None:
            self._check_anchor(anchor, place, event_id)
        if whole and said:
            self._take_note(event_id, head[_EVENT_TYPE], said)

    def _say_what_is_between(self, event_id: str, prev_hash: str, whole: bool) -> None:
        report, follows = self.report, self._recent.get(prev_hash)
        if follows is None:
            after = report.last_hash[:16] or "the beginning"
            report.add(MISSING, event_id, f"events between {after} and it are missing")
        elif whole:
            ids = list(self._recent.values())
            for stranger in ids[ids.index(follows) + 1 :]:
                report.add(INSERTED, stranger, f"{event_id} follows {follows}, and not this one")
                self._base -= 1
        else:
            report.add(REORDERED, event_id, "it follows an event that is not the one before it")

    def _take_note(self, event_id: str, event_type: str, said: dict[str, Any]) -> None:
        """What an event that holds says about the trail itself."""
        if event_type == "audit_checkpoint" and said["signature"] not in self._signatures:
            self._unanchored[said["signature"]] = event_id

    def _check_anchor(self, anchor: Checkpoint, place: Place, event_id: str) -> None:
        here = self._base + self.report.events - self.report.duplicates
        if place == tuple(anchor.last) and (self._partial or anchor.total == here):
            del self._anchors[anchor.head]
            self.report.anchors += 1
        else:
            self.report.add(
                ANCHOR_MISSING,
                event_id,
                f"it is event {here} of the chain; a checkpoint signed it as event {anchor.total}",
            )

    def end(self) -> None:
        """Notes every checkpoint whose last event did not come."""
        for anchor in self._anchors.values():
            first, last = (
                f"{anchor.node}.{place[0]}.{place[1]}.{place[2]}"
                for place in (anchor.first, anchor.last)
            )
            self.report.add(
                ANCHOR_MISSING,
                last,
                f"the event with hash {anchor.head[:16]}…, which a checkpoint signed, is not there:"
                f" rows from {first} on were removed, or the chain was replaced",
            )
        if self._own is not None and self._unanchored:
            for statement in self._own.read():
                self._unanchored.pop(statement.signature, None)
            for event_id in self._unanchored.values():
                detail = "the anchors do not hold the checkpoint that it puts on record"
                self.report.add(UNANCHORED, event_id, detail)

    def check_head(self, expected: str) -> None:
        """Checks that the chain ends where it was expected to end, or after it.

        What was expected may have been removed since, by a retention that is on record.
        """
        if expected not in (self._last_hash, self._dropped_hash) and expected not in self._recent:
            self.report.add(
                HEAD_MISSING,
                self.report.last_event_id,
                f"the event with hash {expected} is missing",
            )

    def _details(
        self, event_id: str, details: str | bytes, head: list[Any], caused_by: tuple[str, ...]
    ) -> dict[str, Any]:
        """What the details say; nothing if they were erased or do not hold."""
        if not details:
            self.report.erased_details += 1
            return {}
        data = details if isinstance(details, bytes) else details.encode()
        if sha256(data).hexdigest() != head[-1]:
            self.report.add(
                DETAILS_ALTERED, event_id, "the details are not those that were written"
            )
            return {}
        said: dict[str, Any] = msgspec.json.decode(data)
        if head[_EVENT_TYPE] == "audit_logged" and caused_by != _caused_by(said):
            self.report.add(
                DETAILS_ALTERED, event_id, f"caused_by is {caused_by}, the details say otherwise"
            )
        return said

    def _remember(self, stored_hash: str, event_id: str) -> None:
        self._last_hash = self.report.last_hash = stored_hash
        self._recent[stored_hash] = event_id
        if len(self._recent) > _RECENT_MAX:
            del self._recent[next(iter(self._recent))]


def _caused_by(said: dict[str, Any]) -> tuple[str, str]:
    agent, event = said.get("caused_by_agent"), said.get("caused_by_event")
    return (agent if isinstance(agent, str) else "", event if isinstance(event, str) else "")
