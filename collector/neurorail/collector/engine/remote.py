"""The engine in a process of its own, as the server sees it: an applier, and an outbox."""

from __future__ import annotations

import asyncio
import logging
import queue
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from neurorail.collector.engine import messages
from neurorail.collector.engine.answers import Answers
from neurorail.collector.engine.applier import Busy, InboxReader
from neurorail.collector.engine.journal import RECENT_BYTES_MAX, OutboxBatch, up_to
from neurorail.collector.engine.pipe import Pipe
from neurorail.collector.engine.records import RecordBuffer
from neurorail.collector.envelope import Kind, Stamp
from neurorail.collector.inbox.errors import InboxError
from neurorail.collector.own_process import how_it_ended, launch
from neurorail.collector.stream.event import StreamEvent, decode_lines
from neurorail.rules.config import EngineConfig
from neurorail.rules.engine import Engine

MODULE: Final = "neurorail.collector.engine.worker"
UNAPPLIED_BYTES_MAX: Final = 32 << 20
"""Records sent to the engine that it has not applied; further ones wait in the inbox."""
IN_FLIGHT_MAX: Final = 2
"""Messages with records on their way: one that is applied, one that is ready."""
FEED_RECORDS: Final = 1_024
FEED_BYTES: Final = 4 << 20
FEED_BYTES_ASKED: Final = 128 << 10
"""The same while agents ask: what stands before a question is answered before it."""
ASKED_S: Final = 2.0
"""How long after a command agents count as asking."""
WAIT_S: Final = 0.25
START_S: Final = 60.0
STOP_S: Final = 120.0
STATUS_S: Final = 5.0
"""How long a process may take from closing its pipe to its exit status."""
QUESTIONS_MAX: Final = 1_000
RECORD_OVERHEAD_BYTES: Final = 200

_log = logging.getLogger(__name__)
T = TypeVar("T")


class EngineGone(RuntimeError):
    """The engine's process ended by itself."""


