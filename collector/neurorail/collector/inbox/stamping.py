"""Sequence numbers, receive times, and downtime noticed by the clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from neurorail.collector.envelope import (
    SCHEMA_VERSION,
    Envelope,
    Kind,
    Signal,
    Stamp,
    Submission,
)

Clock: TypeAlias = Callable[[], int]
"""Unix time in nanoseconds."""

SYSTEM_PRINCIPAL: Final = "system"


class Stamper:
    """Gives records their place and time: `seq` without gaps, a receive time that only grows."""

    def __init__(self, clock: Clock, jump_ns: int) -> None:
        self._clock = clock
        self._jump_ns = jump_ns
        self._last_seq = 0
        self._last_received_unix_nano = 0
        self._seen_unix_nano = 0

    @property
    def now_unix_nano(self) -> int:
        """The latest time this has seen on the clock."""
        return self._seen_unix_nano

    def resume(self, last_seq: int, last_received_unix_nano: int, alive_unix_nano: int) -> int:
        """Continue after what is durable.

        Returns:
            Nanoseconds since the process before this one was last alive; 0 if there was none.
        """
        self._last_seq = last_seq
        self._last_received_unix_nano = last_received_unix_nano
        self._seen_unix_nano = self._clock()
        if not last_seq:
            return 0
        return max(0, self._seen_unix_nano - max(last_received_unix_nano, alive_unix_nano))

    def look(self) -> int:
        """Look at the clock; return by how much it leapt ahead, 0 if within the tolerance."""
        before, self._seen_unix_nano = self._seen_unix_nano, self._clock()
        ahead_ns = self._seen_unix_nano - before
        return ahead_ns if ahead_ns > self._jump_ns else 0

    def stamp(self, submissions: Sequence[Submission]) -> list[Envelope]:
        """Return the records of `submissions`; they count only after `committed`."""
        seq = self._last_seq
        received = self._last_received_unix_nano
        envelopes = []
        for submission in submissions:
            seq += 1
            received = max(received + 1, self._seen_unix_nano)
            envelopes.append(_envelope(submission, Stamp(seq, received)))
        return envelopes

    def committed(self, last: Envelope) -> None:
        """Take note that everything up to `last` is durable."""
        self._last_seq = last.seq
        self._last_received_unix_nano = last.received_unix_nano


def resumed(down_ns: int) -> Submission:
    """Return the record that tells the engine about downtime."""
    body = json.dumps({"type": "resumed", "down_ns": down_ns}, separators=(",", ":")).encode()
    return Submission(
        Kind.SYSTEM, Signal.NONE, body, principal=SYSTEM_PRINCIPAL, encoding="json", items=0
    )


def _envelope(submission: Submission, stamp: Stamp) -> Envelope:
    return Envelope(
        stamp.seq,
        submission.kind,
        submission.signal,
        submission.encoding,
        stamp.received_unix_nano,
        submission.tenant,
        submission.principal,
        SCHEMA_VERSION,
        submission.body,
        submission.items,
    )
