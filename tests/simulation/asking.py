"""Random requests, reports, usage and time for the governor; a seed decides everything.

Swarm testing: a seed also decides which kinds of step there are at all.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.workload import BASE, SECOND

from neurorail.rules.manifest.limits import Limits
from neurorail.rules.manifest.model import FORMAT, Manifest, PoolRule
from neurorail.rules.manifest.windows import Window
from neurorail.rules.observations import (
    Budget,
    BudgetChanged,
    DecideRequested,
    Fields,
    Heartbeat,
    Ids,
    ManifestDrafted,
    ManifestMoved,
    Observation,
    ReservationReported,
    SpanObserved,
    TransitionReported,
    Usage,
)

MS = 1_000_000
CENT = 10**10
STEPS = 120
MISSIONS = 3
AGENTS = ("ann", "bob", "ann")

POOLS = (
    PoolRule(id="minute", key=("agent",), window=Window(calendar="minute"),
             limits=Limits(max_cost_usd_pico=120 * CENT)),
    PoolRule(id="rolling", window=Window(rolling_ms=60_000),
             limits=Limits(max_cost_usd_pico=200 * CENT, max_tokens=5_000)),
)  # fmt: skip


def manifest() -> Manifest:
    """Two pools, no estimates: what is not stated is all that is left."""
    return Manifest(format=FORMAT, name="sim", version="2", default_mode="rail", pools=POOLS)


@dataclass(slots=True)
class Asking:
    """What is told, in order: (received, observation)."""

    seed: int
    steps: list[tuple[int, Observation]]
    budgets: list[Budget]
    weights: dict[str, int]

    def batches(self) -> list[tuple[int, list[Observation]]]:
        """What is received at the same moment, together."""
        found: list[tuple[int, list[Observation]]] = []
        for at, seen in self.steps:
            if found and found[-1][0] == at:
                found[-1][1].append(seen)
            else:
                found.append((at, [seen]))
        return found


class _Maker:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now = BASE
        self.asked = 0
        self.spans: list[SpanObserved] = []
        self.steps: list[tuple[int, Observation]] = []

    def tell(self, seen: Observation) -> None:
        self.steps.append((self.now, seen))

    def ids(self) -> Ids:
        rng = self.rng
        mission = rng.randrange(MISSIONS)
        deep = rng.randrange(3)
        job = f"j_{mission}{rng.randrange(2)}" if deep else None
        attempt = f"a_{job[2:]}{rng.randrange(2)}" if job and deep == 2 else None
        return (f"m_{mission}", f"p_{mission}" if deep else None, job, attempt, None)

    def reservation(self) -> str:
        """Mostly one of the newest; often one that was refused or is closed already."""
        back = min(int(self.rng.expovariate(0.3)), max(self.asked - 1, 0))
        return f"v{self.asked - back}"

    def decide(self) -> None:
        rng = self.rng
        self.asked += 1
        estimates = {}
        if rng.random() < 0.9:
            estimates["cost_usd_pico"] = rng.choice((0, 1, 5, 20, 60)) * CENT
        if rng.random() < 0.9:
            estimates["tokens"] = rng.choice((0, 10, 500))
        parent = self.reservation() if rng.random() < 0.3 else None
        if parent == f"v{self.asked}":
            parent = None
        self.tell(
            DecideRequested(
                f"d{self.asked}", f"v{self.asked}", self.ids(), "llm_call", (),
                tuple(sorted(estimates.items())), parent,
            )
        )  # fmt: skip

    def report(self) -> None:
        rng = self.rng
        usage = {"cost_usd_pico": rng.randrange(30) * CENT, "tokens": rng.randrange(600)}
        self.tell(ReservationReported("reconcile", self.reservation(), tuple(usage.items())))

    def release(self) -> None:
        self.tell(ReservationReported("release", self.reservation()))

    def span(self) -> None:
        rng = self.rng
        number = len(self.spans)
        end = self.now - rng.choice((0, 0, 1, 3, 40, 70)) * SECOND
        ids = self.ids()
        seen = SpanObserved(
            number.to_bytes(16, "big"), number.to_bytes(8, "big"), b"", end - 10 * MS, end,
            ids=(*ids[:4], f"r_{number}"), role="inference",
            usage=Usage("inference", input_tokens=rng.randrange(300), has_tokens=True,
                        cost_usd_pico=rng.randrange(25) * CENT),
            reservation_id=self.reservation() if rng.random() < 0.6 else None,
        )  # fmt: skip
        self.spans.append(seen)
        self.tell(seen)

    def duplicate(self) -> None:
        if self.spans:
            self.tell(self.rng.choice(self.spans))

    def heartbeat(self) -> None:
        ids = self.ids()
        level = max(at for at, own in enumerate(ids) if own is not None)
        self.tell(Heartbeat(level, ids, self.now))

    def end(self) -> None:
        mission = f"m_{self.rng.randrange(MISSIONS)}"
        ids = (mission, None, None, None, None)
        self.tell(TransitionReported(0, ids, "succeed", self.now, "log"))

    def change(self) -> None:
        """A person sets other limits: higher or lower, used up already or not."""
        rng = self.rng
        limits = Budget(
            max_cost_usd_pico=rng.choice((None, 0, 20 * CENT, 90 * CENT, 150 * CENT)),
            max_tokens=rng.choice((None, None, 400, 3_000)),
        )
        ids: Ids = (f"m_{rng.randrange(MISSIONS)}", None, None, None, None)
        self.tell(BudgetChanged(0, ids, limits, "simulated"))

    def wait(self) -> None:
        self.now += self.rng.choice((1, 7, 31, 61, 200, 400)) * SECOND


_KINDS: dict[str, Callable[[_Maker], None]] = {
    "decide": _Maker.decide,
    "report": _Maker.report,
    "release": _Maker.release,
    "span": _Maker.span,
    "duplicate": _Maker.duplicate,
    "heartbeat": _Maker.heartbeat,
    "end": _Maker.end,
    "change": _Maker.change,
    "wait": _Maker.wait,
}


def make(seed: int) -> Asking:
    """The work of a seed."""
    made = _Maker(seed)
    rng = made.rng
    weights = {kind: rng.choice((0, 1, 4)) for kind in _KINDS}
    weights["decide"], weights["end"] = rng.choice((4, 8, 20)), rng.choice((0, 0, 1))
    made.tell(ManifestDrafted(manifest().json))
    made.tell(ManifestMoved("2", "shadow"))
    made.tell(ManifestMoved("2", "activate", "simulation", True))
    budgets = []
    for number in range(MISSIONS):
        budget = Budget(
            max_cost_usd_pico=rng.choice((None, 0, 30 * CENT, 100 * CENT)),
            max_tokens=rng.choice((None, 1_000)),
        )
        budgets.append(budget)
        fields = Fields(agent=AGENTS[number], budget=budget)
        for name in ("create", "enqueue", "start"):
            ids: Ids = (f"m_{number}", None, None, None, None)
            made.tell(TransitionReported(0, ids, name, made.now, "log", fields=fields))
    for _ in range(STEPS):
        if rng.random() < 0.8:
            # Never a round time: nothing is due at the moment at which something is told.
            made.now += rng.randrange(1, 8_000) * MS + rng.randrange(1, MS)
        (kind,) = rng.choices(list(_KINDS), list(weights.values()))
        _KINDS[kind](made)
    return Asking(seed, made.steps, budgets, weights)
