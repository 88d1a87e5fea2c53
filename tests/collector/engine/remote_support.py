"""An engine in a process of its own over a real inbox, and records that its decoder understands."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from tests.collector.engine.support import PATIENCE_S, epoch_body, on_a_thread
from tests.support.otlp_requests import set_attributes

from neurorail.collector.decode.system import PricesRecord, encode_system
from neurorail.collector.engine.records import RecordBuffer
from neurorail.collector.engine.remote import UNAPPLIED_BYTES_MAX, EngineProcess
from neurorail.collector.envelope import Envelope, Kind, Signal, Stamp, Submission
from neurorail.collector.inbox import InboxConfig, SqliteInbox
from neurorail.collector.stream.event import EventLine, StreamEvent, decode_lines
from neurorail.rules.config import EngineConfig
from neurorail.rules.engine import Engine


def epoch() -> Submission:
    """The record that begins the first epoch."""
    return Submission(Kind.SYSTEM, Signal.NONE, epoch_body(), encoding="json")


def poison() -> Submission:
    """A record whose observation raises: a price table that is none."""
    body = encode_system(PricesRecord("v", "ab", msgspec.Raw(b'"no table"')))
    return Submission(Kind.SYSTEM, Signal.NONE, body, encoding="json")


def moved(number: int, *transitions: str, **attributes: object) -> Submission:
    """A record in which a mission is created, or does what else is said."""
    request = ExportLogsServiceRequest()
    record = (
        request.resource_logs.add()
        .scope_logs.add()
        .log_records.add(event_name="neurorail.lifecycle.transition", time_unix_nano=time.time_ns())
    )
    said: dict[str, object] = {
        "neurorail.mission.id": f"m_{number}",
        "neurorail.transitions": list(transitions or ("create",)),
    }
    more = {name.replace("__", "."): value for name, value in attributes.items()}
    set_attributes(record.attributes, said | more)
    return Submission(Kind.TELEMETRY, Signal.LOGS, request.SerializeToString(), items=1)


def missions(engine: Engine) -> int:
    """A question: how many entities are known."""
    return len(engine.state.entities)


def divide(engine: Engine) -> float:
    """A question that raises."""
    return missions(engine) / 0


def lock(engine: Engine) -> object:
    """A question whose answer cannot travel."""
    return threading.Lock()


def give_up(engine: Engine) -> None:
    """A question that ends the engine."""
    raise SystemExit("enough")


class WatchedInbox:
    """A real inbox that tells what the feed reads of it."""

    def __init__(self, inbox: SqliteInbox) -> None:
        self.inbox = inbox
        self.reads: list[int] = []
        self.on_read: Callable[[], None] = lambda: None

    def read(self, after_seq: int, max_records: int, max_bytes: int) -> list[Envelope]:
        """Read, and remember from where."""
        self.on_read()
        self.reads.append(after_seq)
        return self.inbox.read(after_seq, max_records, max_bytes)

    def wait_for(self, after_seq: int, timeout_s: float) -> bool:
        """As the inbox does."""
        return self.inbox.wait_for(after_seq, timeout_s)

    def wake(self) -> None:
        """As the inbox does."""
        self.inbox.wake()

    def append_threadsafe(self, submissions: Sequence[Submission]) -> Future[list[Stamp]]:
        """As the inbox does."""
        return self.inbox.append_threadsafe(submissions)


@dataclass
class Remote:
    """An engine's process, and what it said."""

    inbox: SqliteInbox
    watched: WatchedInbox
    engine: EngineProcess
    published: list[StreamEvent] = field(default_factory=list)
    failed: threading.Event = field(default_factory=threading.Event)

    def append(self, *submissions: Submission) -> int:
        """Append records; the last one's sequence number."""
        return self.inbox.append_threadsafe(submissions).result(PATIENCE_S)[-1].seq

    def put(self, *submissions: Submission) -> int:
        """Append records and wait until they are applied."""
        seq = self.append(*submissions)
        self.wait(lambda: self.engine.seq >= seq)
        return seq

    def wait(self, done: Callable[[], bool]) -> None:
        """Wait until something is so; fail when it does not come to pass."""
        ends = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < ends, f"it did not happen in time: {self.engine.failure}"
            time.sleep(0.002)

    def wait_published(self, count: int) -> None:
        """Wait until so many events are published."""
        self.wait(lambda: len(self.published) >= count)

    def lines(self) -> list[EventLine]:
        """Every event in the outbox."""
        return [
            line for batch in self.engine.read(0, 1 << 30) for line in decode_lines(batch.lines)
        ]


@contextmanager
def remote(
    directory: Path,
    unapplied_bytes_max: int = UNAPPLIED_BYTES_MAX,
    start: bool = True,
) -> Iterator[Remote]:
    """A running engine process, stopped at the end."""
    # Clocks that leap are no downtime here.
    inbox = SqliteInbox(directory, InboxConfig(resumed_min_ns=1 << 62, jump_ns=1 << 62))
    inbox.start()
    watched = WatchedInbox(inbox)
    published: list[StreamEvent] = []
    failed = threading.Event()
    engine = EngineProcess(
        watched,
        directory / "engine.db",
        EngineConfig(),
        published.extend,
        RecordBuffer(),
        failed.set,
        unapplied_bytes_max,
    )
    try:
        if start:
            engine.launch()
            engine.start()
        yield Remote(inbox, watched, engine, published, failed)
    finally:
        engine.stop()
        on_a_thread(lambda: asyncio.run(inbox.stop()))
