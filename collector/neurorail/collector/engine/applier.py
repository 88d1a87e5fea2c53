"""The applier: one thread that reads the inbox, drives the engine and hands on what it says."""

from __future__ import annotations

import asyncio
import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Final, Protocol, TypeVar

from neurorail.collector.engine.encoding import Heads, encode_events
from neurorail.collector.engine.journal import Journal, OutboxBatch
from neurorail.collector.engine.restore import restored
from neurorail.collector.envelope import Envelope, Kind, Signal, Stamp, Submission
from neurorail.collector.inbox.errors import InboxError
from neurorail.collector.stream.event import StreamEvent, decode_lines
from neurorail.rules.config import EngineConfig
from neurorail.rules.engine import ApplyError, Engine
from neurorail.rules.observations import Observation

GROUP_RECORDS_MAX: Final = 256
GROUP_BYTES_MAX: Final = 8 << 20
SLICE_S: Final = 0.02
"""Longest time records are applied before what they produced is written and published."""
FLUSH_DIRTY_MAX: Final = 4_000
"""Changed entities and traces at which the state is flushed at once."""
FLUSH_DIRTY_ASKED: Final = 400
"""The same while somebody waits for answers, so that none of them waits for long."""
ASKED_S: Final = 2.0
"""How long after a command somebody counts as waiting."""
FLUSH_INTERVAL_S: Final = 0.1
"""Least time between two flushes. With little to write they are frequent and short, so that none
of them holds up the events of the moment."""
FLUSH_S_PER_DIRTY: Final = 0.00025
"""Time between two flushes for each changed entity or trace: the more there is to write, the more
of what changes again and again is written once."""
WAIT_S: Final = 0.1
TICK_RETRY_S: Final = 1.0
"""Pause after a tick that the inbox did not take, which is so while the disk is full."""
QUERIES_MAX: Final = 1_000
"""Questions that may wait for the engine; a further one is refused."""

_log = logging.getLogger(__name__)
T = TypeVar("T")


class InboxReader(Protocol):
    """What the applier needs of an inbox."""

    def read(self, after_seq: int, max_records: int, max_bytes: int) -> list[Envelope]:
        """The records that follow, in order."""
        ...

    def wait_for(self, after_seq: int, timeout_s: float) -> bool:
        """Wait until there is a record after `after_seq`."""
        ...

    def wake(self) -> None:
        """End every `wait_for` now."""
        ...

    def append_threadsafe(self, submissions: Sequence[Submission]) -> Future[list[Stamp]]:
        """Append from any thread."""
        ...


class Busy(RuntimeError):
    """Too many questions wait for the engine; trying again later can help."""


