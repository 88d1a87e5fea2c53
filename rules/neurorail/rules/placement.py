"""Putting what was observed in its place: entities, implied ancestors, children, orphans."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from operator import attrgetter

from neurorail.rules import budgets, orphans, transitions
from neurorail.rules.config import MS
from neurorail.rules.entity import DERIVED, IDLE, IMPORTED, LEVEL_NAMES, ORPHAN, SILENT, Entity
from neurorail.rules.events import WARNING
from neurorail.rules.lifecycle import RUNNING, TERMINAL
from neurorail.rules.observations import ATTEMPT, MISSION, RESOURCE, Fields, Ids
from neurorail.rules.state import State, is_open

_BELOW: tuple[tuple[None, ...], ...] = tuple((None,) * (4 - level) for level in range(5))


def chain_down_to(ids: Ids, level: int) -> Ids:
    """The chain of the entity at `level`: the ids from the mission down to it."""
    return ids[: level + 1] + _BELOW[level]


def obtain(state: State, ids: Ids, level: int) -> Entity:
    """The entity at `level` of a chain, made if it was never seen, its chain filled in."""
    entity_id = ids[level]
    assert entity_id is not None, "the level of an entity that is obtained must be named"
    own = chain_down_to(ids, level)
    entity = state.entity(entity_id)
    if entity is None:
        entity = state.new_entity(level, entity_id, own)
        entity.last_received = state.now
        parent_id = ids[level - 1] if level else None
        parent = state.entity(parent_id) if parent_id else None
        if parent is not None:  # Nobody has listed yet what was never seen.
            _append_child(state, parent, entity)
        return entity
    if entity.ids != own and None in entity.ids[:level]:
        learn_ids(state, entity, own)
    state.touch(entity)
    if entity.flags & (IDLE | SILENT):
        entity.flags &= ~(IDLE | SILENT)
    if entity.flags & IMPORTED and not state.history:
        entity.flags &= ~IMPORTED  # It goes on now, and is governed like all that does.
    return entity


def _list_child(state: State, entity: Entity) -> None:
    parent_id = entity.ids[entity.level - 1] if entity.level > MISSION else None
    parent = state.entity(parent_id) if parent_id else None
    if parent is not None and entity.id not in parent.children:
        _append_child(state, parent, entity)


def _append_child(state: State, parent: Entity, entity: Entity) -> None:
    if len(parent.children) >= state.config.children_max:
        state.count("children_unlisted")
        return
    parent.children.append(entity.id)
    state.touch(parent)


def learn_ids(state: State, entity: Entity, known: Ids) -> None:
    """Levels above an entity became known: fill them in, there and below, and lift orphans."""
    filled: list[str | None] = list(entity.ids)
    for at in range(entity.level):
        if filled[at] is None:
            filled[at] = known[at]
    ids: Ids = (filled[0], filled[1], filled[2], filled[3], filled[4])
    if ids == entity.ids:
        return
    entity.ids = ids
    state.touch(entity)
    if None not in ids[: entity.level]:
        transitions.lift_orphan(state, entity)
        _list_child(state, entity)
    for child_id in entity.children:
        learn_ids(state, state.existing(child_id), ids)


def note_unplaced(state: State, entity: Entity) -> None:
    """An entity with an unnamed level above it is an orphan, unless that changes in time."""
    if None in entity.ids[: entity.level] and not entity.orphan_at and not entity.flags & ORPHAN:
        entity.orphan_at = state.now


def parent_known(state: State, ids: Ids, level: int) -> bool:
    """Whether the entity right above `level` has been heard of."""
    parent_id = ids[level - 1] if level > MISSION else None
    parent = state.entity(parent_id) if parent_id else None
    return parent is not None and bool(parent.state)


def await_parent(state: State, entity: Entity) -> None:
    """An entity was written under a parent that nobody knows: an orphan, unless it arrives."""
    parent_id = entity.ids[entity.level - 1] if entity.level > MISSION else None
    if parent_id is None or entity.orphan_at or entity.flags & ORPHAN:
        return
    parent = state.entity(parent_id)
    if parent is None:  # Its place is kept, so that it finds its children when it comes.
        above = chain_down_to(entity.ids, entity.level - 1)
        parent = state.new_entity(entity.level - 1, parent_id, above)
        _list_child(state, entity)
    if not parent.state:
        _list_child(state, entity)
        entity.orphan_at = state.now


def move_under(state: State, entity: Entity, ids: Ids) -> None:
    """An entity turned out to belong to another chain: it and all below it go there."""
    parent_id = entity.ids[entity.level - 1]
    before = state.entity(parent_id) if parent_id else None
    if before is not None and entity.id in before.children:
        before.children.remove(entity.id)
        state.touch(before)
    _set_ids_above(state, entity, ids)
    _list_child(state, entity)


def _set_ids_above(state: State, entity: Entity, ids: Ids) -> None:
    entity.ids = ids[: entity.level] + entity.ids[entity.level :]
    state.touch(entity)
    for child_id in entity.children:
        _set_ids_above(state, state.existing(child_id), entity.ids)


def imply_ancestors(
    state: State, ids: Ids, level: int, time: int, *, running: bool, fields: Fields | None
) -> None:
    """Ancestors that are named exist; where something below them ran, they run."""
    implied = state.implied
    first = level
    while first and (ids[:first], running) not in implied:
        first -= 1
    if first > ATTEMPT:
        attempt_id = ids[ATTEMPT]
        if attempt_id is not None:
            note_child(state, state.existing(attempt_id), time)
    for at in range(first, level):
        implied.add((ids[: at + 1], running))
        entity_id = ids[at]
        if entity_id is None:
            continue
        ancestor = state.entity(entity_id)
        if ancestor is not None and _just_runs(state, ancestor, ids):
            state.touch(ancestor)
            if at == ATTEMPT:
                note_child(state, ancestor, time)
            continue
        ancestor = obtain(state, ids, at)
        if at == MISSION and fields is not None and not ancestor.state and ancestor.fields is None:
            ancestor.fields = Fields(agent=fields.agent, service=fields.service)
        if running:
            transitions.implied_running(state, ancestor, time)
        elif not ancestor.state:
            transitions.infer_through(state, ancestor, "create", time)
        if at == ATTEMPT:
            note_child(state, ancestor, time)
        arm_if_new(state, ancestor)


def _just_runs(state: State, entity: Entity, ids: Ids) -> bool:
    """Whether nothing is to be learnt of an ancestor by what happened below it."""
    return (
        entity.state == RUNNING
        and entity.ids[: entity.level + 1] == ids[: entity.level + 1]
        and not entity.flags & (IDLE | SILENT | IMPORTED)
        and entity.key in state.scheduled
    )


def note_child(state: State, entity: Entity, time: int) -> None:
    """Something happened below an entity: its first signal, if it is the first."""
    if not entity.first_child or time < entity.first_child:
        entity.first_child = time
    if entity.reported & 4:
        first_signal(state, entity)


def first_signal(state: State, entity: Entity, explicit_ms: int | None = None) -> None:
    """The time from an entity's start to its first sign of life, said once."""
    if entity.first_signal_ms is not None:
        return
    if explicit_ms is None:
        if not entity.first_child or not entity.started or entity.first_child < entity.started:
            return
        explicit_ms = (entity.first_child - entity.started) // MS
    entity.first_signal_ms = explicit_ms
    state.emit(
        "tt_first_signal",
        entity.ids,
        entity.started + explicit_ms * MS,
        {
            "entity_type": entity.type,
            "entity_id": entity.id,
            "tt_first_signal_ms": explicit_ms,
        },
        f"{entity.type} gave its first signal",
    )


