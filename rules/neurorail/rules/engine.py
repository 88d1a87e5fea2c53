"""The engine: one record's observations in, events out.

`Engine.apply` is a function of the engine's state and the record alone. It is total in this sense:
an observation that makes it raise leaves the state unusable, the caller goes back to the last flush
and applies again with that observation named in `failed`, and it becomes a `record_failed` event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from struct import Struct
from typing import Any, Final

from neurorail.rules import (
    budget_change,
    chain,
    erasure,
    metering,
    noted,
    once,
    placement,
    transitions,
)
from neurorail.rules.config import MS, EngineConfig
from neurorail.rules.entity import DERIVED, Entity, entity_key
from neurorail.rules.events import CRITICAL, ERROR, INFO, SEVERITIES, WARNING, Event
from neurorail.rules.governor import settlement
from neurorail.rules.governor.decide import decide
from neurorail.rules.kinds import KINDS
from neurorail.rules.lifecycle import outcome_of
from neurorail.rules.manifest import changes
from neurorail.rules.observations import (
    ATTEMPT,
    JOB,
    MISSION,
    NO_IDS,
    PLAN,
    RESOURCE,
    AuditLogged,
    BudgetChanged,
    ConfirmationAnswered,
    DeadLettered,
    DecideRequested,
    EpochStarted,
    ErasureOrdered,
    Fields,
    Heartbeat,
    Ids,
    ManifestDrafted,
    ManifestMoved,
    Noted,
    Observation,
    OperatorActed,
    PricesLoaded,
    Rejected,
    ReservationReported,
    Resumed,
    SpanLinks,
    SpanObserved,
    Tick,
    TransitionReported,
    UsageReported,
)
from neurorail.rules.pricing import PriceTable
from neurorail.rules.reflex import operator
from neurorail.rules.state import Load, State
from neurorail.rules.trace import LINKS_MAX, WAITING_MAX, Trace

DUE_PER_TICK_MAX: Final = 1_000
"""Timers one tick fires at most; the rest is due at once in the next."""


class ApplyError(Exception):
    """An observation could not be applied; the state must be restored.

    Attributes:
        index: the observation's place in its record.
        cause: what was raised, in one line.
    """

    def __init__(self, index: int, cause: str) -> None:
        super().__init__(f"observation {index} could not be applied: {cause}")
        self.index = index
        self.cause = cause


class Engine:
    """Chain, lifecycle, metering and entity budgets over a stream of records."""

    def __init__(self, config: EngineConfig, load: Load = lambda key: None) -> None:
        self.state = State(config, load, KINDS)
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            SpanLinks: self._on_links,
            SpanObserved: self._on_span,
            TransitionReported: self._on_transition,
            Heartbeat: self._on_heartbeat,
            UsageReported: self._on_usage,
            AuditLogged: self._on_audit,
            OperatorActed: partial(operator.acted, self.state),
            ConfirmationAnswered: partial(operator.answered, self.state),
            BudgetChanged: partial(budget_change.change, self.state),
            Tick: self._on_tick,
            Resumed: self._on_resumed,
            PricesLoaded: self._on_prices,
            EpochStarted: self._on_epoch,
            Rejected: self._on_rejected,
            ManifestDrafted: partial(changes.drafted, self.state),
            ManifestMoved: partial(changes.moved, self.state),
            DeadLettered: self._on_dead_letter,
            Noted: self._on_noted,
            ErasureOrdered: partial(erasure.erase, self.state),
            DecideRequested: partial(decide, self.state),
            ReservationReported: partial(settlement.reported, self.state),
        }

    # ── the caller's side ────────────────────────────────────────────────────────────────────

    def wanted(self, tenant: str, observations: Iterable[Observation]) -> list[str]:
        """Keys that the observations name and memory does not hold, to be read ahead."""
        state = self.state
        keys: dict[str, None] = {}
        for seen in observations:
            if type(seen) is SpanLinks:
                links = seen.links
                traces = {links[at : at + 16] for at in range(0, len(links), 32)}
                for trace_id in sorted(traces):
                    keys[f"{tenant}|{trace_id.hex()}"] = None
                continue
            ids = getattr(seen, "ids", None)
            if ids is None:
                continue
            for entity_id in ids:
                if entity_id is not None:
                    keys[entity_key(tenant, entity_id)] = None
            trace_id = getattr(seen, "trace_id", b"")
            if trace_id:
                keys[f"{tenant}|{trace_id.hex()}"] = None
                if ids[RESOURCE] is None:
                    keys[f"{tenant}|r_{seen.span_id.hex()}"] = None  # type: ignore[union-attr]
        entities, live = state.entities, state.traces
        return [key for key in keys if key not in entities and key not in live]

    def supply(self, key: str, row: list[Any] | None) -> None:
        """The row of a wanted key, or None if the state store has none."""
        state = self.state
        if row is None:
            state.absent.add(key)
        elif key.rpartition("|")[2][1:2] == "_":
            if key not in state.entities:
                state.adopt_entity(key, row)
        elif key not in state.cold_traces:
            state.read_ahead[key] = row

    def apply(
        self,
        received_unix_nano: int,
        tenant: str,
        observations: Sequence[Observation],
        failed: dict[int, str] | None = None,
    ) -> list[Event]:
        """Apply one record and return its events.

        Args:
            received_unix_nano: when the record was received; the only time there is.
            tenant: whose record it is.
            observations: what it says, in order.
            failed: observations known to raise, with the reason; they become `record_failed`.

        Raises:
            ApplyError: an observation raised; the state must be restored before going on.
        """
        state = self.state
        state.begin(received_unix_nano, tenant)
        handlers = self._handlers
        for index, seen in enumerate(observations):
            if failed and index in failed:
                self._record_failed(seen, index, failed[index])
                continue
            try:
                handlers[type(seen)](seen)
            except MemoryError:
                raise
            except Exception as error:
                raise ApplyError(index, f"{type(error).__name__}: {error}") from error
        self._bound_traces()
        return state.end()

    def next_deadline(self) -> int | None:
        """The earliest record time at which a tick would have something to do."""
        return self.state.next_deadline()

    # ── spans ────────────────────────────────────────────────────────────────────────────────

    def _on_links(self, seen: SpanLinks) -> None:
        state = self.state
        for trace_id, span_id, parent in _LINK.iter_unpack(seen.links):
            trace = state.trace(trace_id)
            self._link(trace, span_id, b"" if parent == _NO_SPAN else parent)
            if span_id in trace.open:
                self._way_up_found(trace, span_id)

    def _link(self, trace: Trace, span_id: bytes, parent: bytes) -> None:
        links = trace.links
        if span_id in links:
            return
        if len(links) >= LINKS_MAX:
            self.state.count("links_dropped")
            return
        links[span_id] = parent
        if span_id in trace.unlinked:
            metering.link_found(self.state, trace, span_id)

    def _on_span(self, seen: SpanObserved) -> None:
        state = self.state
        state.history = seen.history  # Of the whole record: what follows in it is its events.
        trace = state.trace(seen.trace_id)
        self._link(trace, seen.span_id, seen.parent_span_id)
        level = chain.own_level(seen)
        if level is None:
            self._span_below(trace, seen)
        else:
            ids = chain.complete(state, trace, seen.span_id, seen.ids, level)
            if seen.entity is None:
                if not chain.is_complete(ids, level):
                    end = trace.way_up_ends(seen.span_id)
                    if end is not None and self._waits(trace, seen, end):
                        return
                ids = chain.derive(seen, ids, level, seen.trace_id.hex())
            self._place(trace, seen, level, ids)
        if seen.span_id in trace.open:
            self._way_up_found(trace, seen.span_id)
        if seen.role == chain.ROOT_ROLE:
            self._root_ended(trace, seen)

    def _root_ended(self, trace: Trace, seen: SpanObserved) -> None:
        """The root of a trace ended: the mission that was derived from it ends with it."""
        start, end = seen.start_unix_nano, seen.end_unix_nano
        trace.root = [start, end, _outcome(seen), seen.reason, seen.error_code]
        mission = self.state.entity(f"m_{seen.trace_id.hex()}")
        if mission is not None and mission.flags & DERIVED:
            self._end_with_root(trace, mission)

    def _end_with_root(self, trace: Trace, mission: Entity) -> None:
        assert trace.root is not None, "the root is known"
        self.state.touch(mission)
        transitions.span_ended(self.state, mission, *trace.root)
        placement.arm(self.state, mission)

    def _span_below(self, trace: Trace, seen: SpanObserved) -> None:
        """A span that is nobody's own: its ids place it, and it may be a call."""
        state = self.state
        ids = seen.ids
        if ids == NO_IDS:
            return
        deepest = next(level for level in _FROM_BELOW if ids[level] is not None)
        ids = chain.complete(state, trace, seen.span_id, ids, deepest)
        trace.chains[seen.span_id] = ids
        placement.imply_ancestors(
            state, ids, deepest + 1, seen.start_unix_nano, running=True, fields=seen.fields
        )
        if not chain.is_complete(ids, deepest):
            self._unplaced(trace, seen.span_id, ids, placement.obtain(state, ids, deepest))
        metering.bill_span(state, trace, seen, ids)

    def _unplaced(self, trace: Trace, span_id: bytes, ids: Ids, entity: Entity) -> None:
        """Nobody named all that is above an entity: an ancestor's span may still do so."""
        placement.note_unplaced(self.state, entity)
        placement.arm(self.state, entity)
        self._note_open(trace, span_id, ids)

    def _waits(self, trace: Trace, seen: SpanObserved, end: bytes) -> bool:
        """Let a span wait for what lies above `end`; whether it may."""
        state = self.state
        key = seen.span_id + b"p" if seen.pending else seen.span_id
        if key in trace.waiting:
            state.count("duplicate_spans")
            return True
        if len(trace.waiting) >= WAITING_MAX:
            state.count("waiting_overflow")
            return False
        due = state.now + state.times.lateness_ms * MS
        trace.waiting[key] = [due, chain.span_row(seen)]
        trace.open.setdefault(end, []).append(key)
        state.schedule(trace.key, due)
        return True

    def _place(self, trace: Trace, seen: SpanObserved, level: int, ids: Ids) -> None:
        """Give a span its entity, that entity its ancestors, and the call its bill."""
        state = self.state
        if ids[level] is None:
            own = chain.own_id(seen, level, seen.trace_id.hex())
            ids = (*ids[:level], own, *ids[level + 1 :])
        start, end = seen.start_unix_nano, seen.end_unix_nano
        trace.chains[seen.span_id] = (
            ids if level != RESOURCE else placement.chain_down_to(ids, ATTEMPT)
        )
        placement.imply_ancestors(state, ids, level, start, running=True, fields=seen.fields)
        entity = placement.obtain(state, ids, level)
        placement.learn_fields(state, entity, seen.fields, end or start)
        if level == RESOURCE and seen.role in chain.RESOURCE_TYPE:
            placement.learn_resource_type(state, entity, chain.RESOURCE_TYPE[seen.role])
        transitions.span_started(state, entity, start)
        outcome = _outcome(seen)
        own_attempt = level == JOB and ids[ATTEMPT] is not None
        if own_attempt:
            self._span_of_derived(ids, ATTEMPT, seen, None)
        if seen.span_id in trace.open:
            self._way_up_found(trace, seen.span_id)  # What lies below counts before this ends.
        if not seen.pending:
            if seen.first_signal_ms is not None:
                placement.first_signal(state, entity, seen.first_signal_ms)
            if level == RESOURCE or seen.role:
                metering.bill_span(state, trace, seen, ids)
            if level == ATTEMPT:
                placement.first_signal(state, entity)
            if own_attempt:
                self._span_of_derived(ids, ATTEMPT, seen, outcome)
            transitions.span_ended(state, entity, start, end, outcome, seen.reason, seen.error_code)
        placement.arm(state, entity)
        if not chain.is_complete(ids, level):
            self._unplaced(trace, seen.span_id, ids, entity)
        self._end_derived(trace, seen, level, ids, outcome)

    def _end_derived(
        self, trace: Trace, seen: SpanObserved, level: int, ids: Ids, outcome: str
    ) -> None:
        """Entities derived from this span begin and end with it."""
        named = seen.ids
        if None not in named[:RESOURCE]:
            return
        state = self.state
        derived_mission = named[MISSION] is None and ids[MISSION] == f"m_{seen.trace_id.hex()}"
        if not derived_mission and level not in (RESOURCE, JOB):
            return
        span_hex = seen.span_id.hex()
        for at in (ATTEMPT, JOB, PLAN):
            entity_id = ids[at]
            if entity_id is None or entity_id[2:] != span_hex or named[at] is not None:
                continue
            if at == level or (at == ATTEMPT and level == JOB):
                placement.mark_derived(placement.obtain(state, ids, at))
            else:
                self._span_of_derived(ids, at, seen, outcome)
            if level == RESOURCE:
                self._note_open(trace, seen.span_id, ids)
        if derived_mission:
            placement.mark_derived(placement.obtain(state, ids, MISSION))
            if level == JOB:
                self._note_open(trace, seen.span_id, ids)
            if not seen.parent_span_id:
                self._span_of_derived(ids, MISSION, seen, outcome)
            elif trace.root is not None:
                self._end_with_root(trace, placement.obtain(state, ids, MISSION))

    def _note_open(self, trace: Trace, span_id: bytes, ids: Ids) -> None:
        """Remember a derived or incomplete chain while an ancestor may still arrive."""
        end = trace.way_up_ends(span_id)
        if end is not None and span_id not in trace.derived:
            trace.derived[span_id] = ids
            trace.open.setdefault(end, []).append(span_id)

    def _span_of_derived(self, ids: Ids, at: int, seen: SpanObserved, outcome: str | None) -> None:
        """A derived entity starts with the span, and ends with it if there is an outcome."""
        state = self.state
        entity = placement.obtain(state, ids, at)
        placement.mark_derived(entity)
        start = seen.start_unix_nano
        transitions.span_started(state, entity, start)
        if outcome is not None and not seen.pending:
            transitions.span_ended(
                state,
                entity,
                start,
                seen.end_unix_nano,
                outcome,
                seen.reason,
                seen.error_code,
            )
        placement.arm(state, entity)

    def _way_up_found(self, trace: Trace, span_id: bytes) -> None:
        """A span became known at which the way up from others had ended."""
        state = self.state
        for key in trace.open.pop(span_id, ()):
            item = trace.waiting.get(key)
            if item is not None:
                self._place_waiting(trace, key, item)
                continue
            ids = trace.derived.get(key)
            if ids is None:
                continue
            found = trace.nearest_chain(key)
            if found is not None and found[MISSION] is not None:
                ids = self._rehome(trace, key, ids, found)
            end = trace.way_up_ends(key)
            if end is None or (found is not None and None not in ids):
                trace.derived.pop(key)
            elif end != span_id:
                trace.open.setdefault(end, []).append(key)
        state.dirty_traces[trace.key] = trace

    def _place_waiting(self, trace: Trace, key: bytes, item: list[Any]) -> None:
        """Place a waiting span if its chain is known now, else let it wait further up."""
        seen = chain.span_from_row(item[1])
        level = chain.own_level(seen)
        assert level is not None
        ids = chain.complete(self.state, trace, seen.span_id, seen.ids, level)
        if not chain.is_complete(ids, level):
            end = trace.way_up_ends(seen.span_id)
            if end is not None:
                trace.open.setdefault(end, []).append(key)
                return
        ids = chain.derive(seen, ids, level, seen.trace_id.hex())
        del trace.waiting[key]
        self._place_late(trace, seen, level, ids)

    def _place_late(self, trace: Trace, seen: SpanObserved, level: int, ids: Ids) -> None:
        """Place a span that waited, as the record that brought it said it."""
        state = self.state
        before = state.history
        if before == seen.history:
            self._place(trace, seen, level, ids)
            return
        state.implied.clear()  # What one of them implies says nothing for the other.
        state.history = seen.history
        self._place(trace, seen, level, ids)
        state.history = before
        state.implied.clear()

    def _rehome(self, trace: Trace, span_id: bytes, ids: Ids, found: Ids) -> Ids:
        """A span has an ancestor with a chain after all: it and what is below it belong there."""
        state = self.state
        level = max(at for at, entity_id in enumerate(ids) if entity_id is not None)
        if chain.is_complete(ids, level):  # Derived: what the ancestor does not name stays.
            own_level = JOB if ids[RESOURCE] is None else RESOURCE
            level = next((at for at in range(own_level) if found[at] is None), own_level)
            above: tuple[str | None, ...] = found[:level]
        else:
            above = chain.complete(state, trace, span_id, ids, level)[:level]
        target: Ids = above + ids[level:]
        if target == ids:
            return ids
        trace.derived[span_id] = target
        placement.imply_ancestors(state, target, level, state.now, running=False, fields=None)
        moved = placement.obtain(state, target, level)
        if moved.ids[:level] != above:
            placement.move_under(state, moved, target)
        if level < RESOURCE:
            trace.chains[span_id] = target
        own = ids[level]
        for billed, bill in trace.bills.items():
            if bill.ids[level] == own:
                to_ids: Ids = above + bill.ids[level:]
                metering.move_bill(state, trace, billed, to_ids, state.now, "its ancestor arrived")
        return target

    def _bound_traces(self) -> None:
        state = self.state
        while len(state.traces) > state.config.traces_in_memory:
            key = next(iter(state.traces))
            self._trace_due(state.traces[key], None)
            state.forget_trace(key)
            state.schedule(key, 0)

    def _trace_due(self, trace: Trace, at: int | None) -> None:
        """Spans that waited long enough for an ancestor get a chain of their own."""
        state = self.state
        state.of_tenant(trace.key.rpartition("|")[0])
        state.implied.clear()  # It knows no tenants.
        while trace.waiting:
            key, (due, row) = next(iter(trace.waiting.items()))
            if at is not None and self._moved_by_downtime(due) > at:
                break
            del trace.waiting[key]
            seen = chain.span_from_row(row)
            level = chain.own_level(seen)
            assert level is not None
            ids = chain.complete(state, trace, seen.span_id, seen.ids, level)
            ids = chain.derive(seen, ids, level, seen.trace_id.hex())
            self._place_late(trace, seen, level, ids)
        state.dirty_traces[trace.key] = trace
        if trace.waiting:
            due = next(iter(trace.waiting.values()))[0]
            state.schedule(trace.key, self._moved_by_downtime(due))

    def _moved_by_downtime(self, due: int) -> int:
        began = due - self.state.times.lateness_ms * MS
        return due + self.state.shift_since(began)

    # ── reports ──────────────────────────────────────────────────────────────────────────────

    def _on_transition(self, seen: TransitionReported) -> None:
        state = self.state
        entity_id = seen.ids[seen.level]
        if entity_id is None:
            state.count("reports_without_id")
            return
        if seen.once is not None and once.is_repeated(state, seen.once, entity_id):
            return
        trace = state.trace(seen.trace_id) if seen.trace_id else None
        ids = chain.complete(state, trace, seen.span_id, seen.ids, seen.level)
        if trace is not None and seen.span_id:
            trace.chains.setdefault(seen.span_id, ids)
        running = seen.transition not in ("create", "enqueue")
        time = seen.time_unix_nano
        if seen.source != "rest" or (running and placement.parent_known(state, ids, seen.level)):
            placement.imply_ancestors(
                state, ids, seen.level, time, running=running, fields=seen.fields
            )
        entity = placement.obtain(state, ids, seen.level)
        placement.learn_fields(state, entity, seen.fields, time)
        if seen.metadata_json:
            said = Fields(metadata_json=seen.metadata_json)
            placement.learn_fields(state, entity, said, time)
        transitions.report(state, entity, seen)
        placement.note_unplaced(state, entity)
        if seen.source == "rest":
            placement.await_parent(state, entity)
        placement.arm(state, entity)

    def _on_heartbeat(self, seen: Heartbeat) -> None:
        state = self.state
        if seen.ids[seen.level] is None:
            state.count("reports_without_id")
            return
        ids = chain.complete(state, None, b"", seen.ids, seen.level)
        placement.imply_ancestors(
            state, ids, seen.level, seen.time_unix_nano, running=True, fields=None
        )
        entity = placement.obtain(state, ids, seen.level)
        entity.heartbeat_received = state.now
        transitions.implied_running(state, entity, seen.time_unix_nano)
        placement.note_unplaced(state, entity)
        placement.arm(state, entity)

    def _on_usage(self, seen: UsageReported) -> None:
        state = self.state
        entity_id = seen.ids[seen.level]
        if entity_id is None:
            state.count("reports_without_id")
            return
        if seen.once is not None and once.is_repeated(state, seen.once, entity_id):
            return
        ids = chain.complete(state, None, b"", seen.ids, seen.level)
        placement.imply_ancestors(
            state, ids, seen.level + 1, seen.time_unix_nano, running=False, fields=None
        )
        metering.usage_reported(state, seen, ids)

    def _on_audit(self, seen: AuditLogged) -> None:
        if seen.once is not None and once.is_repeated(self.state, seen.once, None):
            return
        self.state.emit(
            "audit_logged",
            seen.ids,
            seen.time_unix_nano,
            {
                # In the details and not in the head, so that it can be erased.
                "message": seen.message,
                "logged_type": seen.event_type,
                "logged_category": seen.event_category,
                "logged_severity": seen.severity,
                "details": seen.details_json,
                "caused_by_agent": seen.caused_by_agent,
                "caused_by_event": seen.caused_by_event,
            },
            "an entry was written",
            seen.severity if seen.severity in SEVERITIES else INFO,
        )

    # ── time and the server's own records ────────────────────────────────────────────────────

    def _on_tick(self, seen: Tick) -> None:
        state = self.state
        for _number in range(DUE_PER_TICK_MAX):
            due = state.pop_due(state.now)
            if due is None:
                return
            at, key = due
            if key[0] == "|":
                state.kept.fire(state, key, at)
                continue
            tenant, _, name = key.rpartition("|")
            state.of_tenant(tenant)
            if name[1:2] == "_":
                placement.fire(state, state.existing(name), at)
            else:
                self._trace_due(state.traces[key], at)

    def _on_resumed(self, seen: Resumed) -> None:
        state = self.state
        grace_ns = state.times.resume_grace_ms * MS
        state.note_resumption(seen.down_ns + grace_ns)
        state.emit(
            "resumed",
            NO_IDS,
            state.now,
            {
                "down_ms": seen.down_ns // MS,
                "grace_ms": state.times.resume_grace_ms,
                "timers_moved": len(state.scheduled),
            },
            f"the server resumed after {seen.down_ns // MS} ms",
            WARNING,
        )

    def _on_prices(self, seen: PricesLoaded) -> None:
        state = self.state
        state.prices = PriceTable.from_json(seen.table_json)
        state.prices_json = seen.table_json
        state.prices_version = seen.version
        state.emit(
            "prices_loaded",
            NO_IDS,
            state.now,
            {"version": seen.version, "sha256": seen.sha256, "models": state.prices.models},
            f"prices of {seen.version} took effect",
        )

    def _on_epoch(self, seen: EpochStarted) -> None:
        state = self.state
        state.epoch = seen.epoch
        state.node = seen.node
        state.emit(
            "engine_epoch",
            NO_IDS,
            state.now,
            {
                "epoch": seen.epoch,
                "engine_version": seen.engine_version,
                "config": seen.config_json,
            },
            f"epoch {seen.epoch} of engine {seen.engine_version} began",
        )

    def _on_rejected(self, seen: Rejected) -> None:
        self.state.emit(
            "items_rejected",
            NO_IDS,
            self.state.now,
            {"signal": seen.signal, "reasons": dict(seen.reasons)},
            f"malformed {seen.signal} were refused",
            WARNING,
        )

    def _on_noted(self, seen: Noted) -> None:
        noted.note(self.state, seen)

    def _on_dead_letter(self, seen: DeadLettered) -> None:
        self.state.emit(
            "dead_letter",
            NO_IDS,
            self.state.now,
            {
                "table": seen.table,
                "first_seq": seen.first_seq,
                "last_seq": seen.last_seq,
                "error": seen.error,
            },
            f"rows of {seen.table} were put aside",
            ERROR,
        )

    def _record_failed(self, seen: Observation, index: int, cause: str) -> None:
        ids = getattr(seen, "ids", NO_IDS)
        self.state.count("records_failed")
        self.state.emit(
            "record_failed",
            ids,
            self.state.now,
            {"observation": type(seen).__name__, "error": cause, "observation_index": index},
            f"a {type(seen).__name__} could not be applied",
            CRITICAL,
        )


_FROM_BELOW = (RESOURCE, ATTEMPT, JOB, PLAN, MISSION)
_NO_SPAN = bytes(8)
_LINK = Struct("16s8s8s")


def _outcome(seen: SpanObserved) -> str:
    return outcome_of(seen.outcome, seen.error)
