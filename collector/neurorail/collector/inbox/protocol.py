"""The seam: what receivers and consumers know of an inbox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from neurorail.collector.envelope import Envelope, Stamp, Submission


class Appends(Protocol):
    """An inbox, as far as those know it that take records in."""

    async def append(self, submissions: Sequence[Submission]) -> list[Stamp]:
        """Store all of `submissions` or none; they are durable when this returns.

        Cancelling the caller does not withdraw what it handed in.

        Raises:
            InboxFull: nothing was stored; retryable.
            InboxClosed: nothing was stored; the inbox is not running.
            InboxFailed: the commit failed; what is stored is unknown until the next start.
        """
        ...


class Inbox(Appends, Protocol):
    """A durable, ordered log of records."""

    def read(self, after_seq: int, max_records: int, max_bytes: int) -> list[Envelope]:
        """Return the records that follow `after_seq`, in order and without a gap.

        May be called from any thread and may block on the disk. A first record larger than
        `max_bytes` is returned alone, so that a reader always advances.

        Raises:
            InboxPruned: the record after `after_seq` was pruned.
            InboxCorrupt: a file does not hold what it should hold.
        """
        ...
