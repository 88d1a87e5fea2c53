"""How entities move along the lifecycle table: reported, inferred, waiting, late or illegal."""

from __future__ import annotations

from typing import Any

from neurorail.rules import budgets, orphans
from neurorail.rules.config import MS
from neurorail.rules.entity import LEVEL_NAMES, ORPHAN, TRANSITION_BIT, Entity
from neurorail.rules.errors import category
from neurorail.rules.events import ERROR, INFO, WARNING
from neurorail.rules.governor import attempts, by_hand, entity_limits, reservations
from neurorail.rules.governor.accounts import ENTITY_ACCOUNTS
from neurorail.rules.lifecycle import (
    MISSING_STEPS,
    NONE,
    OUTCOME_TRANSITION,
    PENDING,
    QUEUED,
    RUNNING,
    SETTLED,
    SUCCEEDED,
    TERMINAL,
    TRANSITIONS,
    allowed_transitions,
)
from neurorail.rules.manifest import shadow
from neurorail.rules.observations import ATTEMPT, JOB, MISSION, Fields, TransitionReported
from neurorail.rules.reflex import observe
from neurorail.rules.state import RECENT_MISSIONS_MAX, State

SEEN_MAX = 16
"""Reported transitions remembered an entity, to know a repetition by."""

ILLEGAL = "NR-E301"

_TOLD = 8
"""Bits of `Entity.inferred` from here on say which outcomes its own spans told."""

_TOLD_BITS = {
    outcome: TRANSITION_BIT[transition] << _TOLD
    for outcome, transition in OUTCOME_TRANSITION.items()
}

_NO_FIELDS = Fields()
_TABLE = dict(TRANSITIONS)
_UNWANTED = TERMINAL - {SUCCEEDED}
_MESSAGES = {
    (level, before, transition): f"{name} {before} → {after}" if before else f"{name} {after}"
    for level, name in enumerate(LEVEL_NAMES)
    for (before, transition), after in TRANSITIONS.items()
}
_PLURALS = tuple(f"{name}s" for name in LEVEL_NAMES)
_BEGINNING = tuple(
    (before, transition, _TABLE[before, transition])
    for before, transition in ((NONE, "create"), (PENDING, "enqueue"), (QUEUED, "start"))
)
_BEGAN = TRANSITION_BIT["create"] | TRANSITION_BIT["enqueue"] | TRANSITION_BIT["start"]


def move(
    state: State,
    entity: Entity,
    transition: str,
    time: int,
    *,
    inferred: bool = False,
    gap: bool = False,
    reason: str | None = None,
    error_code: str | None = None,
) -> None:
    """Take one step that the table lists, and say so."""
    before = entity.state
    after = _TABLE[before, transition]
    entity.state = after
    entity.ordinal += 1
    bit = TRANSITION_BIT[transition]
    if inferred:
        entity.inferred |= bit
    else:
        entity.reported |= bit
    entity.last_transition = time
    state.moved(entity, before)
    if "state_changed" not in state.quiet:
        data = _said(entity, entity.ordinal, before, transition, after, inferred)
        if gap:
            data["gap"] = True
        if reason:
            data["reason"] = reason
        if error_code:
            data["error_code"] = error_code
        message = _MESSAGES[entity.level, before, transition]
        severity = WARNING if after in _UNWANTED else INFO
        state.emit("state_changed", entity.ids, time, data, message, severity)
    if after in TERMINAL:
        entity.ended = time
        entity.error_code = error_code or entity.error_code
        _ended(state, entity, reason)
    elif transition == "start":
        entity.started = time
        _started(state, entity)
    elif transition == "create":
        entity.created = time
        _created(state, entity)


def _said(
    entity: Entity, ordinal: int, before: str, transition: str, after: str, inferred: bool
) -> dict[str, Any]:
    return {
        "transition_id": f"{entity.id}#{ordinal}",
        "entity_type": LEVEL_NAMES[entity.level],
        "entity_id": entity.id,
        "from_state": before or None,
        "to_state": after,
        "transition": transition,
        "inferred": inferred,
    }


def _begin_at_once(state: State, entity: Entity, time: int) -> None:
    """Create, enqueue and start of an entity that nothing was told of before, in one go."""
    states = state.states_of(entity)
    states.setdefault(PENDING, 0)
    states.setdefault(QUEUED, 0)
    states[RUNNING] = states.get(RUNNING, 0) + 1
    first = entity.ordinal + 1
    if "state_changed" not in state.quiet:
        ids = entity.ids
        for place, (before, transition, after) in enumerate(_BEGINNING):
            data = _said(entity, first + place, before, transition, after, True)
            message = _MESSAGES[entity.level, before, transition]
            state.emit("state_changed", ids, time, data, message)
    entity.state = RUNNING
    entity.ordinal += 3
    entity.inferred |= _BEGAN
    entity.last_transition = entity.created = entity.started = time
    _created(state, entity)
    _started(state, entity)


