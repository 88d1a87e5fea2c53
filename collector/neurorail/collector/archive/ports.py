"""What the archive asks of its neighbours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from neurorail.collector.envelope import Envelope


class RecordSource(Protocol):
    """The inbox, as the archive reads it. Called from the archive's own thread."""

    @property
    def last_seq(self) -> int:
        """Sequence number of the newest durable record; 0 when there is none."""
        ...

    @property
    def first_seq(self) -> int:
        """Sequence number of the oldest record that is still held."""
        ...

    def read(self, after_seq: int, max_records: int, max_bytes: int) -> list[Envelope]:
        """The records after `after_seq`, in order; at least one if there is any."""
        ...

    def wait_for(self, after_seq: int, timeout_s: float) -> bool:
        """Blocks until there is a record after `after_seq`, or the time is over."""
        ...


class EventBatch(Protocol):
    """Some records' events, encoded. See the outbox."""

    @property
    def ordinal(self) -> int:
        """Its place in the outbox."""
        ...

    @property
    def events(self) -> int:
        """Number of lines."""
        ...

    @property
    def lines(self) -> bytes:
        """JSON arrays, one a line."""
        ...


class EventSource(Protocol):
    """The outbox, as the archive reads it. Called from the archive's own thread."""

    def read(self, after_ordinal: int, max_bytes: int) -> Sequence[EventBatch]:
        """The batches after `after_ordinal`, in order; at least one if there is any."""
        ...

    def wait_for(self, after_ordinal: int, timeout_s: float) -> bool:
        """Blocks until there is a batch after `after_ordinal`, or the time is over."""
        ...


EncodeRecord: TypeAlias = "Callable[[Envelope], bytes | None]"
"""What `neurorail_records` keeps of a record, or None to keep nothing."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Rows that the engine refuses for good, put aside in `neurorail_dead_letter`."""

    source: str
    """`traces`, `logs`, `metrics`, `records` or `events`."""
    tenant: str
    first_seq: int
    last_seq: int
    error: str


OnDeadLetter: TypeAlias = Callable[[DeadLetter], None]
