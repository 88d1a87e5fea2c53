"""All metrics of the server, on one registry that is handed around, never a global one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric

from neurorail.collector.health.governance import GovernanceMetrics
from neurorail.collector.health.hub import HubMetrics
from neurorail.collector.health.pipeline import (
    CUMULATIVE,
    GAUGE,
    ITEM_NAMES,
    ExporterMetrics,
    Readings,
    ReceiverMetrics,
    Tally,
    Watched,
)
from neurorail.collector.health.process import ProcessMetrics
from neurorail.collector.stream import StreamEvent, StreamHub

Queues: TypeAlias = Mapping[str, float]
"""A number by exporter: `clickhouse`, or `otlp/` and a destination's name."""

_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Health:
    """Metric objects for every component. Make one a server and pass it down."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry if registry is not None else CollectorRegistry()
        self.governance = GovernanceMetrics(self.registry)
        self._tally = Tally()
        self.registry.register(self._tally)
        self.registry.register(ProcessMetrics())

    def observe_events(self, events: list[StreamEvent]) -> None:
        """Count what the engine's events say; called once for each event, from any thread."""
        self.governance.observe_events(events)

    def receiver(self, transport: str, receiver: str = "otlp") -> ReceiverMetrics:
        """The counters of one receiver: `transport` is `grpc` or `http`."""
        return ReceiverMetrics(self._tally, receiver, transport)

    def exporter(self, exporter: str = "clickhouse") -> ExporterMetrics:
        """The counters of the archive, or of an export destination."""
        return ExporterMetrics(self._tally, exporter)

    def received(self) -> dict[str, int]:
        """Spans, log records and metric points that receivers made durable since the start."""
        return {
            item: int(self._tally.sum(f"otelcol_receiver_accepted_{item}"))
            for item in ITEM_NAMES.values()
        }

    def watch_gauge(self, name: str, documentation: str, read: Callable[[], Readings]) -> None:
        """Show a value that goes up and down, read at each scrape; `read` must not block."""
        self.registry.register(Watched(name, documentation, GAUGE, read))

    def watch_count(self, name: str, documentation: str, read: Callable[[], Readings]) -> None:
        """Show a value that only grows, read at each scrape; `read` must not block."""
        self.registry.register(Watched(name, documentation, CUMULATIVE, read))

    def watch_queues(self, size: Callable[[], Queues], capacity: Callable[[], Queues]) -> None:
        """Show what waits for the archive and for destinations, and how much may wait."""
        for name, meaning, read in (
            ("size", "Records that wait for the archive or a destination.", size),
            ("capacity", "Records that may wait, at their mean size.", capacity),
        ):
            self.watch_gauge(f"otelcol_exporter_queue_{name}", meaning, _by_exporter(read))

    def watch_hub(self, hub: StreamHub) -> None:
        """Show the live stream: subscribers, buffer, limits, and what it refused or dropped."""
        self.registry.register(HubMetrics(hub))

    def exposition(self) -> tuple[bytes, str]:
        """All metrics in Prometheus text format, and its content type."""
        text = generate_latest(_WithoutCreated(self.registry))
        # Cumulative families are declared untyped to keep their names; see `CUMULATIVE`.
        return text.replace(b" untyped\n", b" counter\n"), _CONTENT_TYPE

    def values(self, prefix: str) -> dict[str, float]:
        """Sums over all labels of the families that begin with `prefix`, by sample name."""
        sums: dict[str, float] = {}
        for metric in _WithoutCreated(self.registry).collect():
            if metric.name.startswith(prefix):
                for sample in metric.samples:
                    if not sample.name.endswith("_bucket"):
                        sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
        return sums


def _by_exporter(read: Callable[[], Queues]) -> Callable[[], Readings]:
    return lambda: {(("exporter", name),): value for name, value in read().items()}


class _WithoutCreated:
    """A registry without the `_created` series, which nobody asked for."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [s for s in metric.samples if not s.name.endswith("_created")]
            yield metric
