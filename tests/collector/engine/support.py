"""What the tests of the running engine share: a real inbox, a real journal, records by hand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.collector.inbox.support import SettableClock
from tests.rules.scenario import BASE, observation

from neurorail.collector.decode import decode_observations, encode_observations
from neurorail.collector.decode.system import EpochRecord, encode_system
from neurorail.collector.engine.applier import Applier
from neurorail.collector.engine.journal import Journal
from neurorail.collector.envelope import Envelope, Kind, Signal, Submission
from neurorail.collector.inbox import InboxConfig, SqliteInbox
from neurorail.collector.stream.event import EventLine, StreamEvent, decode_lines
from neurorail.rules.config import EngineConfig
from neurorail.rules.observations import EpochStarted, Observation, Tick

NODE = "n1"
PATIENCE_S = 60.0


def decode(envelope: Envelope) -> list[Observation]:
    """Records of these tests are encoded observations; ticks are ticks."""
    if envelope.kind == Kind.TICK:
        return [Tick()]
    return decode_observations(envelope.body)


def record(*specs: dict[str, Any] | Observation, tenant: str = "default") -> Submission:
    """A record that says these things."""
    seen = [observation(one) if isinstance(one, dict) else one for one in specs]
    return Submission(
        Kind.COMMAND, Signal.NONE, encode_observations(seen), tenant=tenant, encoding="json"
    )


def epoch() -> Submission:
    """The record that begins the first epoch."""
    return record(EpochStarted(1, NODE, "1.0"))


def epoch_body() -> bytes:
    """The same as the server writes it."""
    return encode_system(EpochRecord(1, NODE, "1.0"))


def envelope_of(seq: int, submission: Submission, received_unix_nano: int) -> Envelope:
    """A record as the inbox would give it."""
    return Envelope(
        seq,
        submission.kind,
        submission.signal,
        submission.encoding,
        received_unix_nano,
        submission.tenant,
        submission.principal,
        1,
        submission.body,
        submission.items,
    )


def on_a_thread(work: Callable[[], object]) -> None:
    """Do something on a thread of its own, since tests may have an event loop on theirs."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(work).result(2 * PATIENCE_S)


@dataclass
class Running:
    """An applier over a real inbox in a directory of its own."""

    inbox: SqliteInbox
    journal: Journal
    applier: Applier
    clock: SettableClock
    published: list[StreamEvent] = field(default_factory=list)

    def put(self, *submissions: Submission) -> int:
        """Append records and wait until they are published; the last one's sequence number."""
        stamps = self.inbox.append_threadsafe(submissions).result(timeout=PATIENCE_S)
        self.wait_for(stamps[-1].seq)
        return stamps[-1].seq

    def wait_for(self, seq: int) -> None:
        """Wait until the events of a record are published."""
        on_a_thread(lambda: asyncio.run(asyncio.wait_for(self.applier.applied(seq), PATIENCE_S)))

    def wait(self, done: Callable[[], bool]) -> None:
        """Wait until something is so; fail when it does not come to pass."""
        ends = time.monotonic() + PATIENCE_S
        while not done():
            assert self.applier.failure is None, self.applier.failure
            assert time.monotonic() < ends, "it did not happen in time"
            time.sleep(0.002)

    def lines(self) -> list[EventLine]:
        """Every event in the outbox."""
        return lines_of(self.journal)


def lines_of(journal: Journal) -> list[EventLine]:
    """Every event in an outbox."""
    return [line for batch in journal.unarchived() for line in decode_lines(batch.lines)]


@contextmanager
def running(
    directory: Path,
    config: EngineConfig | None = None,
    clock: SettableClock | None = None,
    decoding: Callable[[Envelope], Sequence[Observation]] = decode,
    start: bool = True,
) -> Iterator[Running]:
    """A running engine, stopped at the end."""
    clock = clock or SettableClock(BASE)
    # Clocks that leap are no downtime here, unless a test makes it so.
    calm = InboxConfig(resumed_min_ns=1 << 62, jump_ns=1 << 62)
    inbox = SqliteInbox(directory, calm, clock)
    inbox.start()
    journal = Journal(directory / "state.db")
    journal.open()
    published: list[StreamEvent] = []
    applier = Applier(
        inbox, journal, decoding, config or EngineConfig(), published.extend, clock=clock
    )
    if start:
        applier.start()
    try:
        yield Running(inbox, journal, applier, clock, published)
    finally:
        applier.stop()
        on_a_thread(lambda: asyncio.run(inbox.stop()))
        journal.close()
