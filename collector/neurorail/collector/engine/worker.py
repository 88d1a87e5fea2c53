"""The engine's process: an applier that is fed over a pipe.

Deciding is the server's one long computation. In a process of its own it leaves the interpreter of
receivers, API and streams free, and uses a second core.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pickle
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from neurorail.collector.decode import encode_observations
from neurorail.collector.decode.own_attributes import ManifestDecoder
from neurorail.collector.engine import messages
from neurorail.collector.engine.applier import Applier, Busy
from neurorail.collector.engine.garbage import GarbageWatch
from neurorail.collector.engine.journal import Journal, OutboxBatch
from neurorail.collector.engine.pipe import Pipe
from neurorail.collector.envelope import Envelope, Stamp, Submission
from neurorail.collector.inbox.errors import InboxClosed, InboxFull
from neurorail.collector.own_process import begin
from neurorail.collector.resident_memory import rss_bytes
from neurorail.rules.directives import DIRECTIVES, KILLS
from neurorail.rules.governor.pools import POOLS
from neurorail.rules.governor.reservations import OPEN
from neurorail.rules.observations import Observation
from neurorail.rules.reflex.breaker import CLOSED
from neurorail.rules.reflex.circuit import CIRCUITS
from neurorail.rules.reflex.confirmations import CONFIRMATIONS
from neurorail.rules.reflex.watch import WATCHES

SWITCH_INTERVAL_S: Final = 0.001
STATS_INTERVAL_S: Final = 0.5
COUNTERS: Final = (
    "traces_evicted",
    "entities_evicted",
    "links_dropped",
    "records_failed",
    "children_unlisted",
    "waiting_overflow",
    "timers_dropped",
    "bills_forgotten",
    "duplicate_usage",
    "duplicate_transitions",
    "late_inputs",
    "usage_too_late",
    "decisions",
    "reservation_refused",
    "remembered_evicted",
    "pool_refused",
    "pool_usage_outside",
    "shadow_pool_refused",
    "shadow_pool_usage_outside",
    "shadow_grants_dropped",
    "reservations_misused",
    "answer_evicted",
    "changed_budget_evicted",
    "triggers_activated",
    "directives_dropped",
    "kill_switch_refused",
    "circuit_refused",
    "watch_evicted",
    "confirmation_refused",
)
"""Engine counters that are shown as metrics."""
ENGINE_NICE: Final = 5
GROUPS_MAX: Final = 32
"""Groups on their way to the server; when so many wait, the applier waits too."""
AT_ONCE_BYTES: Final = 64 << 10
"""A smaller group is sent by the applier itself, if no other one is on its way: the pipe has room
for it, and no second thread has to wake."""


T = TypeVar("T")


class FedInbox:
    """What the applier sees of the inbox: records that arrive over the pipe."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._changed = threading.Condition()
        self._records: deque[Envelope] = deque()
        self._turn = 0
        self._wakes = 0
        self._appends: dict[int, Future[list[Stamp]]] = {}
        self._number = 0

    def feed(self, turn: int, envelopes: Sequence[Envelope]) -> None:
        """Take records in; those of an earlier turn are not wanted any more."""
        with self._changed:
            if turn == self._turn:
                self._records.extend(envelopes)
                self._changed.notify_all()

    def read(self, after_seq: int, max_records: int, max_bytes: int) -> list[Envelope]:
        """The records that follow; if they are not at hand, they are asked for again."""
        with self._changed:
            records = self._records
            if records and records[0].seq > after_seq + 1:
                records.clear()
                self._turn += 1
                with contextlib.suppress(OSError):  # A server that is gone feeds nothing more.
                    self._pipe.send(messages.Refeed(self._turn, after_seq))
                return []
            while records and records[0].seq <= after_seq:
                records.popleft()
            found: list[Envelope] = []
            size = 0
            for envelope in records:
                size += len(envelope.body)
                if len(found) == max_records or (found and size > max_bytes):
                    break
                found.append(envelope)
            return found

    def wait_for(self, after_seq: int, timeout_s: float) -> bool:
        """Wait until there is a record after `after_seq`, `wake` is called or time is over."""
        with self._changed:
            wakes = self._wakes
            self._changed.wait_for(lambda: self._wakes != wakes or self._has(after_seq), timeout_s)
            return self._has(after_seq)

    def _has(self, after_seq: int) -> bool:
        return bool(self._records) and self._records[-1].seq > after_seq

    def wake(self) -> None:
        """Let whoever waits go on at once."""
        with self._changed:
            self._wakes += 1
            self._changed.notify_all()

    def append_threadsafe(self, submissions: Sequence[Submission]) -> Future[list[Stamp]]:
        """Append through the server.

        Raises:
            InboxClosed: the server is gone.
        """
        future: Future[list[Stamp]] = Future()
        with self._changed:
            self._number += 1
            number = self._number
            self._appends[number] = future
        try:
            self._pipe.send(messages.Append(number, submissions))
        except OSError as error:
            with self._changed:
                self._appends.pop(number, None)
            raise InboxClosed(f"the server is gone: {error}") from None
        return future

    def appended(self, message: messages.Appended) -> None:
        """The server says what became of an append."""
        with self._changed:
            future = self._appends.pop(message.number)
        if message.stamps is None:
            future.set_exception(InboxFull(message.error))
        else:
            future.set_result(list(message.stamps))


