"""What is counted of one side of a backtest: refusals, warnings, cancellations, spend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from neurorail.rules.events import EVENT_TYPES, Event

BUCKETS: Final = 60
"""Equal parts of the time that is looked at, for plots."""
EXAMPLES_A_RULE: Final = 5
EXAMPLES_MAX: Final = 100
RULES_MAX: Final = 2_000
"""Rules and directives that are counted each for itself."""


@dataclass(slots=True)
class RuleTally:
    """What one rule did."""

    refused: int = 0
    """Calls it was a reason against."""
    false_positives: int = 0
    """Of them, calls that in truth succeeded."""
    spend_avoided_usd_pico: int = 0
    """Cost of the calls it was the strictest reason against."""
    warned: int = 0
    violated: int = 0
    triggered: int = 0
    cancelled: int = 0
    """Directives that cancel something."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A call that would not have happened."""

    at_unix_nano: int
    ids: tuple[str | None, ...]
    trace_id: str
    what: str
    """The model or tool."""
    cost_usd_pico: int
    succeeded: bool
    code: str
    rules: tuple[str, ...]
    """All reasons against it, the strictest first."""
    reason: str


@dataclass(slots=True)
class Bucket:
    """One part of the time."""

    calls: int = 0
    refused: int = 0
    spend_usd_pico: int = 0
    avoided_usd_pico: int = 0


@dataclass(slots=True)
class Tally:
    """The numbers of one side."""

    begin_unix_nano: int
    end_unix_nano: int
    calls: int = 0
    refused: int = 0
    false_positives: int = 0
    spend_usd_pico: int = 0
    avoided_usd_pico: int = 0
    decisions: int = 0
    decisions_refused: int = 0
    warnings: int = 0
    violations: int = 0
    triggers: int = 0
    cancellations: int = 0
    confirmations: int = 0
    circuits_opened: int = 0
    rules: dict[str, RuleTally] = field(default_factory=dict)
    examples: list[Refused] = field(default_factory=list)
    buckets: list[Bucket] = field(default_factory=lambda: [Bucket() for _ in range(BUCKETS)])

    def charged(self, at_unix_nano: int, cost_usd_pico: int) -> None:
        """A call happened."""
        self.calls += 1
        self.spend_usd_pico += cost_usd_pico
        bucket = self._bucket(at_unix_nano)
        bucket.calls += 1
        bucket.spend_usd_pico += cost_usd_pico

    def refuse(self, one: Refused) -> None:
        """A call would not have happened."""
        self.calls += 1
        self.refused += 1
        self.avoided_usd_pico += one.cost_usd_pico
        self.false_positives += one.succeeded
        bucket = self._bucket(one.at_unix_nano)
        bucket.calls += 1
        bucket.refused += 1
        bucket.avoided_usd_pico += one.cost_usd_pico
        for place, rule in enumerate(one.rules):
            tally = self._rule(rule)
            tally.refused += 1
            tally.false_positives += one.succeeded
            if place == 0:
                tally.spend_avoided_usd_pico += one.cost_usd_pico
                if tally.refused <= EXAMPLES_A_RULE and len(self.examples) < EXAMPLES_MAX:
                    self.examples.append(one)

    def told(self, events: Sequence[Event]) -> None:
        """Count what the engine said."""
        for event in events:
            count = _COUNTS.get(event.type)
            if count is not None:
                count(self, event.data)

    def _rule(self, rule: str) -> RuleTally:
        found = self.rules.get(rule)
        if found is None:
            name = rule if len(self.rules) < RULES_MAX else "others"
            found = self.rules.setdefault(name, RuleTally())
        return found

    def _bucket(self, at_unix_nano: int) -> Bucket:
        length = max(self.end_unix_nano - self.begin_unix_nano, 1)
        place = (at_unix_nano - self.begin_unix_nano) * BUCKETS // length
        return self.buckets[min(max(place, 0), BUCKETS - 1)]

    # ── events ───────────────────────────────────────────────────────────────────────────────

    def _decided(self, data: dict[str, Any]) -> None:
        self.decisions += 1
        self.decisions_refused += not data["allowed"]

    def _warned(self, data: dict[str, Any]) -> None:
        self.warnings += 1
        self._rule(data.get("rule_id") or "own_budget").warned += 1

    def _violated(self, data: dict[str, Any]) -> None:
        self.violations += 1
        self._rule(data.get("rule_id") or "own_budget").violated += 1

    def _triggered(self, data: dict[str, Any]) -> None:
        self.triggers += 1
        self._rule(data["trigger_id"]).triggered += 1

    def _directed(self, data: dict[str, Any]) -> None:
        if data["action"] == "cancel":
            self.cancellations += 1
            self._rule(data.get("rule") or str(data["code"])).cancelled += 1

    def _asked_a_person(self, data: dict[str, Any]) -> None:
        self.confirmations += 1

    def _circuit(self, data: dict[str, Any]) -> None:
        self.circuits_opened += data["to_state"] == "open"


_COUNTS: Final = {
    "mode_decided": Tally._decided,
    "budget_warning": Tally._warned,
    "budget_violation": Tally._violated,
    "trigger_activated": Tally._triggered,
    "directive_issued": Tally._directed,
    "confirmation_requested": Tally._asked_a_person,
    "circuit_state_changed": Tally._circuit,
}
UNCOUNTED: Final = frozenset(EVENT_TYPES) - frozenset(_COUNTS)
"""Types of events that a tally does not look at."""
