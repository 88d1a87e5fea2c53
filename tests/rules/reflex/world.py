"""An engine under a manifest, driven record by record; restarted after each if asked."""

from __future__ import annotations

from typing import Any

import msgspec

from neurorail.rules.config import MS, EngineConfig
from neurorail.rules.engine import Engine
from neurorail.rules.events import EVENT_TYPES, Event
from neurorail.rules.manifest.model import Manifest, ReflexRule
from neurorail.rules.observations import (
    NO_IDS,
    Budget,
    ConfirmationAnswered,
    Fields,
    Ids,
    Observation,
    OperatorActed,
    Resumed,
    SpanObserved,
    Tick,
    TransitionReported,
    Usage,
)
from neurorail.rules.state import Row

BASE = 1_800_000_000_000_000_000
TENANT = "default"


def manifest(*rules: ReflexRule) -> Manifest:
    return Manifest(format=1, name="test", version="1", default_mode="direct", reflexes=rules)


def ids_of(number: int | str = 1, level: int = 3) -> Ids:
    named = [f"{prefix}_{number}" for prefix in "mpjar"]
    ids: list[str | None] = [one if at <= level else None for at, one in enumerate(named)]
    return (ids[0], ids[1], ids[2], ids[3], ids[4])


class World:
    """Time is in milliseconds after BASE."""

    def __init__(self, rules: Manifest, *, restarts: bool = False) -> None:
        self.manifest = rules
        self.restarts = restarts
        self.rows: dict[str, tuple[int, int, bytes]] = {}
        self.meta = b""
        self.now_ms = 0
        self.spans = 0
        self.events: list[Event] = []
        self.engine = self._engine()

    def _engine(self) -> Engine:
        engine = Engine(EngineConfig(), self._load)
        engine.state.manifests[TENANT] = self.manifest
        return engine

    def _load(self, key: str) -> Row | None:
        found = self.rows.get(key)
        return None if found is None else list(msgspec.msgpack.decode(found[2]))

    def _restart(self) -> None:
        changes = self.engine.state.take_changes()
        for key, deadline, touched, row in changes.rows:
            self.rows[key] = (deadline, touched, msgspec.msgpack.encode(row))
        for key in changes.removed:
            self.rows.pop(key, None)
        self.engine = self._engine()
        state = self.engine.state
        state.restore_meta(msgspec.msgpack.decode(msgspec.msgpack.encode(changes.meta)), b"")
        state.restore_deadlines([(key, row[0]) for key, row in self.rows.items() if row[0]])
        kept = []
        for key, (_, touched, packed) in self.rows.items():
            row = msgspec.msgpack.decode(packed)
            if touched:
                state.restore_trace(key, row, touched)
            if key[0] == "|":
                kept.append((key, row))
        state.kept.restore(kept)
        state.now, state.tenant = BASE + self.now_ms * MS, TENANT

    def apply(self, *seen: Observation) -> list[Event]:
        """Apply one record now; the events it became."""
        found = self._apply(BASE + self.now_ms * MS, list(seen))
        self.events += found
        return found

    def _apply(self, at: int, seen: list[Observation]) -> list[Event]:
        for one in seen:
            assert msgspec.msgpack.encode(one), "an observation is plain values"
        found = self.engine.apply(at, TENANT, seen)
        for event in found:
            assert event.type in EVENT_TYPES
            assert set(event.data) <= {*EVENT_TYPES[event.type].fields, *_BESIDES}, event
        if self.restarts:
            self._restart()
        return found

    def pass_ms(self, duration_ms: int) -> list[Event]:
        """Let time pass, with ticks when something is due; the events of these."""
        until = BASE + (self.now_ms + duration_ms) * MS
        found: list[Event] = []
        while (deadline := self.engine.next_deadline()) is not None and deadline <= until:
            found += self._apply(max(deadline, BASE + self.now_ms * MS), [Tick()])
        self.now_ms += duration_ms
        self.engine.state.now = until
        self.engine.state.tenant = TENANT
        self.events += found
        return found

    # ── what happens ─────────────────────────────────────────────────────────────────────────

    def call(
        self,
        number: int | str = 1,
        *,
        failed: bool = False,
        took_ms: int = 10,
        started_ms: int | None = None,
        **more: Any,
    ) -> list[Event]:
        """A model call of attempt `number` ended now."""
        self.spans += 1
        span_id = self.spans.to_bytes(8, "big")
        start = self.now_ms - took_ms if started_ms is None else started_ms
        fields = more.pop("fields", None) or Fields(
            provider=more.pop("provider", "openai"),
            model=more.pop("model", "gpt-5"),
            agent=more.pop("agent", None),
        )
        usage = more.pop("usage", None) or Usage(
            "inference", fields.provider, fields.model, input_tokens=10, has_tokens=True
        )
        ids = more.pop("ids", ids_of(number))
        seen = SpanObserved(
            b"t" * 8 + span_id,
            span_id,
            b"",
            BASE + start * MS,
            BASE + (start + took_ms) * MS,
            ids,
            role="inference",
            error=failed,
            fields=fields,
            usage=usage,
            **more,
        )
        return self.apply(seen)

    def nested(self, usage: Usage) -> list[Event]:
        """An outer span reports a call, then an inner one does: the outer one's is taken back."""
        found: list[Event] = []
        for span_id, parent in ((b"outer", b""), (b"inner", b"outer")):
            start = BASE + self.now_ms * MS
            found += self.apply(
                SpanObserved(
                    b"n" * 16,
                    span_id.rjust(8, b"0"),
                    parent.rjust(8, b"0") if parent else b"",
                    start,
                    start + 10 * MS,
                    ids_of(),
                    role="inference",
                    usage=usage if span_id == b"outer" else Usage("inference", "openai", "gpt-5"),
                    fields=Fields(provider="openai", model="gpt-5"),
                )
            )
        return found

    def tool(self, name: str, arguments: str | None = None, **more: Any) -> list[Event]:
        """A tool call ended now."""
        fields = Fields(tool=name)
        return self.call(fields=fields, usage=Usage("tool"), arguments=arguments, **more)

    def report(self, transition: str, ids: Ids, **more: Any) -> list[Event]:
        """A transition of the deepest entity named is reported."""
        level = max(at for at, one in enumerate(ids) if one is not None)
        return self.apply(
            TransitionReported(level, ids, transition, BASE + self.now_ms * MS, "log", **more)
        )

    def start(self, ids: Ids, budget: Budget | None = None, **fields: Any) -> list[Event]:
        """An entity begins to run."""
        stated = Fields(budget=budget, **fields)
        found: list[Event] = []
        for transition in ("create", "enqueue", "start"):
            found += self.report(transition, ids, fields=stated)
        return found

    def act(self, action: str, **more: Any) -> list[Event]:
        """An operator acts."""
        return self.apply(OperatorActed(action, more.pop("scope", {}), ids=NO_IDS, **more))

    def answer(self, confirmation_id: str, *, approved: bool, reason: str = "") -> list[Event]:
        """A person answers."""
        return self.apply(ConfirmationAnswered(confirmation_id, approved, reason))

    def down(self, duration_ms: int) -> None:
        """The server was down."""
        self.now_ms += duration_ms
        self.apply(Resumed(duration_ms * MS))

    # ── what came of it ──────────────────────────────────────────────────────────────────────

    def of(self, event_type: str) -> list[dict[str, Any]]:
        """The data of every event of a type so far."""
        return [event.data for event in self.events if event.type == event_type]


_BESIDES = frozenset({"sampled", "metadata", "cost_usd", "imported"})


def types(events: list[Event]) -> list[str]:
    """The types of events that reflexes are about, in order."""
    wanted = ("reflex", "enforcement", "governor")
    return [
        event.type
        for event in events
        if EVENT_TYPES[event.type].channel in wanted and event.type != "cost_tracked"
    ]
