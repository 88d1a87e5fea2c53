"""An inbox and an outbox in memory, for the tests of what reads them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from neurorail.collector import audit_chain
from neurorail.collector.envelope import Envelope, Kind, Signal

RECEIVED_UNIX_NANO = 4_000_000_000_000_000_000
"""Far ahead, so that no row expires while a test runs."""


class Records:
    """Records that were appended, as the archive reads them."""

    def __init__(self, envelopes: Iterable[Envelope] = ()) -> None:
        self._envelopes = list(envelopes)
        self._changed = threading.Condition()

    @property
    def last_seq(self) -> int:
        return self._envelopes[-1].seq if self._envelopes else 0

    @property
    def first_seq(self) -> int:
        return self._envelopes[0].seq if self._envelopes else 0

    def append(self, *envelopes: Envelope) -> None:
        with self._changed:
            self._envelopes.extend(envelopes)
            self._changed.notify_all()

    def read(self, after_seq: int, max_records: int, max_bytes: int) -> list[Envelope]:
        found: list[Envelope] = []
        size = 0
        for envelope in self._envelopes:
            if envelope.seq <= after_seq:
                continue
            size += len(envelope.body)
            if found and (len(found) == max_records or size > max_bytes):
                break
            found.append(envelope)
        return found

    def wait_for(self, after_seq: int, timeout_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.last_seq > after_seq, timeout_s)


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of an outbox."""

    ordinal: int
    events: int
    lines: bytes


class Events:
    """An outbox in memory."""

    def __init__(self, batches: Iterable[Batch] = ()) -> None:
        self._batches = list(batches)
        self._changed = threading.Condition()

    def append(self, *batches: Batch) -> None:
        with self._changed:
            self._batches.extend(batches)
            self._changed.notify_all()

    def read(self, after_ordinal: int, max_bytes: int) -> list[Batch]:
        found: list[Batch] = []
        size = 0
        for batch in self._batches:
            if batch.ordinal <= after_ordinal:
                continue
            size += len(batch.lines)
            if found and size > max_bytes:
                break
            found.append(batch)
        return found

    def wait_for(self, after_ordinal: int, timeout_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(
                lambda: bool(self._batches) and self._batches[-1].ordinal > after_ordinal,
                timeout_s,
            )


def telemetry(
    seq: int,
    body: bytes,
    *,
    signal: Signal = Signal.TRACES,
    items: int = 1,
    tenant: str = "default",
) -> Envelope:
    """A telemetry record."""
    return Envelope(
        seq=seq,
        kind=Kind.TELEMETRY,
        signal=signal,
        encoding="otlp_proto",
        received_unix_nano=RECEIVED_UNIX_NANO + seq,
        tenant=tenant,
        principal="agent",
        schema_version=1,
        body=body,
        items=items,
    )


class EventLines:
    """Makes event lines whose chain holds."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._previous = audit_chain.GENESIS

    @property
    def last_hash(self) -> str:
        """Hash of the newest line, in hex."""
        return self._previous.hex()

    def line(self, seq: int, index: int = 0, *, data: str | None = None, **fields: Any) -> bytes:
        """The next line; `data` is JSON text, taken byte for byte."""
        details = data if data is not None else json.dumps({"mission_id": "m_1", "seq": seq})
        known: dict[str, Any] = {
            "node": self._node,
            "epoch": 1,
            "seq": seq,
            "index": index,
            "tenant": "default",
            "timestamp_unix_nano": RECEIVED_UNIX_NANO + seq,
            "event_time_unix_nano": RECEIVED_UNIX_NANO,
            "channel": "audit",
            "event_type": "execution_start",
            "event_category": "execution",
            "severity": "info",
            "message": "an attempt began",
            "mission_id": "m_1",
            "plan_id": "",
            "job_id": "",
            "attempt_id": "",
            "resource_id": "",
            "entity_type": "mission",
            "entity_id": "m_1",
            "principal": "agent",
            "details_hash": sha256(details.encode()).hexdigest(),
        }
        known |= fields
        head = [known[name] for name in audit_chain.HEAD_FIELDS]
        previous = self._previous
        self._previous = audit_chain.link(previous, audit_chain.canonical(head))
        outer = [*head, previous.hex(), self._previous.hex()]
        text = json.dumps(outer, ensure_ascii=False, separators=(",", ":"))
        return f"{text[:-1]},{details}]\n".encode()


def batch(ordinal: int, lines: Sequence[bytes]) -> Batch:
    """A batch of lines."""
    return Batch(ordinal, len(lines), b"".join(lines))
