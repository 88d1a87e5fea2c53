"""The thread that makes records durable: one transaction for everything that waits."""

from __future__ import annotations

import errno
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from neurorail.collector.envelope import Envelope, Stamp, Submission
from neurorail.collector.inbox.answers import Answer, deliver
from neurorail.collector.inbox.disk import Disk
from neurorail.collector.inbox.errors import InboxClosed, InboxError, InboxFailed, InboxFull
from neurorail.collector.inbox.queue import AppendQueue, Pending, Waiter, rank
from neurorail.collector.inbox.segments import Segments
from neurorail.collector.inbox.stamping import Stamper, resumed
from neurorail.collector.inbox.tail import Tail

_LOG: Final = logging.getLogger(__name__)
_LOOK_EVERY_S: Final = 1.0
_GATHER_BYTES: Final = 1 << 20
"""A group of this size is worth its commit."""
_MANY: Final = 8
"""So many small appends that wait are many: their senders have more on the way."""
_MANY_TIMES: Final = 2
"""How many times as long many of them gather."""
_URGENT: Final = 2
"""Ranks below this are never telemetry."""


class Committer:
    """Takes groups from the queue, commits and publishes them, then answers."""

    def __init__(
        self,
        queue: AppendQueue,
        segments: Segments,
        tail: Tail,
        stamper: Stamper,
        disk: Disk,
        on_failure: Callable[[InboxError], None],
        interval_s: float = 0.0,
    ) -> None:
        self._queue = queue
        self._segments = segments
        self._tail = tail
        self._stamper = stamper
        self._disk = disk
        self._on_failure = on_failure
        self._interval_s = interval_s
        self._thread = threading.Thread(target=self._run, name="neurorail-inbox", daemon=True)
        self._down_ns = 0
        self._next_look_s = 0.0
        self.groups = 0
        self.records = 0
        self.failure: InboxError | None = None

    def start(self, down_ns: int) -> None:
        """Begin; downtime, if any, becomes the first record before this returns.

        Raises:
            InboxError: if that record cannot be stored.
        """
        self._down_ns = down_ns
        if down_ns:
            self._store([])
        self._look()
        self._queue.open()
        self._thread.start()

    def join(self) -> None:
        """Wait until the closed queue is empty and the thread has ended."""
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            while (group := self._queue.take(_LOOK_EVERY_S)) is not None:
                self._down_ns += self._stamper.look()
                if group or self._down_ns:
                    began_s = time.monotonic()
                    self._commit(group)
                    self._linger(began_s)
                if time.monotonic() >= self._next_look_s:
                    self._look()
            if not self._down_ns + self._stamper.look():
                self._disk.mark_alive(self._stamper.now_unix_nano)
        except BaseException as error:
            self._fail(error)

    def _linger(self, began_s: float) -> None:
        """Let small appends gather: many commits of one each cost more than they gain.

        Nobody who is alone waits: it takes an append that came while the last group was committed.
        """
        waiting = self._queue.records
        if waiting == 0 or self._queue.size_bytes >= _GATHER_BYTES:
            return
        time.sleep(max(0.0, began_s + self._interval_s - time.monotonic()))
        if waiting >= _MANY:
            ends_s = began_s + _MANY_TIMES * self._interval_s
            self._queue.gather(ends_s - time.monotonic(), _GATHER_BYTES)

    def _look(self) -> None:
        self._next_look_s = time.monotonic() + _LOOK_EVERY_S
        self._disk.mark_alive(self._stamper.now_unix_nano)
        self._disk.measure_free()
        self._queue.allow(self._disk.room_bytes())

    def _commit(self, group: list[Pending]) -> None:
        try:
            answers = self._store(group)
        except InboxFull as full:
            answers = self._store_urgent(group, full)
        except BaseException as error:
            failure = _failure(error)
            deliver([(entry.waiter, failure) for entry in group])
            raise failure from error
        self._queue.settle(group)
        self._queue.allow(self._disk.room_bytes())
        deliver(answers)

    def _store_urgent(self, group: list[Pending], full: InboxFull) -> list[tuple[Waiter, Answer]]:
        """Store what is small and urgent of a group that found no room as a whole."""
        urgent = [entry for entry in group if entry.rank < _URGENT]
        refused = [entry for entry in group if entry.rank >= _URGENT]
        answers: list[tuple[Waiter, Answer]] = [(entry.waiter, full) for entry in refused]
        if not refused:
            return [(entry.waiter, full) for entry in urgent]
        try:
            return answers + self._store(urgent)
        except InboxFull as still_full:
            return answers + [(entry.waiter, still_full) for entry in urgent]

    def _store(self, group: list[Pending]) -> list[tuple[Waiter, Answer]]:
        """Make `group` durable and visible to readers; return the answers to give."""
        first = [resumed(self._down_ns)] if self._down_ns else []
        order = _in_order(group)
        envelopes = self._stamper.stamp(first + [submission for _, _, submission in order])
        if not envelopes:
            return []
        self._write(envelopes)
        self._stamper.committed(envelopes[-1])
        self._down_ns = 0
        self.groups += 1
        self.records += len(envelopes)
        self._tail.append(envelopes)
        return _answers(group, order, envelopes[len(first) :])

    def _write(self, envelopes: list[Envelope]) -> None:
        try:
            self._segments.append(envelopes)
        except (sqlite3.Error, OSError) as error:
            if _is_full(error):
                raise InboxFull("the disk of the inbox is full: free space on it") from error
            raise

    def _fail(self, error: BaseException) -> None:
        failure = _failure(error)
        _LOG.critical("the inbox stops: %s", failure, exc_info=error)
        self.failure = failure
        self._queue.close()
        closed = InboxClosed(f"the inbox stopped: {failure}")
        deliver([(entry.waiter, closed) for entry in self._queue.take_all()])
        self._tail.wake()
        self._on_failure(failure)


def _failure(error: BaseException) -> InboxError:
    if isinstance(error, InboxError):
        return error
    return InboxFailed(f"the inbox cannot commit ({error}): check its disk and start again")


def _is_full(error: sqlite3.Error | OSError) -> bool:
    if isinstance(error, OSError):
        return error.errno == errno.ENOSPC
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


_Ordered = tuple[int, int, Submission]


def _in_order(group: Sequence[Pending]) -> list[_Ordered]:
    """Return (append, place in it, submission), most urgent first, else as they came."""
    order = [
        (index, place, submission)
        for index, entry in enumerate(group)
        for place, submission in enumerate(entry.submissions)
    ]
    order.sort(key=lambda item: rank(item[2].kind))
    return order


def _answers(
    group: Sequence[Pending], order: Sequence[_Ordered], envelopes: Sequence[Envelope]
) -> list[tuple[Waiter, Answer]]:
    stamps: list[dict[int, Stamp]] = [{} for _ in group]
    for (index, place, _), envelope in zip(order, envelopes, strict=True):
        stamps[index][place] = Stamp(envelope.seq, envelope.received_unix_nano)
    return [
        (entry.waiter, [places[place] for place in range(len(entry.submissions))])
        for entry, places in zip(group, stamps, strict=True)
    ]