def learn_fields(state: State, entity: Entity, fields: Fields | None, time: int) -> None:
    """Take over what an entity says about itself; what is known already stays."""
    if fields is None:
        return
    if fields.budget is not None and budgets.tighten(entity, fields.budget):
        budgets.check_all(state, entity, time)
    before = state.kind(entity) if entity.level == RESOURCE else ""
    if entity.fields is None:
        entity.fields = fields
    else:
        entity.fields = _merged(entity.fields, fields)
    if before:
        state.kind_learned(entity, before)


def _merged(known: Fields, more: Fields) -> Fields:
    """What is known, with what only `more` says; neither of them is changed."""
    if known is more:
        return known
    new = {
        name: value
        for name in _FIELD_NAMES
        if not (own := getattr(known, name)) and (value := getattr(more, name)) is not own
    }
    return replace(known, **new) if new else known


def learn_resource_type(state: State, entity: Entity, resource_type: str) -> None:
    """What a resource is, as its role shows; a type that telemetry states is better."""
    if entity.fields is None:
        entity.fields = Fields()
    if entity.fields.resource_type is None:
        before = state.kind(entity)
        entity.fields = Fields(*_values(entity.fields))  # The observation keeps its own.
        entity.fields.resource_type = resource_type
        state.kind_learned(entity, before)


_FIELD_NAMES = tuple(field.name for field in dataclasses.fields(Fields))
_values = attrgetter(*_FIELD_NAMES)


# ── timers of an entity ──────────────────────────────────────────────────────────────────────


def arm_if_new(state: State, entity: Entity) -> None:
    """Give an open entity its timers, if it has none yet."""
    if entity.key not in state.scheduled and entity.state not in TERMINAL:
        _schedule(state, entity)


def arm(state: State, entity: Entity) -> None:
    """Schedule the earliest thing that may become due for an entity."""
    if entity.state not in TERMINAL or entity.waiting or entity.orphan_at:
        _schedule(state, entity)
    else:
        state.schedule(entity.key, 0)


