"""The manifest that holds where nobody gave another one."""

from __future__ import annotations

from functools import lru_cache

from neurorail.rules.manifest.model import DIRECT, FORMAT, Estimate, Estimates, Manifest

_ESTIMATES = Estimates(
    by_job_type={
        "llm_call": Estimate(tokens=8_000, cost_usd_pico=50_000_000_000, duration_ms=60_000),
        "tool_execution": Estimate(tokens=0, cost_usd_pico=0, tool_calls=1, duration_ms=30_000),
    },
    default=Estimate(
        tokens=8_000, cost_usd_pico=50_000_000_000, tool_calls=1, duration_ms=60_000
    ),
)  # fmt: skip


@lru_cache(maxsize=1)
def shipped() -> Manifest:
    """The shipped manifest: it observes, waits and estimates, and limits nothing."""
    return Manifest(
        format=FORMAT, name="default", version="1", default_mode=DIRECT, estimates=_ESTIMATES
    )
