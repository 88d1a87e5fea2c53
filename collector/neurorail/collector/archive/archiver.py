"""The archiver: two threads, one for records and one for events.

Neither waits for the other, but that an embedded ClickHouse is given one insert at a time: two of
them would take all processors of a small machine, and what is live would wait.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final, Protocol

from neurorail.collector.archive.config import ArchiveConfig
from neurorail.collector.archive.events import EventStream
from neurorail.collector.archive.progress import ProgressLog
from neurorail.collector.archive.telemetry import TelemetryStream
from neurorail.collector.archive.writer import Stopped, Writer, WriterCounts
from neurorail.collector.store.client import is_embedded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from neurorail.collector.archive.ports import (
        EncodeRecord,
        EventSource,
        OnDeadLetter,
        RecordSource,
    )
    from neurorail.collector.store.store import Store

log = logging.getLogger(__name__)

_WAIT_S: Final = 0.25
"""How long a thread that has nothing to do waits before it looks whether it is to stop."""
_FAILURE_DELAY_S: Final = 1.0
_LOOK_S: Final = 0.05
_LAST_INSERT_S: Final = 10.0
"""How long a stop waits for a server's answer to an insert that is under way."""


class _Stream(Protocol):
    name: str
    archived: int

    def recover(self) -> None: ...
    def wait(self, timeout_s: float) -> bool: ...
    def fill(self) -> float: ...
    def step(self) -> None: ...


class Archiver:
    """Moves what is durable into ClickHouse, in order, each record and event exactly once.

    Needs a started store. Start and stop are idempotent; stop is safe without start. What has not
    been archived at stop is taken up at the next start; `hasten` and `wait_until` come before it
    when that is to be nothing. `on_thread_start` runs first on each of the two threads.
    """

    def __init__(
        self,
        *,
        directory: Path,
        store: Store,
        node: str,
        records: RecordSource,
        events: EventSource,
        config: ArchiveConfig | None = None,
        encode_record: EncodeRecord | None = None,
        on_dead_letter: OnDeadLetter | None = None,
        on_progress: Callable[[], None] | None = None,
        on_thread_start: Callable[[], None] = lambda: None,
    ) -> None:
        self._config = config or ArchiveConfig()
        self._on_thread_start = on_thread_start
        self._stop = threading.Event()
        self._hastened = threading.Event()
        self._on_progress = on_progress
        self._directory = directory
        self._log: ProgressLog | None = None
        self._threads: list[threading.Thread] = []
        self._moved = threading.Condition()

        self._embedded = is_embedded(store.config.url)
        turn = threading.Lock() if self._embedded else nullcontext()

        def writer() -> Writer:
            return Writer(store, node, self._config, self._stop, on_dead_letter, turn)

        self._writers = (writer(), writer())
        self._records = records
        self._events = events
        self._encode_record = encode_record
        self._telemetry: TelemetryStream | None = None
        self._event_stream: EventStream | None = None

    def start(self) -> None:
        """Opens the progress file and starts both threads, which first complete the last run."""
        if self._threads:
            return
        self._stop.clear()
        self._hastened.clear()
        self._log = ProgressLog(self._directory / "archive.db")
        self._telemetry = TelemetryStream(
            self._records, self._writers[0], self._log, self._config, self._encode_record
        )
        self._event_stream = EventStream(self._events, self._writers[1], self._log, self._config)
        for stream in (self._telemetry, self._event_stream):
            known = self._log.load(stream.name)
            stream.archived = known.archived if known else 0
            thread = threading.Thread(
                target=self._run, args=(stream,), name=f"archive-{stream.name}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def hasten(self) -> None:
        """From now on what waits is inserted at once: no batch waits for more to come."""
        self._hastened.set()

    def stop(self) -> None:
        """Lets the inserts that are under way finish and ends both threads.

        A server that does not answer is not waited for: the next start compares what it took.
        """
        self._stop.set()
        self._hastened.set()
        ends = time.monotonic() + _LAST_INSERT_S
        while self._threads:
            thread = self._threads.pop()
            thread.join(None if self._embedded else max(0.0, ends - time.monotonic()))
            if thread.is_alive():
                log.warning("%s: the store does not answer, nobody waits for it", thread.name)
        if self._log is not None:
            self._log.close()
            self._log = None

    def wait_until(self, *, seq: int = 0, ordinal: int = 0, timeout_s: float) -> bool:
        """Blocks until everything up to `seq` and `ordinal` is archived; False if time ran out."""
        with self._moved:
            return self._moved.wait_for(
                lambda: self.archived_seq >= seq and self.archived_ordinal >= ordinal, timeout_s
            )

    @property
    def opened(self) -> bool:
        """Whether it was started: only then it knows how far it got."""
        return self._telemetry is not None

    @property
    def archived_seq(self) -> int:
        """Every record up to this one is in the tables, or in the dead letters."""
        return self._telemetry.archived if self._telemetry else 0

    @property
    def archived_ordinal(self) -> int:
        """Every outbox batch up to this one is in the tables, or in the dead letters."""
        return self._event_stream.archived if self._event_stream else 0

    @property
    def backlog_records(self) -> int:
        """Records that wait to be archived."""
        return max(0, self._records.last_seq - self.archived_seq)

    @property
    def counts(self) -> tuple[WriterCounts, WriterCounts]:
        """What the two threads have done: records, events."""
        return (self._writers[0].counts, self._writers[1].counts)

    @property
    def healthy(self) -> bool:
        """Whether neither thread waits for the store or for disk."""
        return not any(counts.waiting_for for counts in self.counts)

    def _run(self, stream: _Stream) -> None:
        self._on_thread_start()
        recovered = False
        while not self._stop.is_set():
            try:
                if not recovered:
                    stream.recover()
                    recovered = True
                    self._progressed()
                self._step(stream)
            except Stopped:
                return
            except Exception:
                # A defect must not end archiving for good: the range is compared and tried again.
                log.exception("archiving %s failed; it is tried again", stream.name)
                recovered = False
                self._stop.wait(_FAILURE_DELAY_S)

    def _step(self, stream: _Stream) -> None:
        if not stream.wait(_WAIT_S):
            return
        self._linger(stream)
        before = stream.archived
        stream.step()
        if stream.archived != before:
            self._progressed()

    def _linger(self, stream: _Stream) -> None:
        """Let a batch grow while more is coming in: few large parts cost far less than many."""
        begun = grown = time.monotonic()
        before = 0.0
        while (share := stream.fill()) < 1:
            now = time.monotonic()
            if share > before:
                before, grown = share, now
            quiet_at = grown + self._config.linger_ms / 1000
            left = min(quiet_at, begun + self._config.linger_busy_ms / 1000) - now
            if left <= 0 or self._hastened.wait(min(left, _LOOK_S)):
                return

    def _progressed(self) -> None:
        with self._moved:
            self._moved.notify_all()
        if self._on_progress is not None:
            self._on_progress()
