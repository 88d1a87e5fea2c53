"""The real decoder and engine, in this process: what is appended is applied at once."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tests.support.events import NODE, START_UNIX_NANO, ListBatch, ListOutbox

from neurorail.collector.archive.formats import (
    EVENTS_FORMAT,
    EVENTS_TABLE,
    event_settings,
)
from neurorail.collector.decode import Decoder
from neurorail.collector.engine.encoding import Heads, encode_events
from neurorail.collector.envelope import Envelope, Kind, Signal, Stamp, Submission
from neurorail.collector.store.store import Store
from neurorail.collector.stream.event import StreamEvent, decode_lines
from neurorail.rules.config import EngineConfig
from neurorail.rules.engine import Engine

T = TypeVar("T")
MS = 1_000_000


@dataclass
class LiveEngine:
    """An inbox and an engine in one. Each record is received a second after the one before."""

    records: list[Submission] = field(default_factory=list)
    outbox: ListOutbox = field(default_factory=ListOutbox)
    step_ns: int = 1_000 * MS
    now: int = START_UNIX_NANO

    def __post_init__(self) -> None:
        self.engine = Engine(EngineConfig())
        self._decoder = Decoder()
        self._heads = Heads()
        self._events: dict[int, list[StreamEvent]] = {}

    @property
    def seq(self) -> int:
        """The last record applied."""
        return len(self.records)

    async def append(self, submissions: Sequence[Submission]) -> list[Stamp]:
        """Take records and apply them."""
        return [self.apply(submission) for submission in submissions]

    def apply(self, submission: Submission) -> Stamp:
        """Take one record and apply it, after the ticks that were due before it."""
        self.now += self.step_ns
        while (due := self.engine.next_deadline()) is not None and due <= self.now:
            self._apply(Submission(Kind.TICK, Signal.NONE, b"", encoding="json"), due)
        return self._apply(submission, self.now)

    def _apply(self, submission: Submission, received: int) -> Stamp:
        self.records.append(submission)
        envelope = Envelope(
            self.seq, submission.kind, submission.signal, submission.encoding, received,
            submission.tenant, submission.principal, 1, submission.body, submission.items,
        )  # fmt: skip
        seen = self._decoder.decode(envelope)
        events = self.engine.apply(received, submission.tenant, seen)
        encoded: list[bytes] = []
        encode_events(NODE, 1, envelope, events, self._heads, encoded)
        lines = b"".join(line + b"\n" for line in encoded)
        self._events[self.seq] = [line.to_stream_event() for line in decode_lines(lines)]
        if lines:
            ordinal = self.outbox.next_ordinal
            self.outbox.batches.append(ListBatch(ordinal, self.seq, lines))
            self.outbox.next_ordinal += 1
        return Stamp(self.seq, received)

    async def applied(self, seq: int) -> list[StreamEvent]:
        """The events of a record."""
        return self._events[seq]

    async def ask(self, question: Callable[[Engine], T]) -> T:
        """Let the engine answer."""
        return question(self.engine)

    def archive(self, store: Store) -> None:
        """Move everything that is in the outbox into the store's tables."""
        lines = [batch.lines for batch in self.outbox.batches]
        if lines:
            # Several of these fill one store: none is a repetition of another.
            settings = event_settings(secrets.token_hex(8))
            store.raw_insert(EVENTS_TABLE, lines, EVENTS_FORMAT, settings)
            self.outbox.prune(self.outbox.batches[-1].ordinal)
