"""The token bucket against one that is simulated exactly, with fractions."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from neurorail.rules.config import MS
from neurorail.rules.manifest.actions import Throttle as Settings
from neurorail.rules.reflex.throttle import Throttle, burst_of

BASE = 1_800_000_000_000_000_000


@pytest.mark.parametrize("seed", range(40))
def test_bucket_agrees_with_exact_fractions(seed: int) -> None:
    rng = random.Random(seed)
    settings = Settings(
        calls=rng.choice((1, 3, 7)),
        every_ms=rng.choice((1_000, 997)),
        burst=rng.choice((1, 4, None)),
    )
    per_ns = Fraction(settings.calls, settings.every_ms * MS)
    throttle, level, now = Throttle(), Fraction(burst_of(settings)), BASE
    for _ in range(300):
        step = rng.choice((0, 1, 50 * MS, 400 * MS, 3_000 * MS))
        now += step
        level = min(level + step * per_ns, Fraction(burst_of(settings)))
        wait = throttle.retry_after_ns(now, settings)
        missing = max(1 - level, Fraction(0)) / per_ns
        assert wait == -(-missing.numerator // missing.denominator)
        if wait == 0:
            throttle.take(now, settings)
            level -= 1
        throttle = Throttle.from_row(throttle.to_row())


def test_a_call_that_is_made_in_spite_of_it_counts() -> None:
    settings = Settings(calls=1, every_ms=1_000)
    throttle = Throttle()
    throttle.take(BASE, settings)
    throttle.take(BASE, settings)
    assert throttle.retry_after_ns(BASE, settings) == 2_000 * MS
