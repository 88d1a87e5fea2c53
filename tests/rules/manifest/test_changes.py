"""Manifests through the engine: drafts, shadows, the gate, what holds, and what a restart keeps."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from tests.rules.scenario import BASE, SECOND, RestartingRunner, Runner, chain

from neurorail.rules.config import EngineConfig
from neurorail.rules.engine import Engine
from neurorail.rules.events import Event
from neurorail.rules.governor.reservation_row import Reservation
from neurorail.rules.manifest import shadow
from neurorail.rules.manifest.default import shipped
from neurorail.rules.manifest.load import load
from neurorail.rules.manifest.records import MANIFESTS_MAX, Compared
from neurorail.rules.observations import (
    DecideRequested,
    ManifestDrafted,
    ManifestMoved,
    Observation,
    Once,
    PricesLoaded,
    TransitionReported,
    Usage,
    UsageReported,
)

OPEN = "gate: {min_evaluations: 0, min_shadow_time: 0}\n"


def document(version: str, rest: str = "", mode: str = "direct") -> bytes:
    head = f"neurorail_manifest: 1\nname: test\nversion: '{version}'\ndefault_mode: {mode}\n"
    return load(head + rest).json


def draft(version: str, rest: str = "", mode: str = "direct") -> ManifestDrafted:
    return ManifestDrafted(document(version, rest, mode), f"# {version}")


@pytest.fixture(params=[Runner, RestartingRunner])
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param(EngineConfig()))


class World:
    """An engine that is told something every second."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.seconds = 0

    def tell(self, *seen: Observation, tenant: str = "default") -> list[Event]:
        self.seconds += 1
        return self.runner.apply(BASE + self.seconds * SECOND, tenant, list(seen))

    def one(self, seen: Observation, event_type: str, tenant: str = "default") -> dict[str, Any]:
        (event,) = self.tell(seen, tenant=tenant)
        assert event.type == event_type
        return event.data

    def activate(self, version: str, rest: str = OPEN, mode: str = "direct") -> None:
        self.tell(draft(version, rest, mode))
        activated = self.tell(ManifestMoved(version, "activate", "test", True))
        assert activated[0].type == "manifest_activated"

    def attempt(self, number: int, job_type: str = "llm_call") -> list[Event]:
        """The events of shadows when an attempt starts."""
        from neurorail.rules.observations import Fields

        ids = chain([f"m_{number}", f"p_{number}", f"j_{number}", f"a_{number}"])
        job = chain([f"m_{number}", f"p_{number}", f"j_{number}"])
        at = BASE + self.seconds * SECOND
        events = self.tell(
            TransitionReported(2, job, "create", at, "log", fields=Fields(job_type=job_type)),
            *(TransitionReported(3, ids, one, at, "log") for one in ("create", "enqueue", "start")),
        )
        return [event for event in events if event.type == "shadow_diverged"]

    @property
    def engine(self) -> Engine:
        self.runner.engine.state.tenant = "default"
        return self.runner.engine


def test_draft_is_linked_to_its_predecessor(world: World) -> None:
    first = world.one(draft("1.0"), "manifest_created")
    second = world.one(draft("2.0"), "manifest_created")
    sha = hashlib.sha256(document("1.0")).hexdigest()
    assert first["sha256"] == sha
    assert first["previous_sha256"] == ""
    assert first["chain_sha256"] == hashlib.sha256(sha.encode()).hexdigest()
    assert first["manifest"] == document("1.0").decode()
    assert first["source"] == "# 1.0"
    assert second["previous_sha256"] == first["chain_sha256"]


@pytest.mark.parametrize(
    ("canonical", "reason"),
    [
        (document("1.0"), "the same manifest has version 1.0 already"),
        (document("1.0", mode="rail"), "another manifest has version 1.0 already"),
        (b"{}", "the manifest cannot be read: no manifest that this version reads"),
    ],
)
def test_draft_that_is_refused(world: World, canonical: bytes, reason: str) -> None:
    world.tell(draft("1.0"))
    refused = world.one(ManifestDrafted(canonical), "manifest_refused")
    assert refused["code"] == "NR-E110"
    assert refused["reason"].startswith(reason)


