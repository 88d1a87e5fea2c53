"""Scenarios in YAML: what the engine is told, at which time, and what it says.

Times are seconds after a fixed moment, ids stand in one list (`[m_1, p_1]`; the level is that of
the last one), spans and traces have short names. Between records, ticks come whenever something is
due, as the server appends them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import yaml
from tests.rules.written import written

from neurorail.rules.config import EngineConfig
from neurorail.rules.engine import Engine
from neurorail.rules.events import EVENT_TYPES, Event
from neurorail.rules.observations import (
    AuditLogged,
    Budget,
    DeadLettered,
    EpochStarted,
    Fields,
    Heartbeat,
    Ids,
    Observation,
    PricesLoaded,
    Rejected,
    Resumed,
    SpanLinks,
    SpanObserved,
    Tick,
    TransitionReported,
    Usage,
    UsageReported,
)
from neurorail.rules.state import Row

SECOND = 1_000_000_000
_HEX_ID = re.compile(r"(?:[0-9a-f]{16}){1,2}")
BASE = 1_800_000_000 * SECOND
LEVELS = {"mission": 0, "plan": 1, "job": 2, "attempt": 3, "resource": 4}
PREFIXES = "mpjar"

Sent = tuple[int, str, Callable[[], list[Observation]]]
"""Received, tenant, and a maker of the observations: each engine gets its own."""


# ── compact forms to observations ────────────────────────────────────────────────────────────


def unix(seconds: float) -> int:
    return BASE + round(seconds * 1000) * 1_000_000


def trace_id(name: str) -> bytes:
    return name.encode().rjust(16, b"\0")


def span_id(name: str) -> bytes:
    return name.encode().rjust(8, b"\0") if name else b""


def _readable(match: re.Match[str]) -> str:
    return f"<{bytes.fromhex(match.group()).lstrip(bytes(1)).decode()}>"


def chain(ids: Sequence[str]) -> Ids:
    named: list[str | None] = [None] * 5
    for entity_id in ids:
        named[PREFIXES.index(entity_id[0])] = entity_id
    return (named[0], named[1], named[2], named[3], named[4])


def _pop_fields(spec: dict[str, Any]) -> Fields | None:
    given: dict[str, Any] = {}
    for column in fields(Fields):
        if column.name in spec:
            given[column.name] = spec.pop(column.name)
    if not given:
        return None
    if "dependencies" in given:
        given["dependencies"] = tuple(given["dependencies"])
    if "tags" in given:
        given["tags"] = tuple(sorted(given["tags"].items()))
    if "budget" in given:
        given["budget"] = Budget(**given["budget"])
    return Fields(**given)


def _usage(spec: dict[str, Any]) -> Usage:
    spec = dict(spec)
    tokens_in, tokens_out = spec.pop("in", 0), spec.pop("out", 0)
    operation = spec.pop("operation", "inference")
    has_tokens = spec.pop("has_tokens", operation != "tool")
    return Usage(
        operation,
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        has_tokens=has_tokens,
        **spec,
    )


def _reported(name: str, spec: dict[str, Any], source: str) -> TransitionReported:
    spec = dict(spec)
    ids = spec.pop("ids")
    stated = _pop_fields(spec)
    return TransitionReported(
        LEVELS[spec.pop("level")] if "level" in spec else PREFIXES.index(ids[-1][0]),
        chain(ids),
        name,
        unix(spec.pop("time")),
        source,
        fields=stated,
        from_state=spec.pop("from", None),
        to_state=spec.pop("to", None),
        trace_id=trace_id(spec.pop("trace")) if "trace" in spec else b"",
        span_id=span_id(spec.pop("span", "")),
        **spec,
    )


def _span(name: str, spec: dict[str, Any]) -> SpanObserved:
    spec = dict(spec)
    stated = _pop_fields(spec)
    start = spec.pop("start", 0)
    entity = spec.pop("entity", None)
    usage = spec.pop("usage", None)
    return SpanObserved(
        trace_id(spec.pop("trace", "t")),
        span_id(name),
        span_id(spec.pop("parent", "")),
        unix(start),
        unix(spec.pop("end", start)),
        chain(spec.pop("ids", ())),
        entity=None if entity is None else LEVELS[entity],
        fields=stated,
        usage=None if usage is None else _usage(usage),
        **spec,
    )


def observation(spec: dict[str, Any]) -> Observation:
    """One observation from its compact form: a map with one main key, its name, and details."""
    spec = dict(spec)
    kind = next(iter(spec))
    main = spec.pop(kind)
    match kind:
        case "log" | "rest" | "span_event":
            return _reported(main, spec, kind)
        case "span":
            return _span(main, spec)
        case "links":
            trace = trace_id(spec.get("trace", "t"))
            return SpanLinks(
                b"".join(trace + span_id(one) + (span_id(up) or bytes(8)) for one, up in main)
            )
        case "heartbeat":
            return Heartbeat(PREFIXES.index(main[-1][0]), chain(main), unix(spec["time"]))
        case "usage":
            level = PREFIXES.index(main[-1][0])
            time = unix(spec.pop("time"))
            return UsageReported(level, chain(main), time, _usage(spec))
    return _of_the_server(kind, main, spec)


def _of_the_server(kind: str, main: Any, spec: dict[str, Any]) -> Observation:
    match kind:
        case "audit":
            return AuditLogged(chain(main), time_unix_nano=unix(spec.pop("time")), **spec)
        case "tick":
            return Tick()
        case "resumed":
            return Resumed(round(main * SECOND))
        case "prices":
            return PricesLoaded(main, "ab" * 32, msgspec.json.encode(spec["table"]))
        case "epoch":
            return EpochStarted(main, "n1", "1.0")
        case "dead_letter":
            return DeadLettered(main, **spec)
        case "rejected":
            return Rejected(main, tuple(spec["reasons"].items()))
    raise ValueError(f"observation {kind!r} is unknown")


# ── running ──────────────────────────────────────────────────────────────────────────────────


def _observations(specs: list[dict[str, Any]]) -> list[Observation]:
    return [observation(spec) for spec in specs]


class Runner:
    """Drives an engine as the server does, with ticks of its own."""

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.engine = Engine(config)
        self.now = 0

    def send(self, sent: Sent) -> list[Event]:
        """The events of the ticks that were due before a record, and of the record."""
        received, tenant, make = sent
        events = self.run_until(received)
        self.now = max(received, self.now + 1)
        return events + self.apply(self.now, tenant, make())

    def run_until(self, received: int) -> list[Event]:
        events: list[Event] = []
        while (deadline := self.engine.next_deadline()) is not None and deadline <= received:
            self.now = max(deadline, self.now + 1)
            events += self.apply(self.now, "default", [Tick()])
        return events

    def apply(self, received: int, tenant: str, observations: list[Observation]) -> list[Event]:
        return written(received, tenant, self.engine.apply(received, tenant, observations))


class RestartingRunner(Runner):
    """Restarts the engine from its rows after every record, as if the server had crashed."""

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config)
        self.rows: dict[str, tuple[int, int, bytes]] = {}
        self.meta = b""
        self.prices = b""
        self.engine = Engine(config, self._load)

    def _load(self, key: str) -> Row | None:
        found = self.rows.get(key)
        return None if found is None else list(msgspec.msgpack.decode(found[2]))

    def apply(self, received: int, tenant: str, observations: list[Observation]) -> list[Event]:
        engine = self.engine
        for key in engine.wanted(tenant, observations):
            engine.supply(key, self._load(key))
        events = written(received, tenant, engine.apply(received, tenant, observations))
        changes = engine.state.take_changes()
        for key, deadline, touched, row in changes.rows:
            self.rows[key] = (deadline, touched, msgspec.msgpack.encode(row))
        for key in changes.removed:
            self.rows.pop(key, None)
        self.meta = msgspec.msgpack.encode(changes.meta)
        self.prices = engine.state.prices_json
        self._restart()
        return events

    def _restart(self) -> None:
        self.engine = Engine(self.config, self._load)
        state = self.engine.state
        state.restore_meta(msgspec.msgpack.decode(self.meta), self.prices)
        state.restore_deadlines([(key, row[0]) for key, row in self.rows.items() if row[0]])
        live = []
        for key, (_, touched, row) in self.rows.items():
            if touched:
                live.append((touched, key, row))
        for touched, key, row in sorted(live):
            state.restore_trace(key, msgspec.msgpack.decode(row), touched)
        state.kept.restore(
            [
                (key, msgspec.msgpack.decode(row))
                for key, (_, _, row) in self.rows.items()
                if key[0] == "|"
            ]
        )


class EvictingRunner(RestartingRunner):
    """Keeps the engine, but drops from memory what it may after every record."""

    def _restart(self) -> None:
        self.engine.state.evict()


# ── events as short lines ────────────────────────────────────────────────────────────────────

_QUIET = {"metrics_recorded", "execution_start", "execution_success", "execution_failure"}
"""Left out of a scenario's lines unless it names them."""


