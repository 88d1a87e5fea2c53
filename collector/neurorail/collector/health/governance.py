"""The metrics of governance, fed from the events of the engine and nothing else.

No label holds an id, and no text that telemetry chooses: what is not in a known list is `other`.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from neurorail.collector.stream.event import StreamEvent
from neurorail.rules import errors
from neurorail.rules.events import EVENT_TYPES
from neurorail.rules.lifecycle import CANCELLED, FAILED, RUNNING, STATES, SUCCEEDED, TIMEOUT
from neurorail.semconv.attributes import ENTITY_TYPES

OTHER: Final = "other"
STATUSES: Final = (SUCCEEDED, FAILED, TIMEOUT, CANCELLED)
VIOLATION_TYPES: Final = ("timeout", "tokens", "cost", "retries", "parallel", "tool_calls")
_VIOLATION_OF: Final = {
    "input_tokens": "tokens",
    "output_tokens": "tokens",
    "wall_time": "timeout",
}
"""Kinds of limits that only manifests set, by what they are counted as."""
ACTION_TYPES: Final = (
    "suspend", "throttle", "cancel", "confirm", "alert", "kill", "open", "close",
)  # fmt: skip
RESOURCE_TYPES: Final = (
    "llm_call", "tool_call", "embedding", "retrieval", "api_call", "cpu_time", "memory",
)  # fmt: skip
CATEGORIES: Final = (errors.MECHANICAL, errors.SYSTEM, errors.ETHICAL)
ATTEMPT_BUCKETS_MS: Final = (10, 50, 100, 500, 1_000, 5_000, 10_000, 30_000, 60_000)
FIRST_SIGNAL_BUCKETS_MS: Final = (10, 50, 100, 500, 1_000, 5_000)


class _Fields(msgspec.Struct, gc=False):
    """What the metrics read of an event's data."""

    entity_type: str = ""
    duration_ms: int | None = None
    outcome: str | None = None
    error_code: str | None = None
    error_category: str | None = None
    violation_type: str = ""
    action_type: str = ""
    success: bool = True
    to_state: str | None = None
    tt_first_signal_ms: int | None = None
    cost_usd_pico: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


def _known(value: str | None, known: Sequence[str]) -> str:
    return value if value is not None and value in known else OTHER


def _sum_by(counter: Counter, label: str) -> dict[str, float]:
    sums: dict[str, float] = {}
    for metric in counter.collect():
        for sample in metric.samples:
            if sample.name.endswith("_total"):
                sums[sample.labels[label]] = sums.get(sample.labels[label], 0.0) + sample.value
    return sums


