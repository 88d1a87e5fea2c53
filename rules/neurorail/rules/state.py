"""The engine's state: entities and traces by key, timers, counters, and what changed since a flush.

Memory is a cache: every entity and trace also has a row in a state store that the caller keeps, and
`load` reads it back. Reading is part of the state, so that eviction never changes a decision.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from neurorail.rules.config import EngineConfig
from neurorail.rules.entity import IMPORTED, LEVEL_NAMES, Entity, entity_key, from_row, to_row
from neurorail.rules.events import INFO, Event
from neurorail.rules.kept import Kept, Kind
from neurorail.rules.lifecycle import TERMINAL
from neurorail.rules.manifest.default import shipped
from neurorail.rules.manifest.model import Manifest
from neurorail.rules.manifest.records import Entry, active_entry, shadow_entries
from neurorail.rules.manifest.settings import Times
from neurorail.rules.observations import RESOURCE, Ids, SpanObserved
from neurorail.rules.pricing import PriceTable
from neurorail.rules.trace import Trace

if TYPE_CHECKING:
    from neurorail.rules.directives import Index
    from neurorail.rules.manifest.facts import ChainFacts
    from neurorail.rules.observations import SpanObserved
    from neurorail.rules.reflex.plan import Plan

RESUMPTIONS_MAX = 64
"""Downtimes that are remembered to move deadlines by."""

RECENT_MISSIONS_MAX = 1_000
"""Missions a tenant's list of recent missions holds."""

_RESOURCE_KINDS: dict[str | None, str] = {
    name: f"resource:{name}"
    for name in (
        "llm_call", "tool_call", "embedding", "retrieval", "api_call", "cpu_time", "memory",
    )
}  # fmt: skip
"""Types of resources that are counted each for itself; what telemetry names else is `other`."""

Row = list[Any]
Load = Callable[[str], Row | None]
"""Reads the row of a key back from the state store; None when there is none."""


BeforeCharge = Callable[[SpanObserved, Ids, list[int]], bool]
"""A call, its chain and amounts → whether it is charged."""


@dataclass(slots=True)
class Changes:
    """What has to be written so that the state store equals the engine's state."""

    rows: list[tuple[str, int, int, Row]] = field(default_factory=list)
    """Key, next deadline (0 for none), touch order (0 unless it is a live trace), row."""
    removed: list[str] = field(default_factory=list)
    meta: dict[str, Any] = field(default_factory=dict)


