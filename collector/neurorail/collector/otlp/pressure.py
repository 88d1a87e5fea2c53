"""Overload: reasons to refuse a request before it is parsed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

from neurorail.collector.otlp.refusal import Refusal, unavailable

SAMPLE_INTERVAL_S: Final = 0.25
DEFAULT_SHARE: Final = 0.8
_STATM: Final = Path("/proc/self/statm")
_CGROUP_LIMIT: Final = Path("/sys/fs/cgroup/memory.max")


class Pressure(Protocol):
    """Something that can be too full to take a request."""

    def check(self) -> Refusal | None:
        """Return why a request cannot be taken now, or None. Called per request: must be cheap."""
        ...


class NoPressure:
    """Never too full."""

    def check(self) -> Refusal | None:
        """Return None."""
        return None


class AnyPressure:
    """The first refusal of several."""

    def __init__(self, sources: Sequence[Pressure]) -> None:
        self._sources = tuple(sources)

    def check(self) -> Refusal | None:
        """Return the first refusal, in the given order."""
        for source in self._sources:
            refusal = source.check()
            if refusal is not None:
                return refusal
        return None


class MemoryPressure:
    """Refuses while the process holds more resident memory than its limit.

    The memory is looked at no more than every 250 ms, so that the check costs nothing.
    """

    def __init__(
        self,
        limit_bytes: int,
        retry_delay_s: float,
        resident_bytes: Callable[[], int | None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`limit_bytes` 0 switches it off; so does a system that tells no resident memory."""
        self._limit_bytes = limit_bytes
        self._retry_delay_s = retry_delay_s
        self._resident_bytes = resident_bytes or resident_memory_bytes
        self._clock = clock
        self._sampled_at: float | None = None
        self._refusal: Refusal | None = None

    def check(self) -> Refusal | None:
        """Return a retryable refusal while over the limit."""
        if not self._limit_bytes:
            return None
        now = self._clock()
        if self._sampled_at is None or now - self._sampled_at >= SAMPLE_INTERVAL_S:
            self._sampled_at = now
            self._refusal = self._sample()
        return self._refusal

    def _sample(self) -> Refusal | None:
        resident = self._resident_bytes()
        if resident is None or resident <= self._limit_bytes:
            return None
        return unavailable(
            f"the server holds {resident} bytes of memory, its limit is {self._limit_bytes}",
            self._retry_delay_s,
        )


def resident_memory_bytes() -> int | None:
    """What this process holds in memory now; None where the system does not say."""
    try:
        pages = int(_STATM.read_bytes().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def default_memory_limit_bytes(cgroup_limit: Path = _CGROUP_LIMIT) -> int:
    """80 % of what the container, else the machine, has; 0 if neither says."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        total = 0
    try:
        limit = int(cgroup_limit.read_text())
    except (OSError, ValueError):
        limit = 0
    known = [value for value in (total, limit) if value > 0]
    return int(min(known) * DEFAULT_SHARE) if known else 0
