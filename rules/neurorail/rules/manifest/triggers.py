"""Triggers: what a reflex waits for. Each is one way in which agents go wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeAlias

from neurorail.rules.manifest.condition import Condition
from neurorail.rules.manifest.kinds import (
    ID,
    Choice,
    Duration,
    Text,
    When,
    Whole,
    spec,
)
from neurorail.rules.manifest.limits import KINDS

_WINDOW = "Over how much time is looked back."
_VOLUME = "Fewer ends than these in the window decide nothing."


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRate:
    """Too large a share of what ended in a window did not succeed."""

    window_ms: int = field(metadata=spec(Duration(), _WINDOW, "window"))
    percent: int = field(
        metadata=spec(Whole(1, 100), "The share from which on it triggers, in percent.")
    )
    min_volume: int = field(default=10, metadata=spec(Whole(1), _VOLUME))


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsecutiveFailures:
    """So many ends in a row did not succeed."""

    count: int = field(metadata=spec(Whole(1), "Failures in a row."))


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyQuantile:
    """A quantile of the durations in a window is too long."""

    window_ms: int = field(metadata=spec(Duration(), _WINDOW, "window"))
    percent: int = field(
        default=95, metadata=spec(Whole(1, 100), "The quantile: 95 is the 95th percentile.")
    )
    more_than_ms: int = field(metadata=spec(Duration(), "Longer than this triggers.", "more_than"))
    min_volume: int = field(default=20, metadata=spec(Whole(1), _VOLUME))


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeToFirstSignal:
    """A quantile of the times to the first sign of life is too long."""

    window_ms: int = field(metadata=spec(Duration(), _WINDOW, "window"))
    percent: int = field(
        default=95, metadata=spec(Whole(1, 100), "The quantile: 95 is the 95th percentile.")
    )
    more_than_ms: int = field(metadata=spec(Duration(), "Longer than this triggers.", "more_than"))
    min_volume: int = field(default=20, metadata=spec(Whole(1), _VOLUME))


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnRate:
    """A pool or budget will be exhausted before it renews or its entity times out."""

    pool: str | None = field(
        default=None, metadata=spec(Text(ID), "The pool; give either this or `level`.")
    )
    level: str | None = field(
        default=None,
        metadata=spec(
            Choice(("mission", "plan", "job", "attempt")), "The level whose budget is meant."
        ),
    )
    kind: str = field(metadata=spec(Choice(KINDS), "Which of its limits.", "limit"))
    lookback_ms: int = field(
        metadata=spec(Duration(), "Over how much time the rate is measured.", "lookback")
    )
    min_used_percent: int = field(
        default=10, metadata=spec(Whole(0, 100), "Less used than this share decides nothing.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedCall:
    """The same call again and again: one tool or model with the same arguments."""

    count: int = field(metadata=spec(Whole(2), "Identical calls."))
    window_ms: int = field(metadata=spec(Duration(), _WINDOW, "window"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PingPong:
    """Two calls in turns: A-B-A-B."""

    rounds: int = field(metadata=spec(Whole(2, 1_000), "Pairs in a row: A-B-A-B are 2."))
    window_ms: int = field(metadata=spec(Duration(), _WINDOW, "window"))


@dataclass(frozen=True, slots=True, kw_only=True)
class FanOut:
    """An entity gets very many children in a short time."""

    level: str = field(
        metadata=spec(
            Choice(("mission", "plan", "job", "attempt")), "The level of the entity with children."
        )
    )
    count: int = field(metadata=spec(Whole(1), "Children in the window."))
    window_ms: int = field(metadata=spec(Duration(), _WINDOW, "window"))


@dataclass(frozen=True, slots=True, kw_only=True)
class NoProgress:
    """A running entity shows no sign of life: no event below it, no heartbeat."""

    level: str = field(
        default="attempt",
        metadata=spec(Choice(("mission", "plan", "job", "attempt")), "The level that is watched."),
    )
    silent_ms: int = field(metadata=spec(Duration(), "Silence that triggers.", "silent_for"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ViolationStorm:
    """Many violations in a short time; `when` may say of which `violation_type`."""

    count: int = field(metadata=spec(Whole(1), "Violations in the window."))
    window_ms: int = field(metadata=spec(Duration(), _WINDOW, "window"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionMet:
    """A condition holds for many of the ends in a window."""

    holds: Condition = field(metadata=spec(When(), "What is asked of each end."))
    count: int = field(default=1, metadata=spec(Whole(1), "How often it has to hold."))
    window_ms: int = field(metadata=spec(Duration(), _WINDOW, "window"))


Trigger: TypeAlias = (
    ErrorRate
    | ConsecutiveFailures
    | LatencyQuantile
    | TimeToFirstSignal
    | BurnRate
    | RepeatedCall
    | PingPong
    | FanOut
    | NoProgress
    | ViolationStorm
    | ConditionMet
)

TRIGGERS: Final = MappingProxyType(
    {
        "error_rate": ErrorRate,
        "consecutive_failures": ConsecutiveFailures,
        "latency": LatencyQuantile,
        "first_signal": TimeToFirstSignal,
        "burn_rate": BurnRate,
        "repeated_call": RepeatedCall,
        "ping_pong": PingPong,
        "fan_out": FanOut,
        "no_progress": NoProgress,
        "violation_storm": ViolationStorm,
        "condition": ConditionMet,
    }
)
"""Every trigger by the name it has in a manifest."""
