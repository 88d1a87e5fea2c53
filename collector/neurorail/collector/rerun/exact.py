"""Exact replay: the stored records give the very events that the audit holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path

from neurorail.collector.engine.encoding import Heads, encode_events
from neurorail.collector.envelope import Envelope
from neurorail.collector.rerun.engine import RERUN_FILE, Rerun
from neurorail.collector.rerun.garbage import seldom_looked_for
from neurorail.collector.rerun.states import fetch_state, stored_states
from neurorail.collector.rerun.stored import STRETCH_RECORDS, Rows, StoredRecords
from neurorail.collector.stream.event import decode_line
from neurorail.rules.config import EngineConfig

OnProgress = Callable[[int, int], None]
"""Called with the records done and the records there are."""

Told = tuple[int, int, str, str]
"""An event: record, place in it, type, SHA-256 of its details in hex."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The first event in which replay and audit differ; None where one has no event."""

    event_id: str
    archived: str | None
    replayed: str | None


@dataclass(frozen=True, slots=True)
class ExactReport:
    """Where an exact replay ended."""

    node: str
    after_seq: int
    through_seq: int
    records: int
    observations: int
    events: int
    digest: str
    """Over types and details of the replayed events, in hex."""
    archived_digest: str
    """The same over the audit's."""
    first_difference: Difference | None

    @property
    def equal(self) -> bool:
        """Whether replay and audit are the same, event by event."""
        return self.first_difference is None and self.digest == self.archived_digest


class _Digest:
    """Moves over events as the engine's own does."""

    def __init__(self) -> None:
        self.value = bytes(32)
        self.events = 0

    def add(self, told: Sequence[Told]) -> None:
        """Take in some events."""
        for _, _, event_type, details in told:
            self.value = sha256(self.value + bytes.fromhex(details) + event_type.encode()).digest()
        self.events += len(told)


def replay(
    store: Rows,
    node: str,
    folder: Path,
    *,
    after_seq: int = 0,
    through_seq: int | None = None,
    progress: OnProgress = lambda done, total: None,
) -> ExactReport | None:
    """Replay a node's records and compare every event with the audit; None if there are none.

    Args:
        store: A started store, or what asks one.
        node: Whose records.
        folder: Empty; files are made in it.
        after_seq: The last record that is not replayed, at which a state is stored; 0 begins with
            the first.
        through_seq: The last record; without, the last one of which an event is archived.
        progress: Told after each stretch.

    Raises:
        StoreError: the store cannot be read.
        NoState: no state is stored at `after_seq`.
    """
    records = StoredRecords(store, node)
    there = records.range()
    if there is None:
        return None
    config = _begin_at(store, node, after_seq, folder) if after_seq else EngineConfig()
    last = min(through_seq or last_event(store, node), there.last_seq)
    rerun = Rerun(folder, config)
    ours, theirs, heads = _Digest(), _Digest(), Heads()
    difference, done = None, 0
    try:
        at = after_seq
        with seldom_looked_for():
            for stretch in records.read(after_seq, last):
                told = [one for envelope in stretch for one in _tell(rerun, envelope, heads)]
                until = min(at + STRETCH_RECORDS, last)
                archived = _archived(store, node, at, until)
                ours.add(told)
                theirs.add(archived)
                difference = difference or _first_difference(node, told, archived)
                at, done = until, done + len(stretch)
                progress(at - after_seq, last - after_seq)
    finally:
        rerun.close()
    return ExactReport(
        node,
        after_seq,
        last,
        done,
        rerun.observations,
        ours.events,
        ours.value.hex(),
        theirs.value.hex(),
        difference,
    )


class NoState(LookupError):
    """No state of the engine is stored at a record; the message says where there are."""


def _begin_at(store: Rows, node: str, seq: int, folder: Path) -> EngineConfig:
    known = {state.seq: state.config for state in stored_states(store, node)}
    if seq not in known:
        listed = ", ".join(map(str, known)) or "none"
        raise NoState(f"no state is stored after record {seq}; there are: {listed}")
    fetch_state(store, node, seq, folder / RERUN_FILE)
    return known[seq]


def _tell(rerun: Rerun, envelope: Envelope, heads: Heads) -> Iterator[Told]:
    events = rerun.apply(envelope)
    state = rerun.engine.state
    lines: list[bytes] = []
    encode_events(state.node, state.epoch, envelope, events, heads, lines)
    for line in map(decode_line, lines):
        yield envelope.seq, line.index, line.event_type, line.details_hash


def last_event(store: Rows, node: str) -> int:
    """The last record of which an event is in the audit: later ones may be on their way."""
    ((last,),) = store.query_rows(
        "SELECT max(seq) FROM neurorail_audit WHERE node = {node:String}", {"node": node}
    )
    return int(last)


def _archived(store: Rows, node: str, after_seq: int, through_seq: int) -> list[Told]:
    rows = store.query_rows(
        "SELECT seq, `index`, event_type, lower(hex(details_hash)) FROM neurorail_audit "
        "WHERE node = {node:String} AND seq BETWEEN {first:UInt64} AND {last:UInt64} "
        "ORDER BY epoch, seq, `index`",
        {"node": node, "first": after_seq + 1, "last": through_seq},
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def _first_difference(
    node: str, told: Sequence[Told], archived: Sequence[Told]
) -> Difference | None:
    for ours, theirs in zip_longest(told, archived):
        if ours != theirs:
            seq, index, _, _ = min(one for one in (ours, theirs) if one is not None)
            return Difference(
                f"{node}/{seq}.{index}",
                None if theirs is None else theirs[2],
                None if ours is None else ours[2],
            )
    return None
