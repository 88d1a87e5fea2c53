"""What receivers count. The names they get are the business of `neurorail.collector.health`."""

from __future__ import annotations

from typing import Protocol

from neurorail.collector.envelope import Signal

SUCCESS = "success"
REFUSED = "refused"
FAILURE = "failure"


class ReceiverMetrics(Protocol):
    """Counters of the receivers. Called on the event loop; must not block."""

    def accepted(self, signal: Signal, transport: str, items: int) -> None:
        """Items that became durable."""
        ...

    def refused(self, signal: Signal, transport: str, items: int) -> None:
        """Items that were malformed, or that an inbox that takes nothing now turned away."""
        ...

    def failed(self, signal: Signal, transport: str, items: int) -> None:
        """Items that met an internal error; the client is told to send them again."""
        ...

    def request(self, signal: Signal, transport: str, outcome: str) -> None:
        """One request ended: `success`, `refused`, or by an internal error in `failure`."""
        ...

    def utf8_repaired(self, signal: Signal, transport: str, strings: int) -> None:
        """Strings that were not valid UTF-8 and were mended."""
        ...

    def redacted(self, signal: Signal, transport: str, values: int) -> None:
        """Content values that were replaced by keyed hashes."""
        ...


class NoReceiverMetrics:
    """Counts nothing."""

    def accepted(self, signal: Signal, transport: str, items: int) -> None:
        """Ignore."""

    def refused(self, signal: Signal, transport: str, items: int) -> None:
        """Ignore."""

    def failed(self, signal: Signal, transport: str, items: int) -> None:
        """Ignore."""

    def request(self, signal: Signal, transport: str, outcome: str) -> None:
        """Ignore."""

    def utf8_repaired(self, signal: Signal, transport: str, strings: int) -> None:
        """Ignore."""

    def redacted(self, signal: Signal, transport: str, values: int) -> None:
        """Ignore."""