def _schedule(state: State, entity: Entity) -> None:
    pending = deadlines(state, entity)
    state.schedule(entity.key, min(pending)[0] if pending else 0)


def deadlines(state: State, entity: Entity) -> list[tuple[int, str]]:
    """Everything that may become due for an entity: (record time, what).

    What waits to be judged, and whether it is an orphan, outlives an entity's end.
    """
    times = state.manifest.times
    found: list[tuple[int, str]] = []
    if entity.waiting:
        base = min(item[2] for item in entity.waiting)
        found.append((base + times.lateness_ms * MS + state.shift_since(base), "waiting"))
    if entity.state == "running":
        deadline = budgets.timeout_deadline(state, entity)
        if deadline:
            late = times.lateness_ms * MS if entity.timeout_enforced else 0
            found.append((max(deadline + late, _end_may_come_until(state, entity)), "timeout"))
        if entity.heartbeat_received and not entity.flags & SILENT:
            base = entity.heartbeat_received
            missed = times.heartbeat_missed_ms * MS
            found.append((base + missed + state.shift_since(base), "heartbeat"))
    if entity.orphan_at:
        base = entity.orphan_at
        found.append((base + times.orphan_grace_ms * MS + state.shift_since(base), "orphan"))
    if is_open(entity) and not entity.flags & IDLE:
        base = entity.last_received
        found.append((base + times.idle_ms * MS + state.shift_since(base), "idle"))
    return found


def _end_may_come_until(state: State, entity: Entity) -> int:
    """How long the end of an imported entity may still be on its way; 0 for any other.

    Its deadline lies in the past, and so does its end, which is imported after what is below it.
    """
    if not entity.flags & IMPORTED:
        return 0
    base = entity.last_received
    return base + state.times.idle_ms * MS + state.shift_since(base)


def fire(state: State, entity: Entity, at: int) -> None:
    """Something of an entity may be due at `at`: do what is, and schedule the rest."""
    for due, what in sorted(deadlines(state, entity)):
        if due <= at and (entity.state not in TERMINAL or what in _OUTLIVES_END):
            _FIRE[what](state, entity, at)
    state.dirty_entities[entity.key] = entity
    _schedule(state, entity)


def _fire_waiting(state: State, entity: Entity, at: int) -> None:
    transitions.waiting_expired(state, entity, at)


def _fire_timeout(state: State, entity: Entity, at: int) -> None:
    deadline = budgets.timeout_deadline(state, entity)
    if not entity.timeout_enforced:
        elapsed_ms = (deadline - entity.started) // MS
        budgets.timed_out(state, entity, elapsed_ms, deadline)
        if not entity.flags & IMPORTED:
            budgets.timeout_directive(state, entity, deadline)
        return
    transitions.move(
        state,
        entity,
        "timeout",
        deadline,
        inferred=True,
        reason="ran past its timeout and did not end",
        error_code="NR-E001",
    )


def _fire_heartbeat(state: State, entity: Entity, at: int) -> None:
    entity.flags |= SILENT
    state.count("heartbeats_missed")
    state.emit(
        "heartbeat_missed",
        entity.ids,
        at,
        {
            "entity_type": entity.type,
            "entity_id": entity.id,
            "silent_ms": (at - entity.heartbeat_received) // MS,
        },
        f"heartbeats of a {entity.type} stopped",
        WARNING,
    )


def _fire_orphan(state: State, entity: Entity, at: int) -> None:
    entity.orphan_at = 0
    entity.flags |= ORPHAN
    state.count("orphans")
    missing = [
        name for name, own in zip(LEVEL_NAMES, entity.ids[: entity.level], strict=False) if not own
    ] or [LEVEL_NAMES[entity.level - 1]]
    state.emit(
        "orphan_detected",
        entity.ids,
        at,
        {
            "entity_type": entity.type,
            "entity_id": entity.id,
            "missing": missing,
            "code": orphans.ORPHAN_CODE,
        },
        f"{entity.type} has no {' and no '.join(missing)}",
        WARNING,
    )
    orphans.found(state, entity, at)


def _fire_idle(state: State, entity: Entity, at: int) -> None:
    entity.flags |= IDLE
    state.emit(
        "entity_idle",
        entity.ids,
        at,
        {
            "entity_type": entity.type,
            "entity_id": entity.id,
            "idle_ms": (at - entity.last_received) // MS,
        },
        f"nothing was heard of a {entity.type}",
    )


_OUTLIVES_END = ("waiting", "orphan")
_FIRE = {
    "waiting": _fire_waiting,
    "timeout": _fire_timeout,
    "heartbeat": _fire_heartbeat,
    "orphan": _fire_orphan,
    "idle": _fire_idle,
}


def mark_derived(entity: Entity) -> None:
    """The entity's id was made from telemetry that names none."""
    entity.flags |= DERIVED
