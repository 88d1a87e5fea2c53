"""What each record said, handed from the applier to the archive without decoding it twice."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

from neurorail.collector.decode import Decoder, encode_observations
from neurorail.collector.envelope import Envelope
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
        encoded = encode_observations(list(observations)) if observations else b""
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