def test_oldest_retired_manifest_makes_room() -> None:
    world = World(Runner(EngineConfig()))
    for number in range(MANIFESTS_MAX):
        world.tell(draft(f"v{number}"))
    full = world.one(draft("more"), "manifest_refused")
    assert full["reason"] == f"there are {MANIFESTS_MAX} manifests: retire one that is not needed"
    for number in (7, 5):
        world.tell(ManifestMoved(f"v{number}", "retire"))
    world.one(draft("more"), "manifest_created")
    gone = world.one(ManifestMoved("v5", "shadow"), "manifest_refused")
    assert gone["reason"] == "no manifest v5 is known"
    world.one(ManifestMoved("v7", "shadow"), "manifest_shadowed")


@pytest.mark.parametrize("state", ["draft", "shadow", "active", "retired"])
@pytest.mark.parametrize("action", ["shadow", "activate", "retire", "promote"])
def test_every_action_from_every_state(state: str, action: str) -> None:
    world = World(Runner(EngineConfig()))
    way = {
        "draft": [],
        "shadow": ["shadow"],
        "active": ["activate"],
        "retired": ["retire"],
    }[state]
    world.tell(draft("1.0"))
    for step in way:
        world.tell(ManifestMoved("1.0", step, "test", True))
    allowed = {
        "shadow": ("draft", "retired"),
        "activate": ("draft", "shadow", "retired"),
        "retire": ("draft", "shadow", "active"),
    }.get(action, ())
    event = world.tell(ManifestMoved("1.0", action, "test", True))[0]
    if state in allowed:
        assert event.type.removeprefix("manifest_")[:6] == action[:6]
    else:
        assert event.type == "manifest_refused"
        assert event.data["reason"] == f"a manifest that is {state} cannot be moved by {action!r}"


def test_active_manifest_holds_from_the_next_record_on(world: World) -> None:
    assert world.engine.state.manifest.version == shipped().version
    world.activate("1.0", f"{OPEN}times: {{lateness: 3s}}\n")
    assert world.engine.state.manifest.version == "1.0"
    assert world.engine.state.times.lateness_ms == 3_000
    world.one(draft("2.0"), "manifest_created")
    retired, activated = world.tell(ManifestMoved("2.0", "activate"))
    assert retired.data["reason"] == "manifest 2.0 took its place"
    assert activated.data["previous_version"] == "1.0"
    assert activated.data["forced"] is False
    assert activated.severity == "info"
    assert world.engine.state.manifest.version == "2.0"
    world.tell(ManifestMoved("2.0", "retire", "over"))
    assert world.engine.state.manifest.version == shipped().version


def test_manifest_is_a_tenants_own(world: World) -> None:
    world.tell(draft("1.0"), tenant="other")
    world.tell(ManifestMoved("1.0", "activate", "test", True), tenant="other")
    assert world.engine.state.manifest.version == shipped().version
    world.engine.state.tenant = "other"
    assert world.runner.engine.state.manifest.version == "1.0"
    world.one(draft("1.0"), "manifest_created")


def test_without_a_manifest_the_configuration_has_the_times() -> None:
    engine = Engine(EngineConfig(lateness_ms=5))
    assert engine.state.times.lateness_ms == 5
    assert engine.state.times.settle_ms == shipped().times.settle_ms


def test_gate_says_everything_that_is_not_met(world: World) -> None:
    world.activate("1.0", "gate: {min_evaluations: 2, min_shadow_time: 1h}\n")
    world.tell(draft("2.0", mode="rail"))
    world.tell(ManifestMoved("2.0", "shadow"))
    assert world.attempt(1)
    blocked = world.one(ManifestMoved("2.0", "activate"), "manifest_refused")
    assert blocked["code"] == "NR-E132"
    assert blocked["unmet"] == [
        "1 evaluations, at least 2 are needed",
        "2 s as a shadow, at least 1 h are needed",
        "100 % with another mode, at most 5 % are allowed",
    ]
    _, forced, override = world.tell(ManifestMoved("2.0", "activate", "it burns", True))
    assert forced.data["forced"] is True
    assert len(forced.data["unmet"]) == 3
    assert forced.data["compared"]["mode_diverged"] == 1
    assert forced.severity == "warning"
    assert override.type == "override_used"
    assert override.data == {"decision_id": None, "reason": "it burns"}