def _created(state: State, entity: Entity) -> None:
    state.count(_PLURALS[entity.level])
    for child_id in entity.children:  # They were written before it was known.
        lift_orphan(state, state.existing(child_id))
    if entity.level == MISSION:
        recent = state.recent_missions.setdefault(entity.tenant, {})
        recent[entity.id] = None
        if len(recent) > RECENT_MISSIONS_MAX:
            del recent[next(iter(recent))]


def lift_orphan(state: State, entity: Entity) -> None:
    """The parent of an entity is known: it is no orphan, or no longer."""
    entity.orphan_at = 0
    state.touch(entity)
    if entity.flags & ORPHAN:
        entity.flags &= ~ORPHAN
        state.emit(
            "orphan_lifted",
            entity.ids,
            state.now,
            {"entity_type": entity.type, "entity_id": entity.id},
            f"the parent of a {entity.type} arrived",
        )
        orphans.lifted(state, entity)


def _started(state: State, entity: Entity) -> None:
    deadline = budgets.timeout_deadline(state, entity)
    if deadline:
        state.schedule(entity.key, deadline)
    if entity.level == ATTEMPT:
        fields = entity.fields
        number = fields.attempt_number if fields is not None else None
        job_id = entity.ids[JOB]
        job = state.entity(job_id) if job_id else None
        job_fields = job.fields if job is not None else None
        state.emit(
            "execution_start",
            entity.ids,
            entity.started,
            {
                "entity_id": entity.id,
                "attempt_number": number,
                "job_type": job_fields.job_type if job_fields is not None else None,
            },
            "execution started",
        )
        attempts.retried(state, entity, budgets.attempt_started(state, entity))
        reservations.attempt_started(state, entity)
        entity_limits.attempt_started(state, entity)
        if state.shadows and not state.history:
            shadow.attempt_started(state, entity)
    observe.entity_began(state, entity)


def _ended(state: State, entity: Entity, reason: str | None) -> None:
    duration_ms = None
    if entity.started:
        # Clocks of different senders may disagree.
        duration_ms = max(entity.ended - entity.started, 0) // MS
        timeout_ms = entity_limits.timeout_ms(state, entity)
        if timeout_ms is not None and entity.ended > entity.started + timeout_ms * MS:
            budgets.timed_out(state, entity, duration_ms, entity.started + timeout_ms * MS)
    succeeded = entity.state == SUCCEEDED
    by_hand.forget(state, entity)
    account = state.kept.get(ENTITY_ACCOUNTS, state.tenant, entity.id)
    if account is not None:
        reservations.entity_ended(state, entity, account)
        entity_limits.entity_ended(state, entity, account)
    if entity.level == ATTEMPT:
        budgets.attempt_ended(state, entity)
        attempts.ended(state, entity, duration_ms)
        if succeeded:
            state.emit(
                "execution_success",
                entity.ids,
                entity.ended,
                {"entity_id": entity.id, "duration_ms": duration_ms},
                "execution succeeded",
            )
        else:
            state.emit(
                "execution_failure",
                entity.ids,
                entity.ended,
                {
                    "entity_id": entity.id,
                    "duration_ms": duration_ms,
                    "outcome": entity.state,
                    "error_code": entity.error_code,
                    "error_category": category(entity.error_code),
                    "reason": reason,
                },
                f"execution {entity.state}",
                WARNING,
            )
    if entity.level <= ATTEMPT:
        if "metrics_recorded" not in state.quiet:
            _record_metrics(state, entity, duration_ms, succeeded)
        observe.entity_ended(state, entity)
    if not entity.waiting and not entity.orphan_at and entity.key in state.scheduled:
        state.schedule(entity.key, 0)
    if entity.dependents:
        for key in entity.dependents:
            retry_waiting(state, state.existing(key.rpartition("|")[2]))
        entity.dependents = []


