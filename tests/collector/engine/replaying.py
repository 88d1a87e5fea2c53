"""Replaying an inbox into a fresh engine: the same records give the same events, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from neurorail.collector.engine.encoding import Heads, encode_events
from neurorail.collector.envelope import Envelope
from neurorail.rules.config import EngineConfig
from neurorail.rules.engine import ApplyError, Engine
from neurorail.rules.events import Event
from neurorail.rules.observations import Observation
from neurorail.rules.state import Row

PAGE_RECORDS: Final = 256
PAGE_BYTES: Final = 8 << 20
FLUSH_DIRTY_MAX: Final = 4_000


class Records(Protocol):
    """What replay reads: an inbox."""

    def read(self, after_seq: int, max_records: int, max_bytes: int) -> list[Envelope]:
        """The records that follow, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Replayed:
    """Where a replay ended: compare two of them with `==`."""

    last_seq: int
    events: int
    digest: str
    """Over types and details of all events, in hex."""
    audit_hash: str
    """The head of the audit chain, in hex."""


class Replay:
    """An engine whose state store is a dictionary. Feed it records in order.

    Args:
        decode: from a record to its observations, as the live engine's.
        config: what the live engine was told.
        on_lines: gets each record's encoded events, if it is given.
    """

    def __init__(
        self,
        decode: Callable[[Envelope], Sequence[Observation]],
        config: EngineConfig,
        on_lines: Callable[[list[bytes]], None] = lambda lines: None,
    ) -> None:
        self._decode = decode
        self._config = config
        self._failed: dict[int, dict[int, str]] = {}
        self._on_lines = on_lines
        self._begin()

    def _begin(self) -> None:
        self._rows: dict[str, Row] = {}
        self._heads = Heads()
        self.engine = Engine(self._config, self._rows.get)
        self.last_seq = 0

    def apply(self, envelope: Envelope) -> list[Event]:
        """Apply one record and return its events.

        Raises:
            ApplyError: an observation raised; `run` starts over and treats it as failed.
        """
        events = self.engine.apply(
            envelope.received_unix_nano,
            envelope.tenant,
            self._decode(envelope),
            self._failed.get(envelope.seq),
        )
        self._encode(envelope, events)
        self.last_seq = envelope.seq
        if self.engine.state.dirty >= FLUSH_DIRTY_MAX:
            self._flush()
        return events

    def _flush(self) -> None:
        """Keep rows of what changed, so that memory may forget it."""
        changes = self.engine.state.take_changes()
        for key, _, _, row in changes.rows:
            self._rows[key] = row
        for key in changes.removed:
            self._rows.pop(key, None)
        self.engine.state.evict()

    def run(self, records: Records, after_seq: int = 0) -> Replayed:
        """Apply everything that `records` hold after `after_seq`, in a fresh engine."""
        while True:
            self._begin()
            try:
                for envelope in pages(records, after_seq):
                    self.last_seq = envelope.seq
                    self.apply(envelope)
            except ApplyError as error:
                self._failed.setdefault(self.last_seq, {})[error.index] = error.cause
                continue
            return self.result()

    def result(self) -> Replayed:
        """Where the replay stands."""
        heads = self._heads
        return Replayed(self.last_seq, heads.events, heads.digest.hex(), heads.audit.hex())

    def _encode(self, envelope: Envelope, events: list[Event]) -> None:
        lines: list[bytes] = []
        state = self.engine.state
        encode_events(state.node, state.epoch, envelope, events, self._heads, lines)
        self._on_lines(lines)


def pages(records: Records, after_seq: int) -> Iterator[Envelope]:
    """Every record after `after_seq`, read a page at a time."""
    while True:
        page = records.read(after_seq, PAGE_RECORDS, PAGE_BYTES)
        if not page:
            return
        yield from page
        after_seq = page[-1].seq
