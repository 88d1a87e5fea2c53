"""One side of a backtest: history under one manifest, or under those that were active then."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from neurorail.collector.envelope import Envelope, Kind
from neurorail.collector.rerun.engine import Rerun
from neurorail.collector.rerun.tally import UNCOUNTED, Refused, Tally
from neurorail.rules.config import EngineConfig
from neurorail.rules.engine import Engine
from neurorail.rules.entity import COST
from neurorail.rules.events import Event
from neurorail.rules.governor.amounts import of_totals
from neurorail.rules.lifecycle import SUCCEEDED, outcome_of
from neurorail.rules.manifest.facts import call_facts
from neurorail.rules.manifest.judge import AFTERWARDS, judge, may_refuse
from neurorail.rules.manifest.model import Manifest
from neurorail.rules.observations import (
    DecideRequested,
    EpochStarted,
    Ids,
    ManifestDrafted,
    ManifestMoved,
    Observation,
    PricesLoaded,
    SpanObserved,
)

REFUSED_RESERVATIONS_MAX: Final = 100_000
_EARLIER: Final = (EpochStarted, PricesLoaded)
_BY_HAND: Final = (ManifestDrafted, ManifestMoved)


class Side:
    """Applies records and counts what would have been.

    Args:
        folder: Empty; its engine's file is made there.
        tenant: Whose calls are counted.
        manifest: Holds all the time; None follows the changes that history holds.
        tally: What is counted.
    """

    def __init__(self, folder: Path, tenant: str, manifest: Manifest | None, tally: Tally) -> None:
        self.tally = tally
        self.refused: dict[bytes, bool] = {}
        """Of the record that was applied last: calls, and whether each would have been refused."""
        self._tenant = tenant
        self._manifest = manifest
        self._asked: dict[str, str] = {}
        self._refused_reservations: dict[str, tuple[str, tuple[str, ...], str]] = {}
        self._found: list[Refused | tuple[int, int]] = []
        self.rerun = Rerun(folder, EngineConfig(), self._change, self._begun)

    @property
    def manifest(self) -> Manifest:
        """The manifest that is active now."""
        return self.rerun.engine.state.manifest_of(self._tenant)

    def prepare(self, envelope: Envelope) -> None:
        """Apply of an earlier record what is no history: configuration and prices."""
        self._only_settings = True
        try:
            self.rerun.apply(envelope)
        finally:
            self._only_settings = False

    _only_settings = False

    def apply(self, envelope: Envelope, observations: list[Observation] | None = None) -> None:
        """Apply one record, if it is the tenant's or the server's.

        Args:
            envelope: The record.
            observations: What it says, where that was decoded before: no side changes it.
        """
        self.refused = {}
        if envelope.tenant != self._tenant and envelope.kind in (Kind.TELEMETRY, Kind.COMMAND):
            return
        events = self.rerun.apply(envelope, observations)
        for one in self._found:
            if isinstance(one, Refused):
                self.tally.refuse(one)
            else:
                self.tally.charged(*one)
        self._found = []
        if events:
            self._note_refusals(events)
            self.tally.told(events)

    def close(self) -> None:
        """Close the engine's file."""
        self.rerun.close()

    # ── into the engine ──────────────────────────────────────────────────────────────────────

    def _begun(self, engine: Engine) -> None:
        self._found = []
        self.refused = {}
        engine.state.before_charge = self._before_charge
        engine.state.quiet = UNCOUNTED
        if self._manifest is not None:
            # No change of manifests comes to this engine: what holds by default holds for all.
            engine.state.default_manifest = self._manifest

    def _change(self, observations: list[Observation]) -> list[Observation]:
        if self._only_settings:
            return [seen for seen in observations if isinstance(seen, _EARLIER)]
        for seen in observations:
            if isinstance(seen, DecideRequested):
                self._asked[seen.decision_id] = seen.reservation_id
        if self._manifest is not None:
            return [seen for seen in observations if not isinstance(seen, _BY_HAND)]
        return observations

    def _before_charge(self, seen: SpanObserved, ids: Ids, amounts: list[int]) -> bool:
        """Whether a call would have happened."""
        state = self.rerun.engine.state
        if state.tenant != self._tenant:
            return True
        outcome = outcome_of(seen.outcome, seen.error)
        code, rules, reason = self._reasons(seen, ids, amounts, outcome)
        if self.rerun.repeating:
            return not rules
        self.refused[seen.span_id] = bool(rules)
        if not rules:
            self._found.append((state.now, amounts[COST]))
            return True
        usage, fields = seen.usage, seen.fields
        tool = fields.tool if fields is not None else None
        self._found.append(
            Refused(
                state.now,
                ids,
                seen.trace_id.hex(),
                tool or (usage.model if usage is not None else None) or "",
                amounts[COST],
                outcome == SUCCEEDED,
                code,
                rules,
                reason,
            )
        )
        return False

    def _reasons(
        self, seen: SpanObserved, ids: Ids, amounts: list[int], outcome: str
    ) -> tuple[str, tuple[str, ...], str]:
        """Code, rules and reason against a call; no rules if there are none."""
        if seen.reservation_id is not None:
            # It asked when it happened, and was asked for again here.
            return self._refused_reservations.get(seen.reservation_id, ("", (), ""))
        state = self.rerun.engine.state
        if not may_refuse(state):
            return "", (), ""
        facts = call_facts(state, seen, ids, amounts, outcome).without(AFTERWARDS)
        refusals = judge(state, facts, ids, of_totals(amounts)).refusals
        if not refusals:
            return "", (), ""
        first = refusals[0]
        rules = tuple(dict.fromkeys(one.rule_id for one in refusals))
        return first.code, rules, first.message

    def _note_refusals(self, events: list[Event]) -> None:
        """Reservations that history had and this side did not grant."""
        for event in events:
            if event.type != "mode_decided":
                continue
            data = event.data
            reservation_id = self._asked.pop(data["decision_id"], None)
            if reservation_id is None or data["allowed"]:
                continue
            refusing = [one for one in data["reasons"] if one["severity"] == "enforce"]
            rules = tuple(dict.fromkeys(one["rule_id"] for one in refusing))
            self._refused_reservations[reservation_id] = (data["code"], rules, data["reason"])
            if len(self._refused_reservations) > REFUSED_RESERVATIONS_MAX:
                del self._refused_reservations[next(iter(self._refused_reservations))]
