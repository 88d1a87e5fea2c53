"""What the governor may grant, worked out anew from the whole history for every single decision.

Nothing of the engine is used here: lists of what happened, and sums over them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.asking import AGENTS, CENT, Asking
from tests.simulation.workload import SECOND

from neurorail.rules.events import Event
from neurorail.rules.observations import (
    BudgetChanged,
    DecideRequested,
    Heartbeat,
    Ids,
    ReservationReported,
    SpanObserved,
    TransitionReported,
)

LEASE, SETTLE = 60 * SECOND, 330 * SECOND
MINUTE, SLICE = 60 * SECOND, SECOND
COST, TOKENS = 0, 1
Books = tuple[list[int], list[int], dict[int, int]]
"""Consumed, held, limits; cost first, then tokens."""
LIMIT = {"cost": COST, "tokens": TOKENS}


@dataclass
class Grant:
    """One reservation that was granted."""

    ids: Ids
    at: int
    reserved: list[int]
    minute: int
    """The calendar window it was granted in."""
    parent: Grant | None
    holds: list[int]
    drawn: list[int]
    state: str = "live"
    unsettled: int = 0
    reported: list[int] = field(default_factory=lambda: [0, 0])
    seen: list[int] = field(default_factory=lambda: [0, 0])

    @property
    def used(self) -> list[int]:
        return [max(one, other) for one, other in zip(self.reported, self.seen, strict=True)]

    @property
    def mission(self) -> int:
        return int((self.ids[0] or "m_0")[2:])


class Naive:
    """Follows what is told, and checks every decision that the engine made."""

    def __init__(self, work: Asking, events: list[Event]) -> None:
        self.work = work
        self.answers = {e.data["decision_id"]: e.data for e in events if e.type == "mode_decided"}
        self.grants: dict[str, Grant] = {}
        self.charges: list[tuple[int, int, int, int, list[int]]] = []
        """Received, mission, calendar window, moment it counts from, amounts."""
        self.heard: dict[str, int] = {}
        self.limits = [{COST: one.max_cost_usd_pico, TOKENS: one.max_tokens}
                       for one in work.budgets]  # fmt: skip
        self.ended: set[int] = set()
        self.spans: set[bytes] = set()
        self.checked = 0

    def run(self) -> None:
        """Check everything."""
        for now, seen in self.work.steps:
            self._time(now)
            if isinstance(seen, DecideRequested):
                self._decided(now, seen)
            elif isinstance(seen, ReservationReported):
                self._reported(now, seen)
            elif isinstance(seen, SpanObserved):
                self._span(now, seen)
            elif isinstance(seen, BudgetChanged):
                self._changed(int((seen.ids[0] or "m_0")[2:]), seen)
            elif isinstance(seen, Heartbeat):
                self.heard[seen.ids[seen.level] or ""] = now
            elif isinstance(seen, TransitionReported) and seen.transition == "succeed":
                self._end(now, int((seen.ids[0] or "m_0")[2:]))

    # ── what happens ─────────────────────────────────────────────────────────────────────────

    def _time(self, now: int) -> None:
        for grant in self.grants.values():
            if grant.state == "live":
                base = max([grant.at, *(self.heard.get(one or "", 0) for one in grant.ids)])
                if base + LEASE <= now:
                    grant.state, grant.unsettled = "unsettled", base + LEASE
            if grant.state == "unsettled" and grant.unsettled + SETTLE <= now:
                self._close(grant)

    def _end(self, now: int, mission: int) -> None:
        if mission in self.ended:
            return
        self.ended.add(mission)
        for grant in self.grants.values():
            if grant.state == "live" and grant.mission == mission:
                grant.state, grant.unsettled = "unsettled", now

    def _changed(self, mission: int, seen: BudgetChanged) -> None:
        """What a person says holds from here on; of what has ended nothing changes."""
        if mission in self.ended:
            return
        stated = {COST: seen.limits.max_cost_usd_pico, TOKENS: seen.limits.max_tokens}
        self.limits[mission] |= {kind: limit for kind, limit in stated.items() if limit is not None}

    def _close(self, grant: Grant) -> None:
        parent = grant.parent
        if parent is not None and parent.state == "live" and grant.state == "live":
            for kind in (COST, TOKENS):
                back = min(grant.drawn[kind] - grant.used[kind], grant.holds[kind])
                parent.holds[kind] += max(back, 0)
        grant.state = "closed"
        grant.holds = [0, 0]

    def _charge(self, now: int, grant: Grant, before: list[int], at: int) -> None:
        amounts = [now_ - then for now_, then in zip(grant.used, before, strict=True)]
        self.charges.append((now, grant.mission, grant.minute, at, amounts))

    def _reported(self, now: int, seen: ReservationReported) -> None:
        grant = self.grants.get(seen.reservation_id)
        if grant is None:
            return
        before = grant.used
        usage = dict(seen.usage)
        for kind, name in ((COST, "cost_usd_pico"), (TOKENS, "tokens")):
            grant.reported[kind] = max(grant.reported[kind], usage.get(name, 0))
        self._charge(now, grant, before, now)
        if grant.state != "closed":
            self._close(grant)

    def _span(self, now: int, seen: SpanObserved) -> None:
        if seen.span_id in self.spans:
            return
        self.spans.add(seen.span_id)
        assert seen.usage is not None
        amounts = [seen.usage.cost_usd_pico or 0, seen.usage.input_tokens]
        at = min(seen.end_unix_nano, now)
        mission = int((seen.ids[0] or "m_0")[2:])
        grant = self.grants.get(seen.reservation_id or "")
        if grant is None or any(
            a and b and a != b for a, b in zip(grant.ids, seen.ids, strict=True)
        ):
            self.charges.append((now, mission, at // MINUTE, at, amounts))
            return
        before = grant.used
        grant.seen = [one + more for one, more in zip(grant.seen, amounts, strict=True)]
        self._charge(now, grant, before, at)
        if grant.state != "closed":
            self._close(grant)

    # ── what was decided ─────────────────────────────────────────────────────────────────────

    def _scopes(
        self, now: int, mission: int
    ) -> dict[str, tuple[list[int], list[int], dict[int, int]]]:
        """Consumed, held and limits of each scope of a request."""
        agent, minute = AGENTS[mission], now // MINUTE
        grants = [grant for grant in self.grants.values() if grant.state != "closed"]
        stated = self.limits[mission]
        return {
            f"m_{mission}": (
                _sum(amounts for _, own, _, _, amounts in self.charges if own == mission),
                _sum(grant.holds for grant in grants if grant.mission == mission),
                {kind: limit for kind, limit in stated.items() if limit is not None},
            ),
            "minute": (
                _sum(
                    amounts
                    for _, own, window, _, amounts in self.charges
                    if window == minute and AGENTS[own] == agent
                ),
                _sum(
                    grant.holds
                    for grant in grants
                    if grant.minute == minute and AGENTS[grant.mission] == agent
                ),
                {COST: 120 * CENT},
            ),
            "rolling": (
                _sum(
                    amounts
                    for _, _, _, at, amounts in self.charges
                    if at - at % SLICE + SLICE + MINUTE > now
                ),
                _sum(grant.holds for grant in grants),
                {COST: 200 * CENT, TOKENS: 5_000},
            ),
        }

    def _parent(self, now: int, seen: DecideRequested) -> Grant | None:
        parent = self.grants.get(seen.parent_reservation_id or "")
        if parent is None or parent.state != "live" or parent.minute != now // MINUTE:
            return None
        below = all(
            mine is None or mine == its for mine, its in zip(parent.ids, seen.ids, strict=True)
        )
        return parent if below else None

    def _decided(self, now: int, seen: DecideRequested) -> None:
        answer = self.answers[seen.decision_id]
        mission = int((seen.ids[0] or "m_0")[2:])
        parent = self._parent(now, seen)
        scopes = self._scopes(now, mission)
        self.checked += 1
        if not answer["allowed"]:
            self._refused(answer, scopes, parent, mission)
            return
        assert mission not in self.ended, answer
        reserved = [answer["reserved"].get(n, 0) for n in ("cost_usd_pico", "tokens")]
        drawn = [0, 0]
        if parent is not None:
            drawn = [min(a, b) for a, b in zip(reserved, parent.holds, strict=True)]
        for name, (consumed, held, limits) in scopes.items():
            for kind, limit in limits.items():
                taken = consumed[kind] + held[kind] + reserved[kind] - drawn[kind]
                # What a parent held was granted before usage passed the limit: a grant from it adds
                # nothing.
                adds = reserved[kind] > drawn[kind]
                assert not adds or taken <= limit, (name, kind, taken, limit, answer)
        if parent is not None:
            parent.holds = [a - b for a, b in zip(parent.holds, drawn, strict=True)]
        self.grants[seen.reservation_id] = Grant(
            seen.ids, now, reserved, now // MINUTE, parent, list(reserved), drawn
        )

    def _refused(
        self, answer: dict[str, Any], scopes: dict[str, Books], parent: Grant | None, mission: int
    ) -> None:
        for reason in answer["reasons"]:
            if reason["code"] == "NR-E301":
                assert mission in self.ended, answer
                continue
            assert reason["code"] == "NR-E002", answer
            name = reason["scope"].get("pool") or reason["scope"]["entity_id"]
            consumed, held, limits = scopes[name]
            kind = LIMIT[reason["kind"]]
            assert (reason["consumed"], reason["held"]) == (consumed[kind], held[kind]), answer
            assert reason["limit"] == limits[kind], answer
            drawable = parent.holds[kind] if parent is not None else 0
            assert reason["asked"] > limits[kind] - consumed[kind] - held[kind] + drawable, answer


def _apart(one: Ids, other: Ids) -> bool:
    """Whether two chains contradict each other."""
    return any(a and b and a != b for a, b in zip(one, other, strict=True))


def _sum(amounts: Iterable[list[int]]) -> list[int]:
    total = [0, 0]
    for cost, tokens in amounts:
        total[COST] += cost
        total[TOKENS] += tokens
    return total
