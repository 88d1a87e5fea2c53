"""The inbox on local disk: rotated SQLite files, group commit, a tail in memory."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from neurorail.collector.envelope import Envelope, Stamp, Submission
from neurorail.collector.inbox.committer import Committer
from neurorail.collector.inbox.config import InboxConfig
from neurorail.collector.inbox.disk import Disk
from neurorail.collector.inbox.errors import InboxError
from neurorail.collector.inbox.queue import AppendQueue, pending
from neurorail.collector.inbox.segments import FullFile, Segments
from neurorail.collector.inbox.stamping import Clock, Stamper
from neurorail.collector.inbox.tail import Tail


@dataclass(frozen=True, slots=True)
class InboxStats:
    """What an inbox holds and does. Times are Unix nanoseconds, 0 where there is none."""

    first_seq: int
    last_seq: int
    records: int
    """Records kept."""
    bytes: int
    """Disk taken."""
    files: int
    oldest_received_unix_nano: int
    queue_records: int
    queue_bytes: int
    """Waiting or being committed."""
    tail_bytes: int
    """Memory taken by the newest records."""
    appended_records: int
    """Committed since the start."""
    groups: int
    """Transactions since the start."""
    refused_records: int
    """Refused since the start because of a limit."""


class SqliteInbox:
    """`Inbox` on SQLite files in `directory`, which this process alone must use.

    Args:
        directory: where the files are; made if it does not exist.
        config: limits.
        clock: Unix time in nanoseconds, for receive times and for noticing downtime.
        on_failure: called once, from the committer's thread, when a commit failed for another
            reason than a full disk; the inbox is then closed.
    """

    def __init__(
        self,
        directory: Path,
        config: InboxConfig | None = None,
        clock: Clock = time.time_ns,
        on_failure: Callable[[InboxError], None] | None = None,
        clean: Callable[[Submission], Submission] | None = None,
    ) -> None:
        """`clean` takes out of a record what may not be stored."""
        self._clean = clean
        self._config = config or InboxConfig()
        self._segments = Segments(
            directory,
            self._config.rotate_bytes,
            self._config.open_files,
            _runway_bytes(self._config),
        )
        self._tail = Tail(self._config.tail_bytes)
        self._queue = AppendQueue(self._config)
        self._disk = Disk(directory, self._segments, self._config)
        self._stamper = Stamper(clock, self._config.jump_ns)
        self._committer = Committer(
            self._queue,
            self._segments,
            self._tail,
            self._stamper,
            self._disk,
            on_failure or (lambda _: None),
            self._config.group_interval_us / 1e6,
        )
        self._stopping = threading.Lock()
        self._started = False
        self._stopped = False

    def start(self) -> None:
        """Recover the files and begin to take appends. Blocks on the disk.

        When there are records and the downtime since the last sign of life is longer than
        `resumed_min_ns`, a system record `{"type":"resumed","down_ns":…}` is stored first.

        Raises:
            InboxCorrupt: a file cannot be opened.
            InboxFull: the disk has no room for the first record.
        """
        if self._started:
            return
        self._segments.open()
        last_seq = self._segments.last_seq
        self._tail.start_after(last_seq)
        down_ns = self._stamper.resume(
            last_seq, self._segments.last_received_unix_nano, self._disk.alive_unix_nano()
        )
        self._committer.start(down_ns if down_ns > self._config.resumed_min_ns else 0)
        self._started = True

    def hold_telemetry(self, hold: Callable[[], bool]) -> None:
        """Let telemetry wait for its commit, unanswered, while `hold` says so; commands do not.

        It is asked from the committer's thread, every few milliseconds, and must not block.
        """
        self._queue.hold = hold

    @property
    def held(self) -> bool:
        """Whether telemetry waits because of `hold_telemetry`."""
        return self._queue.held

    async def stop(self) -> None:
        """Commit what waits, then close the files. Later appends raise `InboxClosed`."""
        self._queue.close()
        self._tail.wake()
        await asyncio.to_thread(self._close)

    async def append(self, submissions: Sequence[Submission]) -> list[Stamp]:
        """Store all of `submissions` or none; see `Inbox.append`."""
        if not submissions:
            return []
        waiter: asyncio.Future[list[Stamp]] = asyncio.get_running_loop().create_future()
        self._queue.put(pending(self._cleaned(submissions), waiter))
        return await waiter

    def append_threadsafe(
        self, submissions: Sequence[Submission]
    ) -> concurrent.futures.Future[list[Stamp]]:
        """Hand in `submissions` from any thread; the future cannot be cancelled.

        Raises:
            InboxFull: nothing was stored; retryable.
            InboxClosed: nothing was stored.
        """
        waiter: concurrent.futures.Future[list[Stamp]] = concurrent.futures.Future()
        waiter.set_running_or_notify_cancel()
        if submissions:
            self._queue.put(pending(self._cleaned(submissions), waiter))
        else:
            waiter.set_result([])
        return waiter

    def _cleaned(self, submissions: Sequence[Submission]) -> Sequence[Submission]:
        """Every record passes here, whoever hands it in."""
        return submissions if self._clean is None else [self._clean(one) for one in submissions]

    def read(self, after_seq: int, max_records: int, max_bytes: int) -> list[Envelope]:
        """Return the records that follow `after_seq`; see `Inbox.read`.

        Records in memory come without touching the disk; older ones from one file at a time.
        """
        found = self._tail.read(after_seq, max_records, max_bytes)
        return self._segments.read(after_seq, max_records, max_bytes) if found is None else found

    def wait_for(self, after_seq: int, timeout_s: float) -> bool:
        """Block until a record after `after_seq` is durable, `wake` is called or time is over.

        Returns:
            Whether there is a record after `after_seq`.
        """
        return self._tail.wait_for(after_seq, timeout_s)

    def wake(self) -> None:
        """Let every thread that is in `wait_for` go on at once."""
        self._tail.wake()

    @property
    def first_seq(self) -> int:
        """The oldest record kept; 1 before the first."""
        return self._segments.first_seq

    @property
    def last_seq(self) -> int:
        """The newest durable record; 0 before the first."""
        return self._tail.last_seq

    @property
    def failure(self) -> InboxError | None:
        """Why the inbox closed by itself, if it did."""
        return self._committer.failure

    def full_files(self, through_seq: int) -> list[FullFile]:
        """What `prune` would delete, oldest first; never blocks on the disk."""
        return self._segments.full_files(through_seq)

    def seal(self) -> None:
        """Let the next record begin a new file; what was before it can then be pruned."""
        self._segments.seal()

    def prune(self, through_seq: int) -> int:
        """Delete every full file whose records are all `<= through_seq`. Blocks on the disk.

        Returns:
            How many files were deleted.
        """
        pruned = self._segments.prune(through_seq)
        self._segments.close_idle()
        if pruned:
            self._queue.allow(self._disk.room_bytes())
        return pruned

    def stats(self) -> InboxStats:
        """Return the present numbers; never blocks on the disk."""
        return InboxStats(
            first_seq=self.first_seq,
            last_seq=self.last_seq,
            records=self.last_seq - self.first_seq + 1,
            bytes=self._segments.disk_bytes(),
            files=self._segments.files,
            oldest_received_unix_nano=self._segments.oldest_received_unix_nano,
            queue_records=self._queue.records,
            queue_bytes=self._queue.size_bytes,
            tail_bytes=self._tail.size_bytes,
            appended_records=self._committer.records,
            groups=self._committer.groups,
            refused_records=self._queue.refused,
        )

    def _close(self) -> None:
        with self._stopping:
            self._committer.join()
            if not self._stopped:
                self._segments.close()
            self._stopped = True


def _runway_bytes(config: InboxConfig) -> int:
    """A small file, or a small inbox, is not to be filled with room ahead."""
    return min(config.runway_bytes, config.rotate_bytes // 4, config.reserve_bytes // 2)