def _record_metrics(state: State, entity: Entity, duration_ms: int | None, succeeded: bool) -> None:
    totals = entity.totals
    fields = entity.fields or _NO_FIELDS
    state.emit(
        "metrics_recorded",
        entity.ids,
        entity.ended,
        {
            "entity_type": entity.type,
            "entity_id": entity.id,
            "started_at_unix_nano": entity.started,
            "completed_at_unix_nano": entity.ended,
            "duration_ms": duration_ms,
            "input_tokens": totals[0],
            "output_tokens": totals[1],
            "cost_usd_pico": totals[5],
            "unpriced_calls": totals[6],
            "tool_calls": totals[8],
            "attempt_count": entity.attempts,
            "retry_count": entity.retries,
            "tt_first_signal_ms": entity.first_signal_ms,
            "success": succeeded,
            "error_code": entity.error_code,
            "state": entity.state,
            "created_at_unix_nano": entity.created,
            "kind": fields.job_type or fields.plan_type,
            "agent": fields.agent,
            "service": fields.service,
            "model": fields.model,
            "tags": dict(fields.tags),
        },
        f"{entity.type} metrics",
    )


# ── inference ────────────────────────────────────────────────────────────────────────────────


def infer_through(state: State, entity: Entity, transition: str, time: int) -> None:
    """Take the steps up to and including `transition` that nobody reported."""
    if transition == "start" and not (entity.state or entity.waiting or entity.children):
        _begin_at_once(state, entity, time)
        return
    for step in MISSING_STEPS[entity.state, transition]:
        _infer_step(state, entity, step, time)
    _infer_step(state, entity, transition, time)


def _infer_step(state: State, entity: Entity, step: str, time: int, gap: bool = False) -> None:
    """One inferred step; a report of it that waits makes it a reported one, if it is legal."""
    for place, waiting in enumerate(entity.waiting):
        if waiting[0] == step and _may_start(state, entity, waiting):
            del entity.waiting[place]
            entity.seen.append((step, waiting[1]))
            move(state, entity, step, waiting[1], reason=waiting[3], error_code=waiting[4])
            return
    move(state, entity, step, time, inferred=True, gap=gap)


def span_started(state: State, entity: Entity, start: int) -> None:
    """The entity's own span says when it started; what led there is inferred."""
    if entity.state in (NONE, "pending", "queued"):
        infer_through(state, entity, "start", start)
    elif entity.inferred & TRANSITION_BIT["start"] and not entity.reported & 4:
        if entity.state in TERMINAL and (entity.inferred >> _TOLD or start > entity.ended):
            return  # Its own span has spoken already: a stray one does not rewrite the past.
        entity.started = start
        if entity.inferred & 1:
            entity.created = min(entity.created, start)


