"""The newest durable records in memory, so that readers do not touch the disk."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from neurorail.collector.envelope import Envelope
from neurorail.collector.inbox.rows import RECORD_OVERHEAD_BYTES


class Tail:
    """A bounded run of records without a gap, and the place where consumers wait for more."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._changed = threading.Condition()
        self._envelopes: dict[int, Envelope] = {}
        self._first_seq = 1
        self._last_seq = 0
        self._bytes = 0
        self._wakes = 0

    @property
    def last_seq(self) -> int:
        """The newest durable record."""
        return self._last_seq

    @property
    def size_bytes(self) -> int:
        """Memory taken by the records."""
        return self._bytes

    def start_after(self, last_seq: int) -> None:
        """Forget everything; the next record is `last_seq + 1`."""
        with self._changed:
            self._envelopes.clear()
            self._bytes = 0
            self._first_seq = last_seq + 1
            self._last_seq = last_seq

    def append(self, envelopes: Sequence[Envelope]) -> None:
        """Add durable records that follow the last one, drop the oldest beyond the limit."""
        with self._changed:
            for envelope in envelopes:
                self._envelopes[envelope.seq] = envelope
                self._bytes += _cost_bytes(envelope)
            self._last_seq = envelopes[-1].seq
            while self._bytes > self._max_bytes:
                self._bytes -= _cost_bytes(self._envelopes.pop(self._first_seq))
                self._first_seq += 1
            self._changed.notify_all()

    def read(self, after_seq: int, max_records: int, max_bytes: int) -> list[Envelope] | None:
        """Return records after `after_seq`, at least one if there is one; None if not in memory."""
        found: list[Envelope] = []
        size_bytes = 0
        with self._changed:
            if after_seq + 1 < self._first_seq:
                return None if after_seq < self._last_seq else []
            for seq in range(after_seq + 1, min(self._last_seq, after_seq + max_records) + 1):
                envelope = self._envelopes[seq]
                size_bytes += len(envelope.body)
                if found and size_bytes > max_bytes:
                    break
                found.append(envelope)
        return found

    def wait_for(self, after_seq: int, timeout_s: float) -> bool:
        """Block until a record after `after_seq` is durable, `wake` is called or time is over."""
        with self._changed:
            wakes = self._wakes
            self._changed.wait_for(
                lambda: self._last_seq > after_seq or self._wakes != wakes, timeout_s
            )
            return self._last_seq > after_seq

    def wake(self) -> None:
        """Let every consumer that waits go on at once."""
        with self._changed:
            self._wakes += 1
            self._changed.notify_all()


def _cost_bytes(envelope: Envelope) -> int:
    return len(envelope.body) + RECORD_OVERHEAD_BYTES