def test_gate_that_is_met_lets_pass(world: World) -> None:
    world.activate("1.0", "gate: {min_evaluations: 2, min_shadow_time: 2s}\n")
    world.tell(draft("2.0"))
    world.tell(ManifestMoved("2.0", "shadow"))
    assert world.attempt(1) == world.attempt(2) == []
    activated = world.tell(ManifestMoved("2.0", "activate"))[-1]
    assert activated.data["unmet"] == []
    assert activated.data["compared"]["evaluations"] == 2


def test_shadow_that_is_made_anew_begins_to_count_anew(world: World) -> None:
    world.tell(draft("2.0"))
    for _ in range(2):
        world.tell(ManifestMoved("2.0", "shadow"))
        world.attempt(world.seconds)
        blocked = world.one(ManifestMoved("2.0", "activate"), "manifest_refused")
        assert blocked["unmet"][0] == "1 evaluations, at least 100 are needed"
        world.tell(ManifestMoved("2.0", "retire"))


SHADOWS = """
mode_rules:
  - {id: noted, severity: observe, effect: refuse, mode: rail}
  - {id: tools, when: {job_type: tool_execution}, mode: rail, effect: refuse}
budgets:
  defaults:
    - {id: plans, level: plan, limits: {max_tokens: 100}}
    - {id: soft, level: attempt, severity: warn, limits: {max_parallel: 0}}
  overrides:
    - {id: none, level: job, when: {job_type: other}, limits: {max_parallel: 0}}
"""


def test_each_difference_is_counted_for_itself(world: World) -> None:
    world.activate("1.0")
    world.tell(draft("2.0", SHADOWS), ManifestMoved("2.0", "shadow"))
    world.tell(draft("3.0"), ManifestMoved("3.0", "shadow"))
    (llm,) = world.attempt(1)
    assert llm.data == {
        "shadow_version": "2.0",
        "active_version": "1.0",
        "differs": ["budget"],
        "active_mode": "direct",
        "shadow_mode": "direct",
        "refused_by": [],
    }
    (tools,) = world.attempt(2, "tool_execution")
    assert tools.data["differs"] == ["mode", "budget", "newly_refused"]
    assert tools.data["refused_by"] == ["tools"]
    assert tools.ids == chain(["m_2", "p_2", "j_2", "a_2"])
    (other,) = world.attempt(3, "other")
    assert other.data["refused_by"] == ["none"]
    numbers = shadow_numbers(world, "2.0")
    assert numbers == Compared(3, 1, 3, 2, 0)
    assert shadow_numbers(world, "3.0") == Compared(3, 0, 0, 0, 0)


GRANTED = Reservation("v_1", chain(["m_1"]))


def shadow_numbers(world: World, version: str) -> Compared:
    from neurorail.rules.manifest.records import COMPARED

    found = world.engine.state.kept.get(COMPARED, "default", version)
    assert found is not None
    return found


def test_what_was_asked_for_counts_against_a_shadows_limits(world: World) -> None:
    world.activate("1.0", f"{OPEN}budgets: {{defaults: [{{id: a, level: mission, limits: "
                   "{max_tokens: 50}}]}\n")  # fmt: skip
    world.tell(draft("2.0", SHADOWS), ManifestMoved("2.0", "shadow"))
    world.attempt(1)
    state = world.engine.state
    state.events = []
    ids = chain(["m_1", "p_1"])
    shadow.compare(state, {}, ids, {"tokens": 60})
    assert state.events[-1].data["differs"] == ["budget", "newly_allowed"]
    shadow.compare(state, {}, ids, {"tokens": 101})
    assert state.events[-1].data["differs"] == ["budget"]
    shadow.compare(state, {}, chain(["m_1", "p_9"]), {"tokens": 40}, GRANTED)
    assert state.events[-1].data["differs"] == ["budget"]
    shadow.compare(state, {}, chain(["m_1", "p_9"]), {"cost": 40, "tokens": 101}, GRANTED)
    assert state.events[-1].data["refused_by"] == ["plans"]