class Worker:
    """Runs until it is told to stop, or the server is gone."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        begin = pipe.receive()
        assert isinstance(begin, messages.Begin), "the server begins"
        self._inbox = FedInbox(pipe)
        self._path = Path(begin.journal)
        self._journal = Journal(self._path)
        self._copies = ThreadPoolExecutor(1, "copy-state")
        self._garbage = GarbageWatch()
        self._observations: list[tuple[int, bytes]] = []
        self._stats_at = 0.0
        self._groups: queue.Queue[messages.Group | None] = queue.Queue(GROUPS_MAX)
        self._sender = threading.Thread(target=self._send_groups, name="sender", daemon=True)
        self._applier = Applier(
            self._inbox,
            self._journal,
            ManifestDecoder(self._attributes_of).decode,
            begin.config,
            keep=self._keep,
            committed=self._committed,
            failed=self._failed,
        )

    def _attributes_of(self, tenant: str) -> Mapping[str, tuple[str, ...]]:
        return self._applier.engine.state.manifest_of(tenant).attributes

    def run(self) -> None:
        """Open the journal, start, and answer the server."""
        try:
            self._start()
            while self._take(self._pipe.receive()):
                pass
        except EOFError:
            pass  # The server is gone; what was applied is kept.
        except Exception as error:
            self._failed(error)
            raise
        finally:
            self._end()
        with contextlib.suppress(OSError):
            self._pipe.send(messages.Stopped(self._journal.progress.flushed_seq))

    def _start(self) -> None:
        _take_lock(self._path)
        self._journal.open()
        progress = self._journal.progress
        started = messages.Started(
            progress.flushed_seq, progress.flushed_seq, progress.ordinal, progress.pruned_ordinal
        )
        self._pipe.send(started)
        self._sender.start()
        self._applier.start()
        self._garbage.pass_over()

    def _end(self) -> None:
        self._copies.shutdown()
        self._applier.stop()
        self._groups.put(None)
        if self._sender.ident is not None:
            self._sender.join()
        self._journal.close()

    def _take(self, message: messages.ToEngine) -> bool:
        match message:
            case messages.Records(turn, rows):
                self._inbox.feed(turn, [messages.envelope_of(row) for row in rows])
            case messages.Prune(through_ordinal):
                self._journal.prune(through_ordinal)
            case messages.Appended():
                self._inbox.appended(message)
            case messages.Ask(number, question):
                self._answer(number, self._applier.submit(question))
            case messages.ArchivedHead(number):
                journal = self._journal
                self._answer(number, self._applier.submit(lambda _: journal.archived_head()))
            case messages.EndTicks(number):
                self._answer(number, self._applier.end_ticks())
            case messages.CopyState(number, path):
                self._copies.submit(self._copy_state, number, Path(path))
            case messages.Scrub(number):
                self._copies.submit(self._scrub, number)
            case messages.ReadOutbox(number, after_ordinal, max_bytes):
                batches = self._journal.read(after_ordinal, max_bytes)
                self._tell(messages.Answer(number, batches, ""))
            case messages.Stop():
                return False
        return True

    def _copy_state(self, number: int, path: Path) -> None:
        try:
            self._tell(messages.Answer(number, self._journal.copy_state(path), ""))
        except Exception as error:
            self._tell(messages.Answer(number, None, _text(error)))

    def _scrub(self, number: int) -> None:
        try:
            self._tell(messages.Answer(number, self._journal.scrub(), ""))
        except Exception as error:
            self._tell(messages.Answer(number, None, _text(error)))

    def _answer(self, number: int, future: Future[T]) -> None:
        def done(answered: Future[T]) -> None:
            error = answered.exception()
            if error is None:
                self._tell(messages.Answer(number, answered.result(), ""))
            else:
                busy = isinstance(error, Busy)
                cause = str(error) if busy else _text(error)
                self._tell(messages.Answer(number, None, cause, busy))

        future.add_done_callback(done)

    def _tell(self, answer: messages.Answer) -> None:
        with contextlib.suppress(OSError):  # The server is gone; the receiving thread sees it too.
            try:
                self._pipe.send(answer)
            except (pickle.PicklingError, TypeError, AttributeError) as error:
                self._pipe.send(messages.Answer(answer.number, None, _text(error)))

    def _keep(self, seq: int, observations: Sequence[Observation]) -> None:
        encoded = encode_observations(list(observations)) if observations else b""
        self._observations.append((seq, encoded))

    def _committed(self, batch: OutboxBatch | None) -> None:
        observations, self._observations = self._observations, []
        seq, flushed_seq = self._applier.seq, self._applier.flushed_seq
        group = messages.Group(seq, flushed_seq, batch, observations, self._stats())
        if self._groups.unfinished_tasks or (batch and len(batch.lines) > AT_ONCE_BYTES):
            self._groups.put(group)
        else:
            self._send(group)
        self._garbage.look()

    def _send(self, group: messages.Group) -> None:
        with contextlib.suppress(OSError):  # The server is gone; the receiving thread sees it too.
            self._pipe.send(group)

    def _send_groups(self) -> None:
        """Send groups beside the applier, so that it decides while the server takes them in."""
        while (group := self._groups.get()) is not None:
            self._send(group)
            self._groups.task_done()

    def _stats(self) -> dict[str, float] | None:
        now = time.monotonic()
        if now - self._stats_at < STATS_INTERVAL_S:
            return None
        self._stats_at = now
        state = self._applier.engine.state
        stats: dict[str, float] = {name: state.counters.get(name, 0) for name in COUNTERS}
        stats["entities"] = len(state.entities)
        stats["traces"] = len(state.traces)
        stats["timers"] = len(state.scheduled)
        stats["reservations"] = state.kept.total(OPEN)
        stats["pools"] = state.kept.total(POOLS)
        stats["directives"] = state.kept.total(DIRECTIVES) + state.kept.total(KILLS)
        stats["circuits"] = state.kept.total(CIRCUITS)
        stats["circuits_open"] = sum(
            circuit.breaker.state != CLOSED for circuit in state.kept.every(CIRCUITS)
        )
        stats["watches"] = state.kept.total(WATCHES)
        stats["confirmations"] = state.kept.total(CONFIRMATIONS)
        stats["memory_rss"] = rss_bytes()
        stats["cpu_seconds"] = time.process_time()
        return stats

    def _failed(self, error: BaseException) -> None:
        with contextlib.suppress(OSError):
            self._pipe.send(messages.Failed(_text(error)))


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _take_lock(journal: Path) -> None:
    """Wait until the engine of a server that was killed is gone too; held until this one ends."""
    descriptor = os.open(journal.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def main() -> None:
    """`python -m neurorail.collector.engine.worker FD PARENT`: the pipe, and whose engine it is."""
    # It ends with the server, so that the next one finds the files free.
    end = begin("engine")
    if end is None:
        return
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    # When the processor is short, taking in comes before deciding: the inbox holds what waits.
    os.nice(ENGINE_NICE)
    worker = Worker(Pipe(end))
    worker.run()


if __name__ == "__main__":
    main()
