"""Which attribute keys are read, as one lookup from key bytes to a slot.

Slots 0–4 are the chain ids. NeuroRail's own names follow; the names of the foreign mapping come
last, in its order of strength, so that the lowest slot found is the value to take.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from neurorail.semconv import attributes as names
from neurorail.semconv.genai import Mapping

EVENT_NAME: Final = "event.name"
"""How event names travelled before log records had a field for them."""
SERVICE_NAME: Final = "service.name"

OWN: Final = (
    *names.CHAIN_IDS,
    names.ENTITY_TYPE,
    names.MISSION_PARENT_ID,
    names.PLAN_TYPE,
    names.JOB_TYPE,
    names.JOB_DEPENDENCIES,
    names.ATTEMPT_NUMBER,
    names.RESOURCE_TYPE,
    *(names.BUDGET_PREFIX + field for field in names.BUDGET_FIELDS),
    names.OUTCOME,
    names.ERROR_CODE,
    names.RESERVATION_ID,
    names.TRANSITION,
    names.TRANSITIONS,
    names.TRANSITION_TIMES,
    names.STATE_FROM,
    names.STATE_TO,
    names.REASON,
    names.LOGFIRE_SPAN_TYPE,
    names.LOGFIRE_PENDING_PARENT_ID,
    EVENT_NAME,
    SERVICE_NAME,
)
OWN_SLOTS: Final = {name: slot for slot, name in enumerate(OWN)}
ENTITY_TYPE: Final = OWN_SLOTS[names.ENTITY_TYPE]
MISSION_PARENT_ID: Final = OWN_SLOTS[names.MISSION_PARENT_ID]
PLAN_TYPE: Final = OWN_SLOTS[names.PLAN_TYPE]
JOB_TYPE: Final = OWN_SLOTS[names.JOB_TYPE]
JOB_DEPENDENCIES: Final = OWN_SLOTS[names.JOB_DEPENDENCIES]
ATTEMPT_NUMBER: Final = OWN_SLOTS[names.ATTEMPT_NUMBER]
RESOURCE_TYPE: Final = OWN_SLOTS[names.RESOURCE_TYPE]
BUDGET: Final = OWN_SLOTS[names.BUDGET_PREFIX + names.BUDGET_FIELDS[0]]
"""The first of the budget slots, which are in the order of `BUDGET_FIELDS`."""
BUDGET_END: Final = BUDGET + len(names.BUDGET_FIELDS)
OUTCOME: Final = OWN_SLOTS[names.OUTCOME]
ERROR_CODE: Final = OWN_SLOTS[names.ERROR_CODE]
RESERVATION_ID: Final = OWN_SLOTS[names.RESERVATION_ID]
TRANSITION: Final = OWN_SLOTS[names.TRANSITION]
TRANSITIONS: Final = OWN_SLOTS[names.TRANSITIONS]
TRANSITION_TIMES: Final = OWN_SLOTS[names.TRANSITION_TIMES]
STATE_FROM: Final = OWN_SLOTS[names.STATE_FROM]
STATE_TO: Final = OWN_SLOTS[names.STATE_TO]
REASON: Final = OWN_SLOTS[names.REASON]
LOGFIRE_SPAN_TYPE: Final = OWN_SLOTS[names.LOGFIRE_SPAN_TYPE]
LOGFIRE_PENDING_PARENT_ID: Final = OWN_SLOTS[names.LOGFIRE_PENDING_PARENT_ID]
EVENT_NAME_SLOT: Final = OWN_SLOTS[EVENT_NAME]
SERVICE: Final = OWN_SLOTS[SERVICE_NAME]

FOREIGN: Final = 256
"""The first slot of the foreign mapping."""


@dataclass(frozen=True, slots=True)
class KeyTable:
    """The lookup for one version of the foreign mapping."""

    slots: dict[str, int]
    """Attribute key → slot."""
    wanted: frozenset[str]
    """The keys of `slots`."""
    meanings: dict[int, str]
    """Slot of an alias → meaning."""
    names: dict[int, str]
    """Slot of an alias → attribute name."""
    roles: tuple[tuple[int, dict[str, str]], ...]
    """Slot of a role attribute and what its values mean, in order."""
    markers: tuple[bytes, ...]
    """Byte strings, one of which is in every span that has a key of this table."""
    tags: dict[str, str]
    """Attributes that are tags → the tag's key."""


def build(mapping: Mapping) -> KeyTable:
    """The lookup for a mapping."""
    slots = dict(OWN_SLOTS)
    meanings: dict[int, str] = {}
    alias_names: dict[int, str] = {}
    next_slot = FOREIGN
    for meaning, aliases in mapping.aliases.items():
        for alias in aliases:
            slots[alias] = next_slot
            meanings[next_slot] = meaning
            alias_names[next_slot] = alias
            next_slot += 1
    roles = []
    for rule in mapping.roles:
        slot = slots.setdefault(rule.attribute, next_slot)
        next_slot += 1
        roles.append((slot, dict(rule.roles)))
    return KeyTable(
        slots,
        frozenset(slots),
        meanings,
        alias_names,
        tuple(roles),
        _markers(mapping),
        dict(mapping.tags),
    )


def _markers(mapping: Mapping) -> tuple[bytes, ...]:
    """What a span must contain to be of interest: a name of ours, a role, or a GenAI call's names.

    A role attribute of another family is searched for with the length that precedes it on the
    wire, so that it is not found inside a longer name.
    """
    prefixes = (names.PREFIX, "gen_ai.", "pending_span")
    roles = [rule.attribute for rule in mapping.roles if not rule.attribute.startswith(prefixes)]
    return (
        *(prefix.encode() for prefix in prefixes),
        *(bytes([len(role)]) + role.encode() for role in roles),
    )