def _seconds(at: int) -> str:
    return f"{(at - BASE) / SECOND:g}s"


def _amounts(data: dict[str, Any]) -> str:
    parts = [f"{data['llm_tokens']} tokens"]
    cost = data.get("cost_usd_pico")
    if cost:
        parts.append(f"{cost} pico")
    if data.get("priced") is False:
        parts.append("unpriced")
    if data.get("tool_calls"):
        parts.append(f"{data['tool_calls']} tools")
    return ", ".join(parts)


def _names(ids: Sequence[str | None] | None) -> str:
    return "nowhere" if ids is None else "/".join(one or "-" for one in ids)


def _budget(data: dict[str, Any]) -> str:
    scope = data["scope"]["entity_id"]
    return f"{scope} {data['violation_type']} {data['consumed']}/{data['limit']}"


def _moved(data: dict[str, Any]) -> str:
    notes = [note for note in ("inferred", "gap") if data.get(note)]
    notes += [data[name] for name in ("error_code", "reason") if data.get(name)]
    return " ".join([data["entity_id"], data["transition"], data["to_state"], *notes])


_TEXT: dict[str, Callable[[dict[str, Any]], str]] = {
    "state_changed": _moved,
    "transition_rejected": lambda d: f"{d['entity_id']} {d['transition']}: {d['reason']}",
    "gap_inferred": lambda d: f"{d['entity_id']} {d['transition']} after {'+'.join(d['steps'])}",
    "late_input": lambda d: f"{d['entity_id']} {d['transition']} while {d['state']}",
    "late_outcome": lambda d: f"{d['entity_id']} {d['outcome']} while {d['state']}",
    "orphan_detected": lambda d: f"{d['entity_id']} missing {'+'.join(d['missing'])}",
    "cost_tracked": lambda d: f"{d['entity_id']} {d['operation']} {_amounts(d)}",
    "usage_moved": lambda d: (
        f"{_names(d['from_ids'])} → {_names(d['to_ids'])} {_amounts(d)}: {d['reason']}"
    ),
    "usage_too_late": lambda d: f"{d['llm_tokens']} tokens",
    "budget_warning": lambda d: f"{_budget(d)} {d['percent']} %",
    "budget_violation": lambda d: f"{_budget(d)} {d['code']}",
    "timeout_enforced": lambda d: f"{d['entity_id']} {d['timeout_ms']} ms",
    "retry_attempted": lambda d: f"{d['attempt_number']} retries {d['retries']}",
    "retry_exhausted": lambda d: f"{d['retries']}/{d['max_retries']}",
    "parallelism_rejected": lambda d: f"{d['scope']['entity_id']} {d['running']}/{d['limit']}",
    "directive_issued": lambda d: f"{d['directive_id']} {d['action']}",
    "heartbeat_missed": lambda d: f"{d['entity_id']} {d['silent_ms']} ms",
    "entity_idle": lambda d: f"{d['entity_id']} {d['idle_ms']} ms",
    "tt_first_signal": lambda d: f"{d['entity_id']} {d['tt_first_signal_ms']} ms",
    "metrics_recorded": lambda d: (
        f"{d['entity_id']} in {d['input_tokens']} out {d['output_tokens']} "
        f"{d['cost_usd_pico']} pico, unpriced {d['unpriced_calls']}, tools {d['tool_calls']}, "
        f"attempts {d['attempt_count']}, retries {d['retry_count']}"
    ),
    "execution_failure": lambda d: (
        f"{d['entity_id']} {d['outcome']} {d['error_code']} {d['error_category']}"
    ),
    "record_failed": lambda d: f"{d['observation']} {d['observation_index']}: {d['error']}",
    "resumed": lambda d: f"{d['down_ms']} ms + {d['grace_ms']} ms",
    "items_rejected": lambda d: f"{d['signal']} {d['reasons']}",
    "prices_loaded": lambda d: f"{d['version']}, models {d['models']}",
    "engine_epoch": lambda d: f"{d['epoch']} {d['engine_version']}",
    "audit_logged": lambda d: f"{d['logged_type']} by {d['caused_by_agent']}",
    "dead_letter": lambda d: f"{d['table']} {d['first_seq']}-{d['last_seq']}: {d['error']}",
}


