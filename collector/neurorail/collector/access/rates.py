"""How many requests a caller may send: a token bucket each."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from math import ceil
from typing import Final

CALLERS_MAX: Final = 10_000
"""Callers remembered; the one that was quiet longest starts with a full bucket again."""
BURST_S: Final = 2
"""Seconds of its rate that a caller may send at once."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float


@dataclass(frozen=True, slots=True)
class Rate:
    """Where a caller stands after a request."""

    allowed: bool
    limit: int
    """Requests it may send at once."""
    window_s: int
    """How long an empty bucket takes to fill."""
    remaining: int
    reset_s: int
    """Until the bucket is full, or, when refused, until the next request is let in."""

    def headers(self) -> list[tuple[str, str]]:
        """The `RateLimit` headers of the answer."""
        return [
            ("RateLimit-Policy", f'"caller";q={self.limit};w={self.window_s}'),
            ("RateLimit", f'"caller";r={self.remaining};t={self.reset_s}'),
        ]


class Rates:
    """Buckets by caller. To be used on one thread."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self.forgotten = 0
        """Callers forgotten because there were too many: they begin with a full bucket again."""

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, caller: str, per_s: int, now_s: float) -> Rate:
        """Count one request of a caller. `now_s` is a monotonic time."""
        limit = per_s * BURST_S
        bucket = self._buckets.get(caller)
        if bucket is None:
            bucket = self._buckets[caller] = _Bucket(limit, now_s)
            if len(self._buckets) > CALLERS_MAX:
                self._buckets.popitem(last=False)
                self.forgotten += 1
        else:
            self._buckets.move_to_end(caller)
            grown = bucket.tokens + (now_s - bucket.at_s) * per_s
            bucket.tokens, bucket.at_s = min(grown, float(limit)), now_s
        if bucket.tokens < 1:
            wait_s = (1 - bucket.tokens) / per_s
            return Rate(False, limit, BURST_S, 0, max(1, ceil(wait_s)))
        bucket.tokens -= 1
        full_s = (limit - bucket.tokens) / per_s
        return Rate(True, limit, BURST_S, int(bucket.tokens), ceil(full_s))
