"""What the export asks of its neighbours. Everything is called from its own threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from neurorail.collector.envelope import Envelope
from neurorail.collector.stream.event import EventLine, Position


class RecordSource(Protocol):
    """The inbox as far as the engine has applied it."""

    @property
    def first_seq(self) -> int:
        """The oldest record kept."""
        ...

    @property
    def last_seq(self) -> int:
        """The newest record applied."""
        ...

    def read(self, after_seq: int, max_records: int, max_bytes: int) -> list[Envelope]:
        """The records after `after_seq`, in order.

        Raises:
            InboxPruned: the next one is no longer kept.
        """
        ...

    def wait_for(self, after_seq: int, timeout_s: float) -> bool:
        """Wait until there is a record after `after_seq`, or the time is over."""
        ...


ReadEvents: TypeAlias = Callable[[Position, int], Sequence[EventLine]]
"""At most so many events after a position, oldest first; empty when there are none. Blocks.

Raises HistoryUnavailable when the archive is needed and cannot be asked.
"""


class Meter(Protocol):
    """The counters of one destination."""

    def sent(self, signal: str, items: int) -> None:
        """Items of `traces`, `logs` or `metrics` that the endpoint has."""
        ...

    def send_failed(self, signal: str, items: int) -> None:
        """Items that the endpoint refused for good."""
        ...

    def enqueue_failed(self, signal: str, items: int) -> None:
        """Items that were given up because the destination was behind its limit."""
        ...


@dataclass(frozen=True, slots=True)
class Loss:
    """What a destination will not get."""

    destination: str
    reason: str
    """`refused` by the endpoint, or given up at the `limit`."""
    items: int
    error: str


OnLoss: TypeAlias = Callable[[Loss], None]