def line(event: Event) -> str:
    """An event in one line: when it happened, its type, and what matters of it."""
    assert event.type in EVENT_TYPES
    render = _TEXT.get(event.type)
    text = str(event.data.get("entity_id", "")) if render is None else render(event.data)
    text = _HEX_ID.sub(_readable, text)
    return f"{_seconds(event.event_time_unix_nano)} {event.type} {text}".rstrip()


class Scenario:
    """One scenario of a file."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.name: str = spec["name"]
        self.config = EngineConfig(**spec.get("config", {}))
        self.records: list[dict[str, Any]] = spec["records"]
        self.only: list[str] | None = spec.get("only")
        self.expect: list[str] = spec["expect"] or []

    def sent(self) -> Iterator[Sent]:
        for record in self.records:
            specs = record.get("do", [])
            yield (
                unix(record["at"]),
                record.get("tenant", "default"),
                partial(_observations, specs),
            )

    def run(self, runner: Runner) -> list[Event]:
        """Every event."""
        return [event for sent in self.sent() for event in runner.send(sent)]

    def lines(self, runner: Runner) -> list[str]:
        """The events the scenario is about, in short lines."""
        return [
            line(event)
            for event in self.run(runner)
            if (event.type in self.only if self.only else event.type not in _QUIET)
        ]


def scenarios(directory: Path) -> list[tuple[str, Scenario]]:
    """Every scenario of every file, with a name for the test."""
    found = []
    for path in sorted(directory.glob("*.yaml")):
        for spec in yaml.safe_load(path.read_text(encoding="utf-8")):
            found.append((f"{path.stem}--{spec['name'].replace(' ', '-')}", Scenario(spec)))
    return found
