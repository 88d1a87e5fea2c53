"""What an entity has consumed, in the order of kinds of limits."""

from __future__ import annotations

from typing import Final

from neurorail.rules.config import MS
from neurorail.rules.entity import COST, INPUT, MODEL_CALLS, OUTPUT, TOOL_CALLS, Entity
from neurorail.rules.governor.amounts import PARALLEL, RETRIES, WALL_TIME, Amounts, of_totals
from neurorail.rules.observations import JOB
from neurorail.rules.state import State

USED_PLACES: Final[dict[str, tuple[int, ...]]] = {
    "tokens": (INPUT, OUTPUT),
    "input_tokens": (INPUT,),
    "output_tokens": (OUTPUT,),
    "cost": (COST,),
    "tool_calls": (TOOL_CALLS,),
    "model_calls": (MODEL_CALLS,),
}
"""Where `Entity.totals` has what calls use up, by the kind of a limit."""


def consumed_by(state: State, entity: Entity) -> Amounts:
    """What an entity has consumed, running attempts and time included."""
    consumed = of_totals(entity.totals)
    if entity.level <= JOB:
        consumed[RETRIES] = entity.retries
        consumed[PARALLEL] = entity.attempts_running
    if entity.started:
        elapsed = state.now - entity.started - state.shift_since(entity.started)
        consumed[WALL_TIME] = max(elapsed // MS, 0)
    return consumed