class Applier:
    """Applies every record of the inbox once, in order.

    `publish`, if given, gets the events of a group after they are durable, `committed` its outbox
    batch (None when it had no events), `keep` what each record said, `failed` the error that ended
    the thread. None of them may block for long.
    """

    def __init__(
        self,
        inbox: InboxReader,
        journal: Journal,
        decode: Callable[[Envelope], Sequence[Observation]],
        config: EngineConfig,
        publish: Callable[[list[StreamEvent]], None] | None = None,
        keep: Callable[[int, Sequence[Observation]], None] = lambda seq, observations: None,
        committed: Callable[[OutboxBatch | None], None] = lambda batch: None,
        failed: Callable[[BaseException], None] = lambda error: None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._inbox = inbox
        self._journal = journal
        self._decode = decode
        self._config = config
        self._publish = publish
        self._keep = keep
        self._committed = committed
        self._on_failure = failed
        self._clock = clock
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._questions: queue.Queue[tuple[Callable[[Engine], Any], Future[Any]]] = queue.Queue(
            QUERIES_MAX
        )
        self._waiting: dict[int, list[Future[list[StreamEvent]]]] = {}
        self._waiting_lock = threading.Lock()
        self._tick: Future[list[Stamp]] | None = None
        self._tick_seq = 0
        self._tick_not_before = 0.0
        self._prices_json: bytes | None = None
        self._last_flush = time.monotonic()
        self._asked_until = 0.0
        self._failed: dict[int, dict[int, str]] = {}
        self._ended = threading.Event()
        self.failure: BaseException | None = None
        self.engine = Engine(config, journal.load)
        self.seq = 0
        """The last record applied."""
        self._told_seq = 0
        """The last record whose events are durable and published."""

    # ── life ─────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Restore the engine and begin to apply."""
        self._restore()
        self._thread = threading.Thread(target=self._run, name="applier", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Apply nothing more; what was applied is flushed when this returns."""
        self._stopping.set()
        self._inbox.wake()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def end_ticks(self) -> Future[None]:
        """Append no more ticks: what falls due is said after the next start."""

        def end(_: Engine) -> None:
            self._tick_not_before = math.inf

        return self.submit(end)

    @property
    def flushed_seq(self) -> int:
        """Records up to this one are no longer needed to rebuild the engine."""
        return self._journal.progress.flushed_seq

    # ── what others ask of it ────────────────────────────────────────────────────────────────

    async def ask(self, question: Callable[[Engine], T]) -> T:
        """Let the engine answer between two slices of its work.

        Raises:
            Busy: too many questions are waiting, or the engine is not running.
        """
        return await asyncio.wrap_future(self.submit(question))

    def submit(self, question: Callable[[Engine], T]) -> Future[T]:
        """The same for threads; a future that never blocks the engine."""
        answer: Future[T] = Future()
        try:
            self._questions.put_nowait((question, answer))
        except queue.Full:
            answer.set_exception(
                Busy(f"{QUERIES_MAX} questions wait for the engine, try again later")
            )
            return answer
        self._inbox.wake()
        if self._ended.is_set():
            self._refuse_questions()
        return answer

    async def applied(self, seq: int) -> list[StreamEvent]:
        """The events of record `seq`, as soon as they are durable; none when they were before."""
        future: Future[list[StreamEvent]] = Future()
        with self._waiting_lock:
            if seq <= self._told_seq:
                return []
            if self._ended.is_set():
                raise Busy("the engine is not running")
            self._waiting.setdefault(seq, []).append(future)
        return await asyncio.wrap_future(future)

    # ── the thread ───────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._step()
            self._commit_group([], 0, flush=True)
        except BaseException as error:
            self.failure = error
            self._on_failure(error)
            _log.critical("the engine stopped: %s", error, exc_info=True)
        finally:
            self._ended.set()
            self._refuse_questions()

    def _step(self) -> None:
        envelopes = self._inbox.read(self.seq, GROUP_RECORDS_MAX, GROUP_BYTES_MAX)
        if envelopes:
            self._apply_all(envelopes)
        else:
            self._flush_if_due()
            self._journal.merge_if_large()
            self._inbox.wait_for(self.seq, self._wait_s())
        self._answer_questions()
        self._append_due_tick()

    def _wait_s(self) -> float:
        if not self._questions.empty():
            return 0.0
        deadline = self.engine.next_deadline()
        waiting = self._tick is not None or time.monotonic() < self._tick_not_before
        if deadline is None or waiting:
            return WAIT_S
        return min(max((deadline - self._clock()) / 1e9, 0.0), WAIT_S)

    def _apply_all(self, envelopes: list[Envelope]) -> None:
        at = 0
        while at < len(envelopes) and not self._stopping.is_set():
            encoded: list[bytes] = []
            first_seq = envelopes[at].seq
            ends = time.monotonic() + SLICE_S
            heads = self._heads()
            try:
                while at < len(envelopes):
                    self._apply_one(envelopes[at], heads, encoded)
                    at += 1
                    if time.monotonic() >= ends or _answers_wait(envelopes, at):
                        break
            except ApplyError as error:
                self._start_over(envelopes[at], error)
                return
            self._commit_group(encoded, first_seq, heads=heads)
            self._flush_if_due()  # Nobody waits for that.
            self._answer_questions()

    def _heads(self) -> Heads:
        progress = self._journal.progress
        return Heads(progress.audit, progress.digest, progress.events)

    def _apply_one(self, envelope: Envelope, heads: Heads, encoded: list[bytes]) -> None:
        engine = self.engine
        observations = self._decode(envelope)
        self._keep(envelope.seq, observations)
        wanted = engine.wanted(envelope.tenant, observations)
        if wanted:
            rows = self._journal.load_many(wanted)
            for key in wanted:
                engine.supply(key, rows.get(key))
        before = engine.state.prices_json
        events = engine.apply(
            envelope.received_unix_nano,
            envelope.tenant,
            observations,
            self._failed.get(envelope.seq),
        )
        if engine.state.prices_json is not before:
            self._prices_json = engine.state.prices_json
        if events and envelope.seq > self._journal.progress.emitted_seq:
            state = engine.state
            encode_events(state.node, state.epoch, envelope, events, heads, encoded)
        self.seq = envelope.seq
        if envelope.kind is Kind.COMMAND:
            self._asked_until = time.monotonic() + ASKED_S

    def _commit_group(
        self,
        encoded: list[bytes],
        first_seq: int,
        heads: Heads | None = None,
        flush: bool = False,
    ) -> None:
        progress = self._journal.progress
        if self.seq <= progress.emitted_seq and not flush:
            self._committed(None)  # Applied before, and durable since then.
            return
        progress.emitted_seq = max(self.seq, progress.emitted_seq)
        if heads is not None:
            progress.audit, progress.digest, progress.events = (
                heads.audit,
                heads.digest,
                heads.events,
            )
        changes = None
        if flush:
            changes = self.engine.state.take_changes()
            progress.flushed_seq = self.seq
            progress.failed = [item for item in progress.failed if item[0] > self.seq]
            self._failed = {seq: items for seq, items in self._failed.items() if seq > self.seq}
        lines = b"\n".join(encoded) + b"\n" if encoded else b""
        batch = self._journal.commit(
            lines, first_seq, len(encoded), progress, changes, self._prices_json
        )
        if flush:
            self._prices_json = None
            self._last_flush = time.monotonic()
            self.engine.state.evict()
        self._committed(batch)
        events: list[StreamEvent] = []
        if encoded and (self._publish is not None or self._waiting):
            events = [line.to_stream_event() for line in decode_lines(lines)]
        if events and self._publish is not None:
            self._publish(events)
        self._answer_waiting(events)

    def _flush_if_due(self) -> None:
        if self._flush_due():
            self._commit_group([], 0, flush=True)

    def _flush_due(self) -> bool:
        dirty = self.engine.state.dirty
        asked = time.monotonic() < self._asked_until
        if dirty >= (FLUSH_DIRTY_ASKED if asked else FLUSH_DIRTY_MAX):
            return True
        wait_s = max(FLUSH_INTERVAL_S, dirty * FLUSH_S_PER_DIRTY)
        behind = self.seq > self._journal.progress.flushed_seq
        return behind and time.monotonic() - self._last_flush >= wait_s

    def _answer_waiting(self, events: list[StreamEvent]) -> None:
        with self._waiting_lock:
            self._told_seq = self.seq
            if not self._waiting:
                return
            ready = [seq for seq in self._waiting if seq <= self.seq]
            for seq in ready:
                mine = [event for event in events if event.position[1] == seq]
                for future in self._waiting.pop(seq):
                    if not future.cancelled():
                        future.set_result(mine)

    def _answer_questions(self) -> None:
        while True:
            try:
                question, answer = self._questions.get_nowait()
            except queue.Empty:
                return
            if not answer.set_running_or_notify_cancel():
                continue
            try:
                answer.set_result(question(self.engine))
            except Exception as error:
                answer.set_exception(error)

    def _refuse_questions(self) -> None:
        gone = Busy("the engine is not running")
        while True:
            try:
                _, answer = self._questions.get_nowait()
            except queue.Empty:
                break
            if answer.set_running_or_notify_cancel():
                answer.set_exception(gone)
        with self._waiting_lock:
            for futures in self._waiting.values():
                for future in futures:
                    if not future.cancelled():
                        future.set_exception(gone)
            self._waiting = {}

    def _append_due_tick(self) -> None:
        """When something is due, let a tick record say so: one at a time."""
        if self._tick is not None:
            if not self._tick.done():
                return
            refused = self._tick.exception()
            if refused is None:
                self._tick_seq = self._tick.result()[0].seq
            else:
                self._postpone_tick(refused)
            self._tick = None
        if time.monotonic() < self._tick_not_before:
            return
        deadline = self.engine.next_deadline()
        if deadline is None or deadline > self._clock() or self.seq < self._tick_seq:
            return
        tick = Submission(Kind.TICK, Signal.NONE, b"", encoding="json")
        try:
            self._tick = self._inbox.append_threadsafe([tick])
        except InboxError as error:
            self._postpone_tick(error)

    def _postpone_tick(self, error: BaseException) -> None:
        self._tick_not_before = max(self._tick_not_before, time.monotonic() + TICK_RETRY_S)
        _log.warning("a tick could not be appended, it is tried again: %s", error)

    # ── restoring ────────────────────────────────────────────────────────────────────────────

    def _restore(self) -> None:
        """Put the engine back to the last flush; what followed is applied again."""
        self.engine = restored(self._config, self._journal.flushed, self._journal.load)
        self.seq = self._journal.progress.flushed_seq
        self._told_seq = self._journal.progress.emitted_seq
        for seq, index, cause in self._journal.progress.failed:
            self._failed.setdefault(seq, {})[index] = cause

    def _start_over(self, envelope: Envelope, error: ApplyError) -> None:
        """An observation raised: go back to the last flush and treat it as failed."""
        _log.error("record %d, %s", envelope.seq, error, exc_info=error.__cause__)
        progress = self._journal.progress
        progress.failed.append((envelope.seq, error.index, error.cause))
        self._restore()


def _answers_wait(envelopes: list[Envelope], at: int) -> bool:
    """Whether a run of commands was applied: whoever sent them waits for their answers."""
    command = Kind.COMMAND
    return envelopes[at - 1].kind is command and (
        at == len(envelopes) or envelopes[at].kind is not command
    )
