"""The receivers' counters, in the server's metrics."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial

from neurorail.collector.envelope import Signal
from neurorail.collector.health import Health

_SIGNALS: Mapping[Signal, str] = {
    Signal.TRACES: "traces",
    Signal.LOGS: "logs",
    Signal.METRICS: "metrics",
}


class ReceiverHealth:
    """Lets the receivers count into the server's metrics."""

    def __init__(self, health: Health) -> None:
        self._by_transport = {name: health.receiver(name) for name in ("grpc", "http")}
        self._altered = {"utf8_repaired": 0, "redacted": 0}
        self._lock = threading.Lock()
        for name, meaning in (
            ("utf8_repaired", "Strings of telemetry that were not UTF-8 and were repaired."),
            ("redacted", "Content values of telemetry replaced by a hash."),
        ):
            health.watch_count(
                f"neurorail_receiver_{name}_values",
                meaning,
                partial(self._altered_so_far, name),
            )

    def _altered_so_far(self, name: str) -> float:
        return float(self._altered[name])

    def accepted(self, signal: Signal, transport: str, items: int) -> None:
        """Items that are durable."""
        self._by_transport[transport].accepted(_SIGNALS[signal], items)

    def refused(self, signal: Signal, transport: str, items: int) -> None:
        """Items refused."""
        self._by_transport[transport].refused(_SIGNALS[signal], items)

    def failed(self, signal: Signal, transport: str, items: int) -> None:
        """Items not taken because of an internal error."""
        self._by_transport[transport].failed(_SIGNALS[signal], items)

    def request(self, signal: Signal, transport: str, outcome: str) -> None:
        """One request ended."""
        self._by_transport[transport].request(outcome)

    def utf8_repaired(self, signal: Signal, transport: str, strings: int) -> None:
        """Strings repaired."""
        self._add("utf8_repaired", strings)

    def redacted(self, signal: Signal, transport: str, values: int) -> None:
        """Values replaced by a hash."""
        self._add("redacted", values)

    def _add(self, name: str, amount: int) -> None:
        with self._lock:
            self._altered[name] += amount