class State:
    """Everything the engine knows. Only the engine's own modules change it."""

    def __init__(self, config: EngineConfig, load: Load, kinds: Sequence[Kind[Any]] = ()) -> None:
        self.config = config
        self.load = load
        self.entities: dict[str, Entity] = {}
        self.traces: dict[str, Trace] = {}
        self.absent: set[str] = set()
        self.read_ahead: dict[str, Row] = {}
        self._near: dict[str, Entity] = {}
        """Id → entity, of one tenant: those that were asked for, and are in memory."""
        self._near_of = ""
        self._applying = False
        """Whether a record is being applied: its tenant and manifest change only by its word."""
        self.scheduled: dict[str, int] = {}
        self.heap: list[tuple[int, str]] = []
        self.dirty_entities: dict[str, Entity] = {}
        self.dirty_traces: dict[str, Trace] = {}
        self.cold_traces: dict[str, Row] = {}
        self.touched: dict[str, int] = {}
        self.touch_count = 0
        self.kept = Kept(kinds, self.schedule, self.count)
        self.default_manifest = replace(shipped(), times=_times(config))
        """Holds where no other is active."""
        self.manifests: dict[str, Manifest] = {}
        """Tenant → its active manifest, once it was asked for."""
        self._manifest: Manifest | None = None
        """The record's tenant's, while a record is applied and until it changes."""
        self._shadows: dict[str, tuple[Entry, ...]] = {}
        self.directives: dict[str, Index] = {}
        """Tenant → its directives by scope; made anew from the kept ones after a restart."""
        self.facts_of_call: tuple[SpanObserved, list[int], ChainFacts] | None = None
        """The call that was charged last, and its facts."""
        self.reflex_plans: dict[str, Plan] = {}
        """Tenant → the reflexes of its manifest, sorted."""
        self.before_charge: BeforeCharge | None = None
        """Asked before a call is charged; a backtest lets here not happen what would not have."""
        self.quiet: frozenset[str] = frozenset()
        """Types of events that nobody listens to and that are not made; decisions are the same."""
        self.counters: dict[str, int] = {}
        self.by_state: dict[str, dict[str, dict[str, int]]] = {}
        self.recent_missions: dict[str, dict[str, None]] = {}
        self.prices: PriceTable | None = None
        self.prices_json: bytes = b""
        self.prices_version = ""
        self.resumptions: list[tuple[int, int]] = []
        self.epoch = 0
        self.node = ""
        # Of the record that is being applied:
        self.now = 0
        self.history = False
        """Whether what is being told comes out of an archive."""
        self.tenant = ""
        """Whose record it is; between records, who is looked at."""
        self.events: list[Event] = []
        self.implied: set[tuple[tuple[str | None, ...], bool]] = set()
        """Chains whose ancestors the record has implied already, and whether as running."""
        self._latest_id = b""
        self._latest: Trace | None = None
        """The trace that was asked for last."""

    def begin(self, received_unix_nano: int, tenant: str) -> None:
        """A record is about to be applied."""
        self.now = received_unix_nano
        self.history = False
        self.tenant = tenant
        self._latest = None
        self._manifest = None
        self._applying = True
        self.events = []
        self.implied.clear()

    def end(self) -> list[Event]:
        """A record was applied: its events."""
        self._manifest = None
        self._applying = False
        self.absent.clear()
        self.read_ahead.clear()
        self.count("events", len(self.events))
        return self.events

    def of_tenant(self, tenant: str) -> None:
        """What follows in the record is a tenant's."""
        if tenant != self.tenant:
            self.tenant = tenant
            self._latest = None
            self._manifest = None

    # ── what happened ────────────────────────────────────────────────────────────────────────

    def emit(
        self,
        event_type: str,
        ids: Ids,
        event_time: int,
        data: dict[str, Any],
        message: str,
        severity: str = INFO,
    ) -> None:
        """Say that something happened."""
        if event_type in self.quiet:
            return
        if self.history:
            data["imported"] = True
        self.events.append(Event(event_type, ids, event_time, data, message, severity))

    def count(self, name: str, amount: int = 1) -> None:
        """Add to a counter."""
        self.counters[name] = self.counters.get(name, 0) + amount

    # ── the manifest ─────────────────────────────────────────────────────────────────────────

    @property
    def manifest(self) -> Manifest:
        """The active manifest of the record's tenant."""
        found = self._manifest
        if found is None:
            found = self.manifest_of(self.tenant)
            if self._applying:
                self._manifest = found
        return found

    def manifest_of(self, tenant: str) -> Manifest:
        """The active manifest of a tenant."""
        found = self.manifests.get(tenant)
        if found is None:
            entry = active_entry(self, tenant)
            found = self.default_manifest if entry is None else entry.manifest
            self.manifests[tenant] = found
        return found

    @property
    def times(self) -> Times:
        """How long the active manifest waits."""
        return self.manifest.times

    @property
    def shadows(self) -> tuple[Entry, ...]:
        """The manifests that are evaluated beside the active one."""
        found = self._shadows.get(self.tenant)
        if found is None:
            found = self._shadows[self.tenant] = shadow_entries(self)
        return found

    def forget_manifests(self) -> None:
        """Look at the manifests of the record's tenant anew: one of them changed its state."""
        self.manifests.pop(self.tenant, None)
        self._manifest = None
        self._shadows.pop(self.tenant, None)

    # ── entities ─────────────────────────────────────────────────────────────────────────────

    def entity(self, entity_id: str) -> Entity | None:
        """The entity of the record's tenant with this id, from memory or the state store."""
        if self._near_of != self.tenant:
            self._near = {}
            self._near_of = self.tenant
        found = self._near.get(entity_id)
        if found is None:
            found = self.entity_by_key(entity_key(self.tenant, entity_id))
            if found is not None:
                self._near[entity_id] = found
        return found

    def entity_by_key(self, key: str) -> Entity | None:
        """The entity with this key, from memory or the state store."""
        found = self.entities.get(key)
        if found is not None or key in self.absent:
            return found
        row = self.load(key)
        if row is None:
            self.absent.add(key)
            return None
        return self.adopt_entity(key, row)

    def existing(self, entity_id: str) -> Entity:
        """The entity of the record's tenant with this id, that another one names as its own."""
        found = self.entity(entity_id)
        assert found is not None, f"{entity_id} is named and must exist"
        return found

    def adopt_entity(self, key: str, row: Row) -> Entity:
        """Put an entity that was read back into memory."""
        entity = from_row(key.rpartition("|")[0], key, row)
        self.entities[key] = entity
        return entity

    def new_entity(self, level: int, entity_id: str, ids: Ids) -> Entity:
        """A new entity of the record's tenant, still without a state."""
        key = entity_key(self.tenant, entity_id)
        entity = Entity(self.tenant, key, level, entity_id, ids)
        entity.first_received = self.now
        entity.flags = IMPORTED if self.history else 0
        self.absent.discard(key)
        self.entities[key] = entity
        self.dirty_entities[key] = entity
        self._near[entity_id] = entity  # Only what was asked for and not found is made.
        return entity

    def touch(self, entity: Entity) -> None:
        """Note that an entity changed."""
        key = entity.key
        if entity.last_received != self.now:
            entity.last_received = self.now
            self.entities[key] = self.entities.pop(key)
        self.dirty_entities[key] = entity

    def moved(self, entity: Entity, from_state: str) -> None:
        """Keep the number of entities in each state."""
        states = self.states_of(entity)
        if from_state:
            states[from_state] -= 1
        states[entity.state] = states.get(entity.state, 0) + 1

    def states_of(self, entity: Entity) -> dict[str, int]:
        """How many entities of an entity's kind are in each state."""
        kind = self.kind(entity)
        try:
            return self.by_state[entity.tenant][kind]
        except KeyError:
            return self.by_state.setdefault(entity.tenant, {}).setdefault(kind, {})

    def kind(self, entity: Entity) -> str:
        """Under which name an entity is counted: its level, resources each type for itself."""
        if entity.level != RESOURCE:
            return LEVEL_NAMES[entity.level]
        resource_type = entity.fields.resource_type if entity.fields is not None else None
        return _RESOURCE_KINDS.get(resource_type, "resource:other")

    def kind_learned(self, entity: Entity, before: str) -> None:
        """Count an entity under its kind, that used to be another."""
        kind = self.kind(entity)
        if kind == before or not entity.state:
            return
        kinds = self.by_state[entity.tenant]
        kinds[before][entity.state] -= 1
        states = kinds.setdefault(kind, {})
        states[entity.state] = states.get(entity.state, 0) + 1

    # ── traces ───────────────────────────────────────────────────────────────────────────────

    def trace(self, trace_id: bytes) -> Trace:
        """The trace with this id, made if it was never seen; it becomes the youngest."""
        if self._latest is not None and trace_id == self._latest_id:
            return self._latest
        key = f"{self.tenant}|{trace_id.hex()}"
        trace = self.traces.pop(key, None)
        if trace is None:
            row = None if key in self.absent else self._trace_row(key)
            trace = Trace(key) if row is None else Trace.from_row(key, row)
            self.absent.discard(key)
            self.cold_traces.pop(key, None)
        self.traces[key] = trace
        trace.last_received = self.now
        self.touch_count += 1
        self.touched[key] = self.touch_count
        self.dirty_traces[key] = trace
        self._latest_id, self._latest = trace_id, trace
        return trace

    def _trace_row(self, key: str) -> Row | None:
        if key in self.cold_traces:
            return self.cold_traces[key] or None
        return self.read_ahead.get(key) or self.load(key)

    def restore_trace(self, key: str, row: Row, touched: int) -> None:
        """Put a live trace back after a restart; call in touch order."""
        self.traces[key] = Trace.from_row(key, row)
        self.touched[key] = touched

    def forget_trace(self, key: str) -> Trace:
        """Take the oldest trace out of memory, keeping only its bills."""
        trace = self.traces.pop(key)
        self.touched.pop(key, None)
        self.dirty_traces.pop(key, None)
        trace.forget_links()
        self.cold_traces[key] = trace.to_row() if trace.bills else []
        self.count("traces_evicted")
        return trace

    # ── timers ───────────────────────────────────────────────────────────────────────────────

    def schedule(self, key: str, deadline: int) -> None:
        """See to it that `key` is looked at when `deadline` (record time) has come; 0 is never."""
        current = self.scheduled.get(key)
        if not deadline:
            if current is not None:
                del self.scheduled[key]
                self._compact_heap()
            return
        full = current is None and len(self.scheduled) >= self.config.timers_max
        if full and key[0] != "|":  # The number of kept objects has limits of its own.
            self.count("timers_dropped")
            return
        if current is None or deadline < current:
            self.scheduled[key] = deadline
            heapq.heappush(self.heap, (deadline, key))

    def restore_deadlines(self, deadlines: Sequence[tuple[str, int]]) -> None:
        """Put timers back into a state that has none."""
        self.scheduled = dict(deadlines)
        self.heap = [(deadline, key) for key, deadline in deadlines]
        heapq.heapify(self.heap)

    def next_deadline(self) -> int | None:
        """The earliest time at which something is due, or None."""
        heap = self.heap
        while heap and self.scheduled.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def pop_due(self, now: int) -> tuple[int, str] | None:
        """The next (deadline, key) that is due at `now`, taken off the list."""
        deadline = self.next_deadline()
        if deadline is None or deadline > now:
            return None
        _, key = heapq.heappop(self.heap)
        del self.scheduled[key]
        return deadline, key

    def _compact_heap(self) -> None:
        if len(self.heap) > 10_000 and len(self.heap) > 2 * len(self.scheduled):
            self.heap = [(deadline, key) for key, deadline in self.scheduled.items()]
            heapq.heapify(self.heap)

    def shift_since(self, base: int) -> int:
        """How far a deadline counted from `base` has moved because the server was down."""
        return sum(shift for at, shift in self.resumptions if at > base)

    def note_resumption(self, shift_ns: int) -> None:
        """Move every deadline that is open now by `shift_ns`; done when they come due."""
        self.resumptions = [*self.resumptions[-(RESUMPTIONS_MAX - 1) :], (self.now, shift_ns)]

    # ── flushing and eviction ────────────────────────────────────────────────────────────────

    @property
    def dirty(self) -> int:
        """Entities, traces and kept objects that changed since the last flush."""
        entities = len(self.dirty_entities)
        return entities + len(self.dirty_traces) + len(self.cold_traces) + self.kept.dirty

    def take_changes(self) -> Changes:
        """What changed since the last call, to be written in one transaction."""
        changes = Changes()
        scheduled = self.scheduled
        for key, entity in self.dirty_entities.items():
            changes.rows.append((key, scheduled.get(key, 0), 0, to_row(entity)))
        for key, trace in self.dirty_traces.items():
            changes.rows.append((key, scheduled.get(key, 0), self.touched[key], trace.to_row()))
        for key, row in self.cold_traces.items():
            if row:
                changes.rows.append((key, 0, 0, row))
            else:
                changes.removed.append(key)
        kept, forgotten = self.kept.take_rows()
        changes.rows += [(key, scheduled.get(key, 0), 0, row) for key, row in kept]
        changes.removed += forgotten
        self.dirty_entities = {}
        self.dirty_traces = {}
        self.cold_traces = {}
        changes.meta = self.meta()
        return changes

    def evict(self) -> int:
        """Drop the entities that were not touched for longest; call after their rows are kept."""
        surplus = len(self.entities) - self.config.entities_in_memory
        if surplus <= 0:
            return 0
        self._near.clear()
        for key in list(islice(self.entities, surplus)):
            if key not in self.dirty_entities:
                del self.entities[key]
        self.count("entities_evicted", surplus)
        return surplus

    def meta(self) -> dict[str, Any]:
        """The state that is neither an entity nor a trace, as plain values."""
        return {
            "counters": self.counters,
            "by_state": self.by_state,
            "recent_missions": {t: list(ids) for t, ids in self.recent_missions.items()},
            "touch_count": self.touch_count,
            "put_count": self.kept.put_count,
            "resumptions": self.resumptions,
            "epoch": self.epoch,
            "node": self.node,
            "prices_version": self.prices_version,
        }

    def restore_meta(self, meta: dict[str, Any], prices_json: bytes) -> None:
        """Put back what `meta` gave."""
        self.counters = dict(meta["counters"])
        self.by_state = meta["by_state"]
        self.recent_missions = {
            tenant: dict.fromkeys(ids) for tenant, ids in meta["recent_missions"].items()
        }
        self.touch_count = meta["touch_count"]
        self.kept.put_count = meta.get("put_count", 0)
        self.resumptions = [(at, shift) for at, shift in meta["resumptions"]]
        self.epoch = meta["epoch"]
        self.node = meta["node"]
        self.prices_version = meta["prices_version"]
        self.prices_json = prices_json
        if prices_json:
            self.prices = PriceTable.from_json(prices_json)


def is_open(entity: Entity) -> bool:
    """Whether the entity has begun and not ended."""
    return bool(entity.state) and entity.state not in TERMINAL


def _times(config: EngineConfig) -> Times:
    """The times of the shipped manifest as the server's configuration has them."""
    known = {one.name for one in fields(Times)} & {one.name for one in fields(EngineConfig)}
    return Times(**{name: getattr(config, name) for name in sorted(known)})