def span_ended(
    state: State,
    entity: Entity,
    start: int,
    end: int,
    outcome: str,
    reason: str | None,
    error_code: str | None,
) -> None:
    """The entity's own span ended with `outcome`."""
    if entity.state not in TERMINAL:
        if entity.state != RUNNING or entity.started != start or entity.created > start:
            span_started(state, entity, start)
        if entity.waiting:
            _settle_waiting(state, entity)
    if entity.state in TERMINAL:
        _outcome_after_end(state, entity, start, end, outcome)
        return
    entity.inferred |= _told(outcome)
    timeout_ms = entity_limits.timeout_ms(state, entity)
    if timeout_ms is not None and end - start > timeout_ms * MS:
        budgets.timed_out(state, entity, (end - start) // MS, entity.started + timeout_ms * MS)
        if outcome == SUCCEEDED:
            outcome, error_code = "timeout", "NR-E001"
    if outcome == "timeout" and error_code is None:
        error_code = "NR-E001"
    move(
        state,
        entity,
        OUTCOME_TRANSITION[outcome],
        end,
        inferred=True,
        reason=reason,
        error_code=error_code,
    )


def _told(outcome: str) -> int:
    """The bit of `Entity.inferred` by which a span's outcome is known again."""
    return _TOLD_BITS[outcome]


def _outcome_after_end(state: State, entity: Entity, start: int, end: int, outcome: str) -> None:
    if entity.state == outcome or entity.inferred & _told(outcome):
        return
    entity.inferred |= _told(outcome)
    state.count("late_outcomes")
    state.emit(
        "late_outcome",
        entity.ids,
        end,
        {
            "entity_type": entity.type,
            "entity_id": entity.id,
            "state": entity.state,
            "outcome": outcome,
            "duration_ms": max(end - start, 0) // MS,
        },
        f"{entity.type} reported {outcome} after it was {entity.state}",
    )


def _settle_waiting(state: State, entity: Entity) -> None:
    """Apply what waited and is possible now."""
    progress = True
    while progress and entity.waiting:
        progress = False
        for place, (name, time, _, reason, error_code) in enumerate(entity.waiting):
            confirms = _confirms(entity, name)
            if not confirms and (entity.state, name) not in TRANSITIONS:
                continue
            if (place and _comes_last(entity, name)) or not _may_start(
                state, entity, entity.waiting[place]
            ):
                continue
            del entity.waiting[place]
            if confirms:
                _confirm(entity, name, time)
            else:
                entity.seen.append((name, time))
                move(state, entity, name, time, reason=reason, error_code=error_code)
            progress = True
            break


def _confirms(entity: Entity, name: str) -> bool:
    """Whether a report of `name` would only confirm what was inferred."""
    bit = TRANSITION_BIT[name]
    return bool(entity.inferred & bit) and not entity.reported & bit


def _comes_last(entity: Entity, name: str) -> bool:
    """Whether `name` has to let reports pass that wait and happened before it.

    Without a cancellation every step has one predecessor; a cancellation fits after several.
    """
    return name == "cancel" and entity.state != RUNNING


def retry_waiting(state: State, entity: Entity) -> None:
    """Something that a waiting transition depends on has happened."""
    if entity.waiting:
        state.touch(entity)
        _settle_waiting(state, entity)


# ── reports ──────────────────────────────────────────────────────────────────────────────────


def report(state: State, entity: Entity, seen: TransitionReported) -> None:
    """Judge one reported transition of `entity`."""
    name, time = seen.transition, seen.time_unix_nano
    if (name, time) in entity.seen:
        state.count("duplicate_transitions")
        return
    if not _names_listed_pair(seen):
        reject(state, entity, seen, "the report names a pair that the table does not list")
        return
    confirms = _confirms(entity, name)
    if not confirms:
        if entity.state in TERMINAL:
            _report_after_end(state, entity, seen)
            return
        if (entity.state, name) not in TRANSITIONS:
            if seen.source != "rest" and (entity.state, name) in MISSING_STEPS:
                _wait(state, entity, seen)
            else:
                reason = f"{name} is not possible from {entity.state or 'no state'}"
                reject(state, entity, seen, reason)
            return
        if (
            entity.waiting
            and entity.waiting[0][1] < time
            and seen.source != "rest"
            and _comes_last(entity, name)
        ):
            _wait(state, entity, seen)
            return
    if name == "start":
        refused = _start_refused(state, entity, time)
        if refused:
            if refused[1] and seen.source != "rest":
                _wait(state, entity, seen)
            else:
                reject(state, entity, seen, refused[0])
            return
    if confirms:
        _confirm(entity, name, time)
    else:
        entity.seen.append((name, time))
        del entity.seen[:-SEEN_MAX]
        move(state, entity, name, time, reason=seen.reason, error_code=seen.error_code)
    _settle_waiting(state, entity)


def _names_listed_pair(seen: TransitionReported) -> bool:
    """Whether the pair the report itself names, if it does, is in the table."""
    if seen.transition not in TRANSITION_BIT:
        return False
    if seen.from_state is not None:
        to_state = TRANSITIONS.get((seen.from_state, seen.transition))
        return to_state is not None and seen.to_state in (None, to_state)
    if seen.to_state is not None:
        return any(
            name == seen.transition and to_state == seen.to_state
            for (_, name), to_state in TRANSITIONS.items()
        )
    return True


def _confirm(entity: Entity, name: str, time: int) -> None:
    """A report of a step that was inferred: it confirms it, and its time is the better one."""
    entity.reported |= TRANSITION_BIT[name]
    entity.seen.append((name, time))
    del entity.seen[:-SEEN_MAX]
    if name == "start":
        entity.started = time
    elif name == "create":
        entity.created = time


def _report_after_end(state: State, entity: Entity, seen: TransitionReported) -> None:
    late_at_most = entity.ended + state.times.clock_skew_ms * MS
    if seen.source == "rest" or seen.time_unix_nano > late_at_most:
        reject(state, entity, seen, f"the {entity.type} is {entity.state} for ever")
        return
    entity.seen.append((seen.transition, seen.time_unix_nano))
    del entity.seen[:-SEEN_MAX]
    state.count("late_inputs")
    state.emit(
        "late_input",
        entity.ids,
        seen.time_unix_nano,
        {
            "entity_type": entity.type,
            "entity_id": entity.id,
            "state": entity.state,
            "transition": seen.transition,
        },
        f"{seen.transition} of a {entity.type} that is {entity.state} came late",
    )


def _start_refused(state: State, entity: Entity, time: int) -> tuple[str, bool] | None:
    """Why the entity may not start at `time`, and whether waiting could help; None if it may."""
    skew = state.times.clock_skew_ms * MS
    if entity.level > MISSION:
        parent_id = entity.ids[entity.level - 1]
        parent = state.entity(parent_id) if parent_id else None
        if parent is not None and parent.terminal and time > parent.ended + skew:
            return f"its {parent.type} {parent.id} was already {parent.state}", False
    for dependency_id in entity.fields.dependencies if entity.fields is not None else ():
        dependency = state.entity(dependency_id)
        if dependency is None or not dependency.terminal:
            if dependency is not None and entity.key not in dependency.dependents:
                dependency.dependents.append(entity.key)
                state.touch(dependency)
            return f"its dependency {dependency_id} had not succeeded", True
        if dependency.state != SUCCEEDED:
            return f"its dependency {dependency_id} is {dependency.state}", False
        if dependency.ended > time + skew:
            return f"its dependency {dependency_id} succeeded only later", False
    return None


def _may_start(state: State, entity: Entity, waiting: tuple[str, int, int, Any, Any]) -> bool:
    return waiting[0] != "start" or _start_refused(state, entity, waiting[1]) is None


def _wait(state: State, entity: Entity, seen: TransitionReported) -> None:
    report_time = (seen.transition, seen.time_unix_nano)
    if any((name, time) == report_time for name, time, *_ in entity.waiting):
        state.count("duplicate_transitions")
        return
    if len(entity.waiting) >= state.config.waiting_max:
        state.count("waiting_overflow")
        reject(state, entity, seen, "too many transitions wait for their predecessors")
        return
    entity.waiting.append(
        (seen.transition, seen.time_unix_nano, state.now, seen.reason, seen.error_code)
    )
    entity.waiting.sort(key=lambda item: item[1])


def waiting_expired(state: State, entity: Entity, now: int) -> None:
    """The lateness of waiting transitions is over: infer the gap, or reject."""
    lateness = state.times.lateness_ms * MS
    expired = [
        item for item in entity.waiting if item[2] + lateness + state.shift_since(item[2]) <= now
    ]
    for item in expired:
        if item not in entity.waiting:
            continue
        entity.waiting.remove(item)
        _judge_expired(state, entity, item)
        _settle_waiting(state, entity)


def _judge_expired(
    state: State, entity: Entity, item: tuple[str, int, int, str | None, str | None]
) -> None:
    name, time, _, reason, error_code = item
    seen = TransitionReported(
        entity.level, entity.ids, name, time, "log", reason=reason, error_code=error_code
    )
    confirms = _confirms(entity, name)
    if entity.state in TERMINAL and not confirms:
        _report_after_end(state, entity, seen)
        return
    steps = MISSING_STEPS.get((entity.state, name))
    if steps is None and not confirms:
        reject(state, entity, seen, f"{name} is not possible from {entity.state}")
        return
    refused = _start_refused(state, entity, time) if name == "start" else None
    if refused:
        reject(state, entity, seen, refused[0])
        return
    if confirms:
        _confirm(entity, name, time)
        return
    if steps:
        state.count("gaps")
        state.emit(
            "gap_inferred",
            entity.ids,
            time,
            {
                "entity_type": entity.type,
                "entity_id": entity.id,
                "transition": name,
                "steps": list(steps),
            },
            f"{', '.join(steps)} of a {entity.type} never came",
        )
        for step in steps:
            _infer_step(state, entity, step, time, gap=True)
    entity.seen.append((name, time))
    move(state, entity, name, time, reason=reason, error_code=error_code)


def reject(state: State, entity: Entity, seen: TransitionReported, reason: str) -> None:
    """An illegal transition: a violation with code NR-E301; the state stays as it is."""
    entity.seen.append((seen.transition, seen.time_unix_nano))
    del entity.seen[:-SEEN_MAX]
    state.count("violations")
    state.emit(
        "transition_rejected",
        entity.ids,
        seen.time_unix_nano,
        {
            "entity_type": entity.type,
            "entity_id": entity.id,
            "current_state": entity.state or None,
            "transition": seen.transition,
            "from_state": seen.from_state,
            "to_state": seen.to_state,
            "allowed_transitions": list(allowed_transitions(entity.state)),
            "code": ILLEGAL,
            "category": category(ILLEGAL),
            "reason": reason,
        },
        f"illegal {seen.transition} of a {entity.type}: {reason}",
        ERROR,
    )
    observe.violated(state, entity, "transition")


def implied_running(state: State, entity: Entity, time: int) -> None:
    """Something below the entity ran, so it runs itself."""
    if entity.state not in SETTLED:
        infer_through(state, entity, "start", time)