def test_shadows_are_not_asked_on_the_rail_where_agents_ask(world: World) -> None:
    world.activate("1.0", mode="rail")
    world.tell(draft("2.0"), ManifestMoved("2.0", "shadow"))
    assert world.attempt(1) == []
    assert shadow_numbers(world, "2.0").evaluations == 0


def test_without_shadows_nothing_is_compared(world: World) -> None:
    world.activate("1.0")
    state = world.engine.state
    state.events = []
    shadow.compare(state, {}, chain([]), {})
    assert state.events == []


def test_change_that_comes_again_changes_nothing(world: World) -> None:
    made = ManifestDrafted(document("1.0"), once=Once("a", "x"))
    moved = ManifestMoved("1.0", "shadow", once=Once("b", "x"))
    world.one(made, "manifest_created")
    world.one(made, "write_repeated")
    world.one(moved, "manifest_shadowed")
    world.one(moved, "write_repeated")


PRICES = "prices:\n- {model: mine, input_mtok: 2}\n"


def test_own_prices_are_asked_first(world: World) -> None:
    table = {"format": 1, "version": "built in", "providers": [], "overrides": [
        {"match": {"equals": name}, "prices": [{"input_mtok": "1"}]} for name in ("mine", "known")
    ]}  # fmt: skip
    world.tell(PricesLoaded("built in", "ab", json.dumps(table).encode()))
    head = "neurorail_manifest: 1\nname: t\nversion: '1.0'\ndefault_mode: direct\n"
    canonical = load(head + PRICES + OPEN, read_price=lambda one: {
        "match": {"equals": one["model"]}, "prices": [{"input_mtok": str(one["input_mtok"])}],
    }).json  # fmt: skip
    ids = chain(["m_1", "p_1", "j_1", "a_1", "r_1"])

    def cost(model: str) -> tuple[Any, Any]:
        usage = Usage("inference", None, model, input_tokens=1_000_000, has_tokens=True)
        events = world.tell(UsageReported(4, ids, BASE, usage))
        (tracked,) = [event.data for event in events if event.type == "cost_tracked"]
        return tracked["cost_usd_pico"], tracked["price_version"]

    assert cost("mine") == (10**12, "built in")
    world.tell(ManifestDrafted(canonical), ManifestMoved("1.0", "activate", "test", True))
    assert cost("mine") == (2 * 10**12, "manifest 1.0")
    assert cost("known") == (10**12, "built in")
    assert cost("unknown") == (None, None)


def test_shadows_are_asked_what_is_decided(world: World) -> None:
    world.activate("1.0", mode="rail")
    world.tell(draft("2.0", SHADOWS), ManifestMoved("2.0", "shadow"))
    ids = chain(["m_1", "p_1", "j_1"])
    asked = DecideRequested("d_1", "v_1", ids, "llm_call", estimates=(("tokens", 101),))
    events = [event for event in world.tell(asked) if event.type == "shadow_diverged"]
    assert [event.data["refused_by"] for event in events] == [["plans"]]


def test_manifest_of_another_tenant_can_be_looked_at() -> None:
    world = World(Runner(EngineConfig()))
    world.activate("1.0")
    state = world.engine.state
    state.tenant = "other"
    assert state.manifest_of("default").version == "1.0"
    assert state.tenant == "other"
    assert state.manifest.version == shipped().version


def test_shares_are_rounded_up() -> None:
    assert Compared(1000, 1).percent(1) == 1
    assert Compared().percent(0) == 0
