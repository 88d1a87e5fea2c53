"""What waits for the committer: appends, the more urgent first, within limits."""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from neurorail.collector.envelope import Kind, Stamp, Submission
from neurorail.collector.inbox.config import InboxConfig
from neurorail.collector.inbox.errors import InboxClosed, InboxFull
from neurorail.collector.inbox.rows import RECORD_OVERHEAD_BYTES

Waiter: TypeAlias = "asyncio.Future[list[Stamp]] | concurrent.futures.Future[list[Stamp]] | None"

HELD_MOST_S: Final = 0.25
"""How long telemetry is held before one append of it goes on all the same."""
HELD_LOOK_S: Final = 0.002
"""How often it is looked whether telemetry that is held may go on."""
_RANKS: Final = {Kind.COMMAND: 0, Kind.TICK: 1, Kind.SYSTEM: 1, Kind.TELEMETRY: 2}


_ALL: Final = sys.maxsize


def rank(kind: Kind) -> int:
    """Return the place of a kind in its group: commands, then ticks and system records."""
    return _RANKS[kind]


@dataclass(frozen=True, slots=True)
class Pending:
    """One append on its way: its submissions and who waits for their stamps."""

    submissions: Sequence[Submission]
    size_bytes: int
    waiter: Waiter

    @property
    def rank(self) -> int:
        """The most urgent rank among the submissions."""
        return min(rank(submission.kind) for submission in self.submissions)


def pending(submissions: Sequence[Submission], waiter: Waiter) -> Pending:
    """Return an append of `submissions`, which must not be empty."""
    size_bytes = sum(len(submission.body) + RECORD_OVERHEAD_BYTES for submission in submissions)
    return Pending(submissions, size_bytes, waiter)


class AppendQueue:
    """A bounded queue with three ranks. Producers never block: they are refused."""

    def __init__(self, config: InboxConfig) -> None:
        self._config = config
        self.hold: Callable[[], bool] = lambda: False
        """Whether telemetry is to wait, so that nothing stands before commands; asked often."""
        self._held_since_s = 0.0
        self._ready = threading.Condition()
        self._ranks: tuple[deque[Pending], ...] = (deque(), deque(), deque())
        self._gathers_to_bytes = 0
        self._closed = True
        self._bytes = 0
        self._records = 0
        self._room_bytes = 0
        self._refused = 0

    @property
    def size_bytes(self) -> int:
        """Bytes that wait or are being committed."""
        return self._bytes

    @property
    def records(self) -> int:
        """Records that wait."""
        return self._records

    @property
    def refused(self) -> int:
        """Records refused since the start because a limit was reached."""
        return self._refused

    def open(self) -> None:
        """Begin to take appends."""
        with self._ready:
            self._closed = False

    def close(self) -> None:
        """Take no more appends; what waits is still handed out."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    def put(self, entry: Pending) -> None:
        """Add an append.

        Raises:
            InboxClosed: the queue is closed.
            InboxFull: a limit on memory or disk would be exceeded.
        """
        place = entry.rank
        reserve_bytes = 0 if place == len(self._ranks) - 1 else self._config.reserve_bytes
        with self._ready:
            if self._closed:
                raise InboxClosed("the inbox is not running")
            waiting_bytes = self._bytes + entry.size_bytes
            if waiting_bytes > min(self._config.queue_bytes, self._room_bytes) + reserve_bytes:
                self._refused += len(entry.submissions)
            if waiting_bytes > self._config.queue_bytes + reserve_bytes:
                raise InboxFull(
                    f"{self._bytes} bytes wait for the disk, inbox.queue_bytes is "
                    f"{self._config.queue_bytes}: send more slowly"
                )
            if waiting_bytes > self._room_bytes + reserve_bytes:
                raise InboxFull(
                    f"no room on disk for {entry.size_bytes} bytes: raise inbox.max_bytes, free "
                    "space, or bring the archive back so that records can be pruned"
                )
            self._ranks[place].append(entry)
            self._bytes = waiting_bytes
            self._records += len(entry.submissions)
            if place < len(self._ranks) - 1 or self._bytes >= self._gathers_to_bytes:
                self._ready.notify()

    def take(self, timeout_s: float) -> list[Pending] | None:
        """Return the next group, most urgent first; empty after `timeout_s` without any.

        Returns:
            None once the queue is closed and empty.
        """
        with self._ready:
            if not self._takeable() and not self._closed:
                self._ready.wait(HELD_LOOK_S if self._records else timeout_s)
            if not self._records:
                return None if self._closed else []
            return self._take_group()

    def gather(self, timeout_s: float, most_bytes: int) -> None:
        """Let telemetry grow to `most_bytes` for at most `timeout_s`; commands wait for nobody."""
        with self._ready:
            self._gathers_to_bytes = most_bytes
            self._ready.wait_for(lambda: self._closed or self._grown(most_bytes), timeout_s)
            self._gathers_to_bytes = 0

    def _grown(self, most_bytes: int) -> bool:
        return self._bytes >= most_bytes or any(self._ranks[:-1])

    @property
    def held(self) -> bool:
        """Whether telemetry waits because of `hold`."""
        return self._held_since_s > 0.0

    def _takeable(self) -> bool:
        return any(self._ranks[:-1]) or self._telemetry_now() > 0

    def _telemetry_now(self) -> int:
        """How many appends of telemetry may be taken: while it is held, now and then one."""
        waiting = len(self._ranks[-1])
        if not waiting or self._closed or not self.hold():
            self._held_since_s = 0.0
            return waiting
        now_s = time.monotonic()
        if not self._held_since_s:
            self._held_since_s = now_s
        return 1 if now_s - self._held_since_s >= HELD_MOST_S else 0

    def settle(self, group: Sequence[Pending]) -> None:
        """Take note that `group` waits no more: it is durable, or was refused."""
        with self._ready:
            self._bytes -= sum(entry.size_bytes for entry in group)

    def allow(self, room_bytes: int) -> None:
        """Set what telemetry may still take on disk, what waits included."""
        with self._ready:
            self._room_bytes = room_bytes

    def take_all(self) -> list[Pending]:
        """Empty the queue, for a committer that can store nothing any more; needs `settle`."""
        with self._ready:
            left = [entry for entries in self._ranks for entry in entries]
            for entries in self._ranks:
                entries.clear()
            self._records = 0
        return left

    def _take_group(self) -> list[Pending]:
        group: list[Pending] = []
        size_bytes = records = 0
        telemetry = self._telemetry_now()
        for entries, most in zip(self._ranks, (_ALL, _ALL, telemetry), strict=True):
            taken = 0
            while entries and taken < most:
                entry = entries[0]
                fits = (
                    size_bytes + entry.size_bytes <= self._config.group_bytes
                    and records + len(entry.submissions) <= self._config.group_records
                )
                if group and not fits:
                    break
                group.append(entries.popleft())
                size_bytes += entry.size_bytes
                records += len(entry.submissions)
                taken += 1
            if taken and entries is self._ranks[-1]:
                self._held_since_s = 0.0
        self._records -= records
        return group
