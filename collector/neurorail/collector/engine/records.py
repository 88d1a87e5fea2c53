"""What each record said, handed from the applier to the archive without decoding it twice."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final, Protocol

from neurorail.collector.decode import Decoder, encode_observations
from neurorail.collector.envelope import Envelope
from neurorail.collector.inbox import SqliteInbox
from neurorail.rules.observations import Observation

BUFFER_BYTES_MAX: Final = 64 << 20
"""Beyond it the oldest are dropped here, and decoded again when the archive asks for them."""


class RecordBuffer:
    """Encoded observations by sequence number, for a while."""

    def __init__(self, limit_bytes: int = BUFFER_BYTES_MAX) -> None:
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._encoded: dict[int, bytes] = {}
        self._size_bytes = 0
        self._decoder = Decoder()
        self.dropped = 0

    def put(self, seq: int, observations: Sequence[Observation]) -> None:
        """Keep what record `seq` said. Called by the applier."""
        self.put_encoded(seq, encode_observations(list(observations)) if observations else b"")

    def put_encoded(self, seq: int, encoded: bytes) -> None:
        """The same, encoded already."""
        with self._lock:
            if seq in self._encoded:
                return
            self._encoded[seq] = encoded
            self._size_bytes += len(encoded)
            while self._size_bytes > self._limit_bytes:
                oldest = next(iter(self._encoded))
                self._size_bytes -= len(self._encoded.pop(oldest))
                self.dropped += 1

    def take(self, envelope: Envelope) -> bytes | None:
        """What a record said, for the archive; None when it said nothing to the engine."""
        with self._lock:
            encoded = self._encoded.pop(envelope.seq, None)
            if encoded is not None:
                self._size_bytes -= len(encoded)
        if encoded is None:
            observations = self._decoder.decode(envelope)
            encoded = encode_observations(observations) if observations else b""
        return encoded or None


class AppliedSeq(Protocol):
    """An engine, as far as the archive follows it."""

    @property
    def seq(self) -> int:
        """The last record applied."""
        ...

    def wait_applied(self, after_seq: int, timeout_s: float) -> bool:
        """Wait until a record after `after_seq` is applied, or the time is over."""
        ...


class AppliedRecords:
    """The inbox as far as the engine has applied it: what the archive reads.

    The archive follows the engine, so that nothing is decoded twice and what can be queried has
    been judged. When the engine has stopped, the archive stops with it; the inbox keeps the rest.
    """

    def __init__(self, inbox: SqliteInbox, engine: AppliedSeq) -> None:
        self._inbox = inbox
        self._engine = engine

    @property
    def first_seq(self) -> int:
        """The oldest record kept."""
        return self._inbox.first_seq

    @property
    def last_seq(self) -> int:
        """The newest record that the archive may take."""
        return self._engine.seq

    def read(self, after_seq: int, max_records: int, max_bytes: int) -> list[Envelope]:
        """Applied records after `after_seq`, in order."""
        limit = min(max_records, self._engine.seq - after_seq)
        return self._inbox.read(after_seq, limit, max_bytes) if limit > 0 else []

    def wait_for(self, after_seq: int, timeout_s: float) -> bool:
        """Wait until there is an applied record after `after_seq`, or the time is over."""
        return self._engine.wait_applied(after_seq, timeout_s)
