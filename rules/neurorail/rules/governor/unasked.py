"""Calls that run on the rail and never asked: metered like any other, and told."""

from __future__ import annotations

from neurorail.rules.entity import LEVEL_NAMES, LEVEL_OF_PREFIX
from neurorail.rules.events import ERROR, INFO
from neurorail.rules.manifest.facts import call_facts
from neurorail.rules.manifest.model import RAIL
from neurorail.rules.observations import Ids, SpanObserved
from neurorail.rules.reflex import observe
from neurorail.rules.state import State

VIOLATION = "violation"


def call_charged(state: State, seen: SpanObserved, ids: Ids, totals: list[int]) -> None:
    """A call without a reservation was charged: say so if it should have asked.

    A violation only where the manifest says so: plain OpenTelemetry agents cannot ask.
    """
    policy = state.manifest
    if state.history or not policy.may_be_rail:
        return
    facts = call_facts(state, seen, ids, totals)
    if policy.mode_of(facts) != RAIL:
        return
    broken = policy.policies.unasked == VIOLATION
    own = next(entity_id for entity_id in reversed(ids) if entity_id is not None)
    entity_type = LEVEL_NAMES[LEVEL_OF_PREFIX[own[:2]]]
    state.emit(
        "call_unasked",
        ids,
        seen.end_unix_nano,
        {"entity_type": entity_type, "entity_id": own, "violation": broken},
        "a call on the rail never asked",
        ERROR if broken else INFO,
    )
    if broken:
        state.count("violations")
        observe.violated(state, state.existing(own), "unasked")
