"""Metrics of the live stream."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from neurorail.collector.health.pipeline import CUMULATIVE, GAUGE, family
from neurorail.collector.stream import StreamHub


class HubMetrics:
    """Reads the hub once a scrape; on its loop."""

    def __init__(self, hub: StreamHub) -> None:
        self._hub = hub

    def describe(self) -> Iterator[Metric]:
        """The names alone: registering reads nothing."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """What prometheus-client asks at a scrape."""
        stats, limits = self._hub.stats(), self._hub.config
        gauges: tuple[tuple[str, str, float], ...] = (
            ("subscribers", "Subscribers now.", stats.subscribers),
            ("subscribers_limit", "Subscribers that are let in.", limits.max_subscribers),
            ("buffer_events", "Events in memory.", stats.buffer_sizes["all"]),
            ("buffer_events_limit", "Events that memory may hold.", limits.buffer_events),
            ("buffer_bytes", "Bytes of events in memory.", stats.buffer_bytes),
            ("buffer_bytes_limit", "Bytes of events that memory may hold.", limits.buffer_bytes),
        )
        counts: tuple[tuple[str, str, float], ...] = (
            ("published", "Events published.", stats.published),
            ("evicted", "Events that left memory to make room.", stats.evicted),
            ("missed", "Events that subscribers were told they missed.", stats.missed),
            ("refused", "Subscribers refused at the limit.", stats.refused),
            ("dropped", "Events dropped because the loop was stuck.", stats.pending_dropped),
        )
        for kind, metrics in ((GAUGE, gauges), (CUMULATIVE, counts)):
            for name, documentation, value in metrics:
                yield family(f"neurorail_stream_{name}", documentation, kind, value)
