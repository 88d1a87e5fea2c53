"""Metrics of the pipeline itself, under the names of the OpenTelemetry Collector's own.

They carry no `_total`, as the Collector's do not, so that dashboards made for it work unchanged.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from prometheus_client.core import Metric

Labels: TypeAlias = tuple[tuple[str, str], ...]
Readings: TypeAlias = float | Mapping[Labels, float]

OUTCOMES: Final = ("success", "refused", "failure")
ITEM_NAMES: Final = {"traces": "spans", "logs": "log_records", "metrics": "metric_points"}

CUMULATIVE: Final = "unknown"
"""prometheus-client would add `_total` to a counter's name; `Health` writes the type in."""
GAUGE: Final = "gauge"


class Tally:
    """Cumulative counts by metric name and labels. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, dict[Labels, float]] = {}
        self._help: dict[str, str] = {}

    def declare(self, name: str, documentation: str, labels: Labels) -> None:
        """Show a count from the start, at 0."""
        with self._lock:
            self._help[name] = documentation
            self._counts.setdefault(name, {}).setdefault(labels, 0)

    def add(self, name: str, labels: Labels, amount: float) -> None:
        """Count `amount` more of a declared name."""
        with self._lock:
            counts = self._counts[name]
            counts[labels] = counts.get(labels, 0) + amount

    def sum(self, name: str) -> float:
        """A count over all its labels; 0 where nobody declared it."""
        with self._lock:
            return sum(self._counts.get(name, {}).values())

    def collect(self) -> Iterator[Metric]:
        """What prometheus-client asks at a scrape."""
        with self._lock:
            families = [(name, self._help[name], dict(c)) for name, c in self._counts.items()]
        for name, documentation, counts in families:
            yield family(name, documentation, CUMULATIVE, counts)


def family(name: str, documentation: str, kind: str, readings: Readings) -> Metric:
    """A metric family under exactly the given name."""
    metric = Metric(name, documentation, kind)
    values = readings if isinstance(readings, Mapping) else {(): readings}
    for labels, value in values.items():
        metric.add_sample(name, dict(labels), float(value))
    return metric


class Watched:
    """A metric read from a component at each scrape."""

    def __init__(
        self, name: str, documentation: str, kind: str, read: Callable[[], Readings]
    ) -> None:
        self._name = name
        self._documentation = documentation
        self._kind = kind
        self._read = read

    def describe(self) -> Iterator[Metric]:
        """The name alone, so that registering does not read a component that has not started."""
        yield Metric(self._name, self._documentation, self._kind)

    def collect(self) -> Iterator[Metric]:
        """Read it now."""
        yield family(self._name, self._documentation, self._kind, self._read())


class ReceiverMetrics:
    """What one receiver took in. Thread-safe."""

    def __init__(self, tally: Tally, receiver: str, transport: str) -> None:
        self._tally = tally
        self._labels: Labels = (("receiver", receiver), ("transport", transport))
        for item in ITEM_NAMES.values():
            for verb, meaning in (
                ("accepted", "taken and made durable"),
                ("refused", "refused: malformed, or the server is overloaded"),
                ("failed", "not taken because of an internal error"),
            ):
                name = f"otelcol_receiver_{verb}_{item}"
                tally.declare(name, f"Number of {item.replace('_', ' ')} {meaning}.", self._labels)
        for outcome in OUTCOMES:
            tally.declare(
                "otelcol_receiver_requests", "Number of requests, by outcome.",
                (*self._labels, ("outcome", outcome)),
            )  # fmt: skip

    def accepted(self, signal: str, items: int) -> None:
        """Items of `traces`, `logs` or `metrics` that are durable."""
        self._count("accepted", signal, items)

    def refused(self, signal: str, items: int) -> None:
        """Items refused because they are malformed or the server is overloaded."""
        self._count("refused", signal, items)

    def failed(self, signal: str, items: int) -> None:
        """Items lost to an internal error (the client is told to retry)."""
        self._count("failed", signal, items)

    def request(self, outcome: str) -> None:
        """One request ended in `success`, `refused` or `failure`."""
        self._tally.add("otelcol_receiver_requests", (*self._labels, ("outcome", outcome)), 1)

    def _count(self, verb: str, signal: str, items: int) -> None:
        if items:
            name = f"otelcol_receiver_{verb}_{ITEM_NAMES[signal]}"
            self._tally.add(name, self._labels, items)


class ExporterMetrics:
    """What went into the archive, or to a destination. Thread-safe."""

    def __init__(self, tally: Tally, exporter: str) -> None:
        self._tally = tally
        self._labels: Labels = (("exporter", exporter),)
        for item in ITEM_NAMES.values():
            for verb, meaning in (
                ("sent", "archived, or delivered to a destination"),
                ("send_failed", "refused for good by the archive, or by a destination"),
                ("enqueue_failed", "given up because a destination was behind its limit"),
            ):
                name = f"otelcol_exporter_{verb}_{item}"
                tally.declare(name, f"Number of {item.replace('_', ' ')} {meaning}.", self._labels)

    def sent(self, signal: str, items: int) -> None:
        """Items of `traces`, `logs` or `metrics` that arrived."""
        self._tally.add(f"otelcol_exporter_sent_{ITEM_NAMES[signal]}", self._labels, items)

    def send_failed(self, signal: str, items: int) -> None:
        """Items that were refused for good."""
        self._tally.add(f"otelcol_exporter_send_failed_{ITEM_NAMES[signal]}", self._labels, items)

    def enqueue_failed(self, signal: str, items: int) -> None:
        """Items that a destination will not get because it is too far behind."""
        name = f"otelcol_exporter_enqueue_failed_{ITEM_NAMES[signal]}"
        self._tally.add(name, self._labels, items)