class GovernanceMetrics:
    """The metrics on one registry. Thread-safe, as prometheus-client's objects are."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.attempts = Counter(
            "neurorail_attempts", "Attempts that ended.", ("entity_type", "status"),
            registry=registry,
        )  # fmt: skip
        self.attempts_failed = Counter(
            "neurorail_attempts_failed", "Attempts that ended without success.",
            ("entity_type", "error_category", "error_code"), registry=registry,
        )  # fmt: skip
        self.budget_violations = Counter(
            "neurorail_budget_violations", "Budgets that were broken.", ("violation_type",),
            registry=registry,
        )  # fmt: skip
        self.reflex_actions = Counter(
            "neurorail_reflex_actions", "Reflexes that acted.", ("action_type", "entity_type"),
            registry=registry,
        )  # fmt: skip
        self.active_missions = Gauge(
            "neurorail_active_missions", "Missions that run.", registry=registry
        )
        self.active_jobs = Gauge("neurorail_active_jobs", "Jobs that run.", registry=registry)
        self.active_attempts = Gauge(
            "neurorail_active_attempts", "Attempts that run.", registry=registry
        )
        self.resources_by_state = Gauge(
            "neurorail_resources_by_state", "Resources in each state.", ("resource_type", "state"),
            registry=registry,
        )  # fmt: skip
        self.attempt_duration_ms = Histogram(
            "neurorail_attempt_duration_ms", "From start to end of an attempt, in milliseconds.",
            ("entity_type",), buckets=ATTEMPT_BUCKETS_MS, registry=registry,
        )  # fmt: skip
        self.first_signal_ms = Histogram(
            "neurorail_tt_first_signal_ms", "Until the first sign of life, in milliseconds.",
            ("entity_type",), buckets=FIRST_SIGNAL_BUCKETS_MS, registry=registry,
        )  # fmt: skip
        self.cost_usd = Counter(
            "neurorail_cost_usd", "What metered calls cost, in US dollars.", registry=registry
        )
        self.tokens = Counter(
            "neurorail_tokens", "Tokens of metered calls.", ("direction",), registry=registry
        )
        events = Counter(
            "neurorail_events", "Events of the engine.", ("event_type",), registry=registry
        )
        # Each type is there from the start, so that the first event of a type is an increase.
        self._events = {name: events.labels(name) for name in EVENT_TYPES}
        self._input, self._output = self.tokens.labels("input"), self.tokens.labels("output")
        self._resources_shown: frozenset[tuple[str, str]] = frozenset()
        self._decoder = msgspec.json.Decoder(_Fields)
        self._observers: Mapping[str, Callable[[_Fields], None]] = {
            "execution_success": self._on_attempt_end,
            "execution_failure": self._on_attempt_end,
            "budget_violation": self._on_violation,
            "reflex_action_executed": self._on_reflex,
            "circuit_state_changed": self._on_circuit,
            "tt_first_signal": self._on_first_signal,
            "cost_tracked": self._on_cost,
        }
        for violation_type in VIOLATION_TYPES:
            self.budget_violations.labels(violation_type)

    def observe_events(self, events: Sequence[StreamEvent]) -> None:
        """Count what happened. Total: an event that does not read as expected is passed over."""
        observers = self._observers
        for event_type, count in Tally(event.event_type for event in events).items():
            counter = self._events.get(event_type)
            if counter is not None:
                counter.inc(count)
        for event in events:
            observer = observers.get(event.event_type)
            if observer is None:
                continue
            try:
                fields = self._decoder.decode(event.data)
            except msgspec.DecodeError:
                continue
            observer(fields)

    def set_active(self, by_state: Mapping[str, Mapping[str, int]]) -> None:
        """Set the gauges from counts of entities: `by_state["job"]["running"]`.

        Resources may be split by type under keys such as `resource:llm_call`; those under
        `resource` alone are of an unnamed type.
        """
        for entity_type, gauge in (
            ("mission", self.active_missions),
            ("job", self.active_jobs),
            ("attempt", self.active_attempts),
        ):
            gauge.set(by_state.get(entity_type, {}).get(RUNNING, 0))
        # What was shown before and is gone now falls to 0.
        sums = dict.fromkeys(self._resources_shown, 0)
        for name, states in by_state.items():
            level, _, resource_type = name.partition(":")
            if level != "resource":
                continue
            shown = _known(resource_type, RESOURCE_TYPES)
            for state in STATES:
                sums[shown, state] = sums.get((shown, state), 0) + states.get(state, 0)
        for (shown, state), count in sums.items():
            self.resources_by_state.labels(shown, state).set(count)
        self._resources_shown = frozenset(sums)

    def attempts_ended(self) -> float:
        """Attempts that ended since start."""
        return _sum_by(self.attempts, "entity_type").get("attempt", 0.0)

    def failures_by_category(self) -> dict[str, float]:
        """Attempts that failed since start, by category."""
        return _sum_by(self.attempts_failed, "error_category")

    def _on_attempt_end(self, fields: _Fields) -> None:
        status = fields.outcome or SUCCEEDED
        self.attempts.labels("attempt", _known(status, STATUSES)).inc()
        if fields.duration_ms is not None:
            self.attempt_duration_ms.labels("attempt").observe(fields.duration_ms)
        if status in (FAILED, TIMEOUT):
            category = fields.error_category or errors.category(fields.error_code)
            self.attempts_failed.labels(
                "attempt",
                _known(category, CATEGORIES),
                _known(fields.error_code, tuple(errors.CODES)),
            ).inc()

    def _on_violation(self, fields: _Fields) -> None:
        kind = _VIOLATION_OF.get(fields.violation_type, fields.violation_type)
        self.budget_violations.labels(_known(kind, VIOLATION_TYPES)).inc()

    def _on_cost(self, fields: _Fields) -> None:
        self.cost_usd.inc(max(0, fields.cost_usd_pico) / 1e12)
        self._input.inc(max(0, fields.input_tokens))
        self._output.inc(max(0, fields.output_tokens))

    def _on_reflex(self, fields: _Fields) -> None:
        if not fields.success or fields.action_type in ("open", "close"):
            return  # Circuits are counted when they move, whoever moved them.
        action = _known(fields.action_type, ACTION_TYPES)
        self.reflex_actions.labels(action, _known(fields.entity_type or "job", ENTITY_TYPES)).inc()

    def _on_circuit(self, fields: _Fields) -> None:
        action = {"open": "open", "closed": "close"}.get((fields.to_state or "").lower())
        if action is not None:
            self.reflex_actions.labels(action, OTHER).inc()

    def _on_first_signal(self, fields: _Fields) -> None:
        if fields.tt_first_signal_ms is not None:
            entity_type = _known(fields.entity_type, ENTITY_TYPES)
            self.first_signal_ms.labels(entity_type).observe(fields.tt_first_signal_ms)
