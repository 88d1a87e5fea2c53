"""The machine for each kind of trigger that a manifest may name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from neurorail.rules.manifest import triggers
from neurorail.rules.reflex.burn_rate import BurnRate
from neurorail.rules.reflex.condition_met import ConditionMet
from neurorail.rules.reflex.consecutive_failures import ConsecutiveFailures
from neurorail.rules.reflex.error_rate import ErrorRate
from neurorail.rules.reflex.fan_out import FanOut
from neurorail.rules.reflex.first_signal import FirstSignal
from neurorail.rules.reflex.latency import Latency
from neurorail.rules.reflex.no_progress import NoProgress
from neurorail.rules.reflex.ping_pong import PingPong
from neurorail.rules.reflex.repeated_call import RepeatedCall
from neurorail.rules.reflex.step import Trigger
from neurorail.rules.reflex.violation_storm import ViolationStorm

MACHINES: Final[dict[type[Any], Callable[[Any], Trigger]]] = {
    triggers.ErrorRate: ErrorRate,
    triggers.ConsecutiveFailures: ConsecutiveFailures,
    triggers.LatencyQuantile: Latency,
    triggers.TimeToFirstSignal: FirstSignal,
    triggers.BurnRate: BurnRate,
    triggers.RepeatedCall: RepeatedCall,
    triggers.PingPong: PingPong,
    triggers.FanOut: FanOut,
    triggers.NoProgress: NoProgress,
    triggers.ViolationStorm: ViolationStorm,
    triggers.ConditionMet: ConditionMet,
}
"""Which machine watches for which trigger."""


def machine_for(trigger: triggers.Trigger) -> Trigger:
    """A machine that has seen nothing yet."""
    return MACHINES[type(trigger)](trigger)
