"""What an entity says about itself on its span or event: kind, number, tags, budget."""

from __future__ import annotations

from collections import Counter
from typing import Final

from neurorail.collector.decode import keys
from neurorail.collector.decode.identity import is_id
from neurorail.collector.decode.values import (
    INT64_MAX,
    NAME_MAX,
    name,
    read,
    texts,
    usd_pico,
    whole,
)
from neurorail.rules.observations import JOB, MISSION, Budget, Fields
from neurorail.semconv import attributes as names

DEPENDENCIES_MAX: Final = 256
ATTEMPT_NUMBER_MAX: Final = 1_000_000
PLAN_TYPES: Final = frozenset({"sequential", "parallel", "dag", "conditional"})

_ABOUT_ITSELF: Final = frozenset(range(keys.MISSION_PARENT_ID, keys.BUDGET_END))
_BUDGET: Final = frozenset(range(keys.BUDGET, keys.BUDGET_END))
_COST: Final = names.BUDGET_FIELDS.index("max_cost_usd")


def budget(found: dict[int, bytes], stats: Counter[str]) -> Budget | None:
    """The limits among scanned attributes; None if none is usable.

    A limit that is negative or no number is left out and counted: it limits nothing.
    """
    values: list[int | None] = [None] * len(names.BUDGET_FIELDS)
    for place in range(len(values)):
        attribute = found.get(keys.BUDGET + place)
        if attribute is None:
            continue
        value = read(attribute)
        values[place] = usd_pico(value) if place == _COST else whole(value, INT64_MAX)
        if values[place] is None:
            stats["bad_budget"] += 1
    if values.count(None) == len(values):
        return None
    return Budget(*values)


def has_any(found: dict[int, bytes]) -> bool:
    """Whether any attribute about the entity itself is there."""
    return not _ABOUT_ITSELF.isdisjoint(found)


def fill(fields: Fields, found: dict[int, bytes], stats: Counter[str]) -> Fields:
    """Adds what the attributes say about the entity itself."""
    if keys.MISSION_PARENT_ID in found:
        fields.parent_mission_id = _parent_mission(found[keys.MISSION_PARENT_ID], stats)
    if keys.PLAN_TYPE in found:
        fields.plan_type = _plan_type(found[keys.PLAN_TYPE], stats)
    if keys.JOB_TYPE in found:
        fields.job_type = name(found[keys.JOB_TYPE])
    if keys.RESOURCE_TYPE in found:
        fields.resource_type = name(found[keys.RESOURCE_TYPE])
    if keys.ATTEMPT_NUMBER in found:
        fields.attempt_number = _attempt_number(found[keys.ATTEMPT_NUMBER], stats)
    if keys.JOB_DEPENDENCIES in found:
        fields.dependencies = _dependencies(found[keys.JOB_DEPENDENCIES], stats)
    if not _BUDGET.isdisjoint(found):
        fields.budget = budget(found, stats)
    return fields


def _parent_mission(attribute: bytes, stats: Counter[str]) -> str | None:
    parent = name(attribute)
    if not is_id(MISSION, parent):
        stats["bad_id"] += 1
        return None
    return parent


def _plan_type(attribute: bytes, stats: Counter[str]) -> str | None:
    plan_type = (name(attribute) or "").lower()
    if plan_type not in PLAN_TYPES:
        stats["bad_plan_type"] += 1
        return None
    return plan_type


def _attempt_number(attribute: bytes, stats: Counter[str]) -> int | None:
    number = whole(read(attribute), ATTEMPT_NUMBER_MAX)
    if not number:
        stats["bad_attempt_number"] += 1
        return None
    return number


def _dependencies(attribute: bytes, stats: Counter[str]) -> tuple[str, ...]:
    given = texts(read(attribute), NAME_MAX, DEPENDENCIES_MAX)
    usable = tuple(dict.fromkeys(item for item in given if is_id(JOB, item)))
    if len(usable) < len(given):
        stats["bad_dependency"] += len(given) - len(usable)
    return usable
