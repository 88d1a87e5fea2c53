"""Memory, processor time and uptime of this process."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import Metric

from neurorail.collector.health.pipeline import CUMULATIVE, GAUGE, family

_STATM = Path("/proc/self/statm")


def rss_bytes() -> int:
    """Memory that the process holds now; its peak where the system does not tell."""
    try:
        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


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