class EngineProcess:
    """Feeds the engine's process, and keeps what it says for those who ask.

    `publish` gets the events of a group after they are durable, `failed` is called once when the
    engine ended by itself; both on a thread of their own, and neither may block. The outbox side
    (`read`, `wait_for`, `prune`, `depth`) is what the archive and readers of recent events use.

    One thread feeds, one sends what others say, one receives. That one waits for nobody, so
    that two full pipes cannot hold each other up, and nobody who asks waits for the pipe.
    """

    def __init__(
        self,
        inbox: InboxReader,
        journal: Path,
        config: EngineConfig,
        publish: Callable[[list[StreamEvent]], None],
        records: RecordBuffer,
        failed: Callable[[], None] = lambda: None,
        unapplied_bytes_max: int = UNAPPLIED_BYTES_MAX,
    ) -> None:
        self._inbox = inbox
        self._journal = journal
        self._config = config
        self._publish = publish
        self._records = records
        self._failed = failed
        self._unapplied_bytes_max = unapplied_bytes_max
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Pipe | None = None
        # Bounded by what its senders may have open: questions and one tick.
        self._outgoing: queue.SimpleQueue[messages.ToEngine | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._started = threading.Event()
        self._stopped = threading.Event()
        self._changed = threading.Condition()
        self._answers: dict[int, Future[Any]] = {}
        self._number = 0
        self._applied = Answers()
        self._recent: deque[OutboxBatch] = deque()
        self._recent_bytes = 0
        self.ordinal = 0
        """The last outbox batch."""
        self._pruned = 0
        self._turn = 0
        self._feed_after = 0
        self._asked_until = 0.0
        self._unapplied: deque[tuple[int, int]] = deque()
        self._unapplied_bytes = 0
        self._in_flight: deque[int] = deque()
        self.stats: dict[str, float] = {}
        """The engine's own numbers, as it last told them."""
        self.failure: BaseException | None = None
        self.seq = 0
        """The last record applied."""
        self.flushed_seq = 0
        """Records up to this one are no longer needed to rebuild the engine."""

    # ── life ─────────────────────────────────────────────────────────────────────────────────

    def launch(self) -> None:
        """Start the process, without waiting for it. Call it on the main thread.

        The kernel ends the process with the thread that started it.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = launch(MODULE, theirs)
        self._pipe = Pipe(ours)

    @property
    def pid(self) -> int | None:
        """The process's id, while there is one."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Let the engine restore itself, and begin to feed it. Blocks until it applies.

        Raises:
            EngineGone: the process ended, or did not start in time.
        """
        pipe = self._pipe
        if pipe is None:
            raise EngineGone("the engine was not launched")
        self._outgoing.put(messages.Begin(str(self._journal), self._config))
        self._run(partial(self._send, pipe), "engine-send")
        self._run(partial(self._receive, pipe), "engine-receive")
        if not self._started.wait(START_S) or self.failure is not None:
            raise EngineGone(f"the engine did not start: {self.failure or 'no answer'}")
        self._run(partial(self._feed, pipe), "engine-feed")

    def stop(self) -> None:
        """Apply nothing more; what was applied is flushed when this returns. Idempotent."""
        self._stopping.set()
        self._inbox.wake()
        process, self._process = self._process, None
        if process is None:
            return
        if self._started.is_set() and self.failure is None:
            self._outgoing.put(messages.Stop())
            self._stopped.wait(STOP_S)
        else:
            process.kill()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._outgoing.put(None)
        for thread in self._threads:
            thread.join()
        if self._pipe is not None:
            self._pipe.close()
        self._stopped.set()
        self._refuse("the engine is not running")

    def _run(self, target: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _check_running(self) -> None:
        if self.failure is not None:
            raise Busy(f"the engine stopped: {self.failure}")
        if not self._started.is_set() or self._stopped.is_set():
            raise Busy("the engine is not running")

    # ── questions ────────────────────────────────────────────────────────────────────────────

    async def ask(self, question: Callable[[Engine], T]) -> T:
        """Let the engine answer between two slices of its work.

        `question` is a function of a module, or a partial of one: it travels.

        Raises:
            Busy: too many questions are waiting, or the engine is not running.
            RuntimeError: the question raised, or its answer cannot travel.
        """
        future = self._request(lambda number: messages.Ask(number, question))
        return cast("T", await asyncio.wrap_future(future))

    async def copy_state(self, path: str) -> int:
        """Copy the flushed state to a new file; the last record it covers. May raise `Busy`."""
        return int(await asyncio.wrap_future(self._request(partial(messages.CopyState, path=path))))

    async def scrub(self) -> bool:
        """Leave no bytes of what was deleted in the file; False: at the next start. May raise."""
        return bool(await asyncio.wrap_future(self._request(messages.Scrub)))

    async def end_ticks(self) -> None:
        """Let the engine append nothing more; what it did is in the inbox's queue. May raise."""
        await asyncio.wrap_future(self._request(messages.EndTicks))

    async def archived_head(self) -> str:
        """The hash, in hex, of the newest event that is archived."""
        return str(await asyncio.wrap_future(self._request(messages.ArchivedHead)))

    async def applied(self, seq: int) -> list[StreamEvent]:
        """The events of record `seq`, as soon as they are durable.

        Of a command they are kept for a while, so that nobody who wrote it asks too late.

        Raises:
            Busy: the engine is not running, or stopped meanwhile.
        """
        with self._changed:
            if seq <= self.seq:
                return self._applied.of_applied(seq)
            self._check_running()
            future = self._applied.wait(seq)
        return await asyncio.wrap_future(future)

    def _request(self, message: Callable[[int], messages.ToEngine]) -> Future[Any]:
        future: Future[Any] = Future()
        with self._changed:
            if len(self._answers) >= QUESTIONS_MAX:
                raise Busy(f"{QUESTIONS_MAX} questions wait for the engine, try again later")
            self._check_running()
            self._number += 1
            self._answers[self._number] = future
            self._outgoing.put(message(self._number))
        return future

    # ── the outbox ───────────────────────────────────────────────────────────────────────────

    def read(self, after_ordinal: int, max_bytes: int) -> list[OutboxBatch]:
        """The batches after `after_ordinal`, in order, up to `max_bytes` but at least one."""
        with self._changed:
            after_ordinal = max(after_ordinal, self._pruned)
            if after_ordinal >= self.ordinal:
                return []
            if self._recent and self._recent[0].ordinal <= after_ordinal + 1:
                return up_to((b for b in self._recent if b.ordinal > after_ordinal), max_bytes)
        older = self._request(
            lambda number: messages.ReadOutbox(number, after_ordinal, max_bytes)
        ).result(START_S)
        return list(older)

    def wait_for(self, after_ordinal: int, timeout_s: float) -> bool:
        """Wait until there is a batch after `after_ordinal`, or the time is over."""
        with self._changed:
            return self._changed.wait_for(lambda: self.ordinal > after_ordinal, timeout_s)

    def prune(self, through_ordinal: int) -> None:
        """Forget batches that are archived."""
        with self._changed:
            if through_ordinal <= self._pruned:
                return
            self._pruned = through_ordinal
            while self._recent and self._recent[0].ordinal <= through_ordinal:
                self._recent_bytes -= len(self._recent.popleft().lines)
        self._outgoing.put(messages.Prune(through_ordinal))

    def wait_applied(self, after_seq: int, timeout_s: float) -> bool:
        """Wait until a record after `after_seq` is applied, or the time is over."""
        with self._changed:
            return self._changed.wait_for(lambda: self.seq > after_seq, timeout_s)

    @property
    def unapplied_bytes(self) -> int:
        """Records sent to the engine that it has not applied."""
        return self._unapplied_bytes

    @property
    def asked(self) -> bool:
        """Whether somebody asked the engine to decide something a moment ago."""
        return time.monotonic() < self._asked_until

    @property
    def fed_seq(self) -> int:
        """The last record sent to the engine."""
        return self._feed_after

    def depth(self) -> int:
        """Batches that wait for the archive."""
        return self.ordinal - self._pruned

    # ── feeding ──────────────────────────────────────────────────────────────────────────────

    def _may_feed(self) -> bool:
        """Few, large messages: while the engine works, the next one grows."""
        room = self._unapplied_bytes < self._unapplied_bytes_max
        return room and len(self._in_flight) < IN_FLIGHT_MAX

    def _feed(self, pipe: Pipe) -> None:
        try:
            while not self._stopping.is_set() and self.failure is None:
                with self._changed:
                    room = self._changed.wait_for(self._may_feed, WAIT_S)
                    turn, after = self._turn, self._feed_after
                if not room or not self._inbox.wait_for(after, WAIT_S):
                    continue
                most_bytes = FEED_BYTES_ASKED if self.asked else FEED_BYTES
                envelopes = self._inbox.read(after, FEED_RECORDS, most_bytes)
                if not envelopes:
                    continue
                sizes = [
                    (envelope.seq, len(envelope.body) + RECORD_OVERHEAD_BYTES)
                    for envelope in envelopes
                ]
                commands = [each.seq for each in envelopes if each.kind is Kind.COMMAND]
                with self._changed:
                    if turn != self._turn:
                        continue
                    self._applied.expect(commands)
                    if commands:
                        self._asked_until = time.monotonic() + ASKED_S
                    self._feed_after = envelopes[-1].seq
                    self._unapplied.extend(sizes)
                    self._unapplied_bytes += sum(size for _, size in sizes)
                    self._in_flight.append(self._feed_after)
                rows = [messages.row_of(each) for each in envelopes]
                pipe.send(messages.Records(turn, rows))
        except OSError:
            self._fail(self._end())
        except Exception as error:
            self._fail(error)

    def _send(self, pipe: Pipe) -> None:
        while (message := self._outgoing.get()) is not None:
            if self.failure is not None:
                continue
            try:
                pipe.send(message)
            except OSError:
                self._fail(self._end())
            except Exception as error:
                self._refuse_one(message, error)

    # ── what the engine says ─────────────────────────────────────────────────────────────────

    def _receive(self, pipe: Pipe) -> None:
        try:
            while not self._stopped.is_set():
                self._take(pipe.receive())
        except (EOFError, OSError):
            self._fail(self._end())
        except Exception as error:
            self._fail(error)

    def _end(self) -> EngineGone:
        """How the process ended."""
        process = self._process
        if process is None:
            return EngineGone("the engine's process was stopped")
        try:
            status = process.wait(STATUS_S)
        except subprocess.TimeoutExpired:
            return EngineGone("the engine's process closed its pipe")
        return EngineGone(f"the engine's process {how_it_ended(status)}")

    def _take(self, message: messages.FromEngine) -> None:
        match message:
            case messages.Group():
                self._take_group(message)
            case messages.Answer(number, value, error, busy):
                with self._changed:
                    future = self._answers.pop(number, None)
                if future is not None and future.set_running_or_notify_cancel():
                    if error:
                        future.set_exception(Busy(error) if busy else RuntimeError(error))
                    else:
                        future.set_result(value)
            case messages.Append():
                self._append(message)
            case messages.Refeed(turn, after_seq):
                with self._changed:
                    self._turn, self._feed_after = turn, after_seq
                    self._unapplied.clear()
                    self._in_flight.clear()
                    self._unapplied_bytes = 0
                    self._changed.notify_all()
            case messages.Started():
                self.seq = self._feed_after = message.seq
                self.flushed_seq = message.flushed_seq
                self.ordinal, self._pruned = message.ordinal, message.pruned_ordinal
                self._started.set()
            case messages.Failed(cause):
                self._fail(EngineGone(cause))
            case messages.Stopped(flushed_seq):
                self.flushed_seq = flushed_seq
                self._stopped.set()

    def _take_group(self, group: messages.Group) -> None:
        for seq, encoded in group.observations:
            self._records.put_encoded(seq, encoded)
        events: list[StreamEvent] = []
        if group.batch is not None:
            events = [line.to_stream_event() for line in decode_lines(group.batch.lines)]
        with self._changed:
            self.seq, self.flushed_seq = max(group.seq, self.seq), group.flushed_seq
            if group.stats is not None:
                self.stats = group.stats
            if group.batch is not None:
                self.ordinal = group.batch.ordinal
                self._recent.append(group.batch)
                self._recent_bytes += len(group.batch.lines)
                while self._recent_bytes > RECENT_BYTES_MAX and len(self._recent) > 1:
                    self._recent_bytes -= len(self._recent.popleft().lines)
            while self._unapplied and self._unapplied[0][0] <= group.seq:
                self._unapplied_bytes -= self._unapplied.popleft()[1]
            while self._in_flight and self._in_flight[0] <= group.seq:
                self._in_flight.popleft()
            waiting = self._applied.applied(group.seq, events)
            self._changed.notify_all()
        if events:
            self._publish(events)
        for future, answer in waiting:
            if future.set_running_or_notify_cancel():
                future.set_result(answer)

    def _append(self, message: messages.Append) -> None:
        def tell(stamps: Sequence[Stamp] | None, error: str) -> None:
            self._outgoing.put(messages.Appended(message.number, stamps, error))

        def done(future: Future[list[Stamp]]) -> None:
            error = future.exception()
            tell(None if error is not None else future.result(), str(error or ""))

        try:
            self._inbox.append_threadsafe(message.submissions).add_done_callback(done)
        except InboxError as error:
            tell(None, str(error))

    def _fail(self, error: BaseException) -> None:
        if self._stopping.is_set():
            self._stopped.set()
            self._refuse("the engine is not running")
            return
        with self._changed:
            if self.failure is not None:
                return
            self.failure = error
        _log.critical("the engine stopped: %s", error)
        self._started.set()
        self._refuse(f"the engine stopped: {error}")
        self._failed()

    def _refuse_one(self, message: messages.ToEngine, error: Exception) -> None:
        """A message that cannot travel: a defect of whoever asks, and of nobody else."""
        number = getattr(message, "number", None)
        with self._changed:
            future = self._answers.pop(number, None) if isinstance(number, int) else None
        if future is None:
            self._fail(error)
        elif future.set_running_or_notify_cancel():
            future.set_exception(error)

    def _refuse(self, reason: str) -> None:
        with self._changed:
            futures: list[Future[Any]] = list(self._answers.values())
            futures += self._applied.give_up()
            self._answers = {}
            self._changed.notify_all()
        for future in futures:
            if future.set_running_or_notify_cancel():
                future.set_exception(Busy(reason))
