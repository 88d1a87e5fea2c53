"""Memory, processor time and uptime of this process."""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client.core import Metric

from neurorail.collector.health.pipeline import CUMULATIVE, GAUGE, family
from neurorail.collector.resident_memory import rss_bytes


class ProcessMetrics:
    """Read at each scrape."""

    def __init__(self) -> None:
        self._started_s = time.monotonic()

    def collect(self) -> Iterator[Metric]:
        """What prometheus-client asks at a scrape."""
        uptime_s = time.monotonic() - self._started_s
        yield family("otelcol_process_memory_rss", "Resident memory in bytes.", GAUGE, rss_bytes())
        yield family(
            "otelcol_process_cpu_seconds", "Processor time in seconds.", CUMULATIVE,
            time.process_time(),
        )  # fmt: skip
        yield family("otelcol_process_uptime", "Time since start in seconds.", CUMULATIVE, uptime_s)
