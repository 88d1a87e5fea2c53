"""Reflexes in a running engine: what triggers them, what they do, how it heals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.rules.governor.desk import at_most
from tests.rules.reflex.world import World, ids_of, manifest, types

from neurorail.rules.config import MS
from neurorail.rules.directives import Directive, blocking, find, half_open_at, passed
from neurorail.rules.manifest import actions, triggers
from neurorail.rules.manifest.condition import Condition
from neurorail.rules.manifest.model import ReflexRule
from neurorail.rules.reflex import actions as reflex_actions
from neurorail.rules.reflex import circuits, observe
from neurorail.rules.reflex.circuit import CIRCUITS, OUTCOMES_NS, Circuit, circuit_named

OPENAI = {"provider": "openai", "model": "gpt-5"}
FLAKY = ReflexRule(
    id="flaky",
    trigger=triggers.ConsecutiveFailures(count=3),
    per=("provider",),
    actions=(actions.Suspend(),),
    breaker=actions.Breaker(cooldown_ms=10_000, probes=2, successes=2, probe_timeout_ms=5_000),
    quiet_ms=0,
)


@pytest.fixture(params=[False, True], ids=["running", "restarting"])
def worlds(request: pytest.FixtureRequest) -> Callable[..., World]:
    def make(*rules: ReflexRule) -> World:
        return World(manifest(*rules), restarts=request.param)

    return make


Worlds = Callable[..., World]


def stops(world: World, facts: dict[str, Any]) -> list[str]:
    return [one.code for one in blocking(world.engine.state, facts)]


def fail(world: World, times: int = 3, **more: Any) -> None:
    for _ in range(times):
        world.pass_ms(20)
        world.call(failed=True, **more)


def probe(world: World, call: str, **facts: str) -> None:
    passed(world.engine.state, {**OPENAI, **facts}, call)
    world.apply()


# ── breakers ─────────────────────────────────────────────────────────────────────────────────


def test_failures_open_the_breaker_of_their_key_alone(worlds: Worlds) -> None:
    world = worlds(FLAKY)
    fail(world, 2)
    world.call(provider="mistral", failed=True)
    assert stops(world, OPENAI) == []
    fail(world, 1)
    assert stops(world, OPENAI) == ["NR-E006"]
    assert stops(world, {"provider": "mistral"}) == []
    assert types(world.events) == [
        "trigger_activated",
        "circuit_state_changed",
        "cooldown_activated",
        "directive_issued",
        "reflex_action_executed",
    ]
    (issued,) = world.of("directive_issued")
    assert issued["scope"] == {"provider": "openai"}
    assert issued["ttl_ms"] == 10_000
    assert issued["limits"] == {}
    (blocked,) = blocking(world.engine.state, OPENAI)
    assert blocked.retry_after_ms == 10_000
    directive = find(world.engine.state, blocked.directive_id)
    assert directive is not None
    state = world.engine.state
    assert half_open_at(state, directive) == state.now + 10_000 * MS
    assert half_open_at(state, Directive("d", "suspend", {}, "", "", "", 0)) == 0


def test_breaker_heals_by_probes_that_ask(worlds: Worlds) -> None:
    world = worlds(FLAKY)
    fail(world)
    world.pass_ms(10_000)
    assert world.of("circuit_state_changed")[-1]["to_state"] == "half_open"
    assert world.of("directive_issued")[-1]["limits"] == {"probes": 2}
    assert world.of("directive_issued")[-1]["ttl_ms"] is None
    probe(world, "one", resource_id="r_one")
    probe(world, "two")
    (full,) = blocking(world.engine.state, OPENAI)
    assert full.retry_after_ms == 5_000
    world.call(reservation_id="two", started_ms=0)
    assert stops(world, OPENAI) == []
    world.call(ids=(*ids_of()[:4], "r_one"), started_ms=0)
    assert world.of("circuit_state_changed")[-1]["to_state"] == "closed"
    assert world.of("directive_lifted")[-1]["reason"] == "enough probes succeeded"
    assert stops(world, OPENAI) == []


def test_breaker_heals_by_calls_that_never_ask(worlds: Worlds) -> None:
    world = worlds(FLAKY)
    fail(world)
    world.pass_ms(10_100)
    world.call()
    world.call()
    assert world.of("circuit_state_changed")[-1]["to_state"] == "closed"


def test_failed_probe_opens_it_for_longer(worlds: Worlds) -> None:
    world = worlds(FLAKY)
    fail(world)
    world.pass_ms(10_000)
    probe(world, "one")
    world.call(failed=True, reservation_id="one", started_ms=0)
    assert world.of("cooldown_activated")[-1]["cooldown_ms"] == 20_000
    (moved,) = [one for one in world.of("circuit_state_changed") if one["reason"].startswith("a p")]
    assert (moved["from_state"], moved["to_state"]) == ("half_open", "open")
    assert (moved["failure_count"], moved["openings"]) == (1, 2)


def test_what_ended_lately_is_known_minute_by_minute(worlds: Worlds) -> None:
    world = worlds(FLAKY)

    def circuit() -> Circuit:
        (found,) = [one for _, one in world.engine.state.kept.of(CIRCUITS, "default")]
        return found

    fail(world)
    assert [minute[1:] for minute in circuit().lately(world.engine.state.now)] == [(3, 3)]
    world.pass_ms(90_000)
    world.call()
    world.call(failed=True)
    now = world.engine.state.now
    first, second = circuit().lately(now)
    assert (first[1:], second[1:]) == ((3, 3), (2, 1))
    assert second[0] - first[0] in (60_000 * MS, 120_000 * MS)
    row = CIRCUITS.to_row(circuit())
    assert CIRCUITS.from_row(row).lately(now) == [first, second]
    assert CIRCUITS.from_row(row[:8]).lately(now) == []
    assert circuit().lately(now + OUTCOMES_NS) == []


def test_late_failures_of_the_outage_change_nothing(worlds: Worlds) -> None:
    world = worlds(FLAKY)
    fail(world)
    before = len(world.of("circuit_state_changed"))
    world.pass_ms(5_000)
    fail(world, 5, started_ms=0)
    world.pass_ms(4_800)
    assert len(world.of("circuit_state_changed")) == before
    world.pass_ms(300)
    assert world.of("circuit_state_changed")[-1]["to_state"] == "half_open"
    fail(world, 5, started_ms=100)
    assert world.of("circuit_state_changed")[-1]["to_state"] == "half_open"
    world.call()
    world.call()
    fail(world, 5, started_ms=100)
    assert world.of("circuit_state_changed")[-1]["to_state"] == "closed"


@pytest.mark.parametrize("code", sorted(observe.REFUSALS))
def test_refused_calls_feed_no_error_trigger(worlds: Worlds, code: str) -> None:
    world = worlds(FLAKY)
    fail(world, 10, error_code=code)
    fail(world, 10, outcome="cancelled")
    assert world.of("trigger_activated") == []


def test_lost_and_released_probes_free_their_places(worlds: Worlds) -> None:
    world = worlds(FLAKY)
    fail(world)
    world.pass_ms(10_000)
    probe(world, "one")
    probe(world, "two")
    circuits.released(world.engine.state, "unknown")
    assert stops(world, OPENAI) == ["NR-E006"]
    circuits.released(world.engine.state, "one")
    assert stops(world, OPENAI) == []
    probe(world, "three")
    world.pass_ms(5_000)
    assert stops(world, OPENAI) == []


def test_closed_breakers_are_forgotten_in_the_end(worlds: Worlds) -> None:
    world = worlds(FLAKY)
    fail(world)
    world.pass_ms(10_100)
    world.call()
    world.call()
    assert world.engine.state.kept.total(CIRCUITS) == 1
    fail(world)
    world.pass_ms(10_100)
    world.pass_ms(circuits.FORGOTTEN_AFTER_NS // MS - 20_000)
    world.call()
    world.call()
    world.pass_ms(100_000)
    assert world.engine.state.kept.total(CIRCUITS) == 1
    world.pass_ms(circuits.FORGOTTEN_AFTER_NS // MS)
    assert world.engine.state.kept.total(CIRCUITS) == 0


def test_breaker_closed_by_hand_is_forgotten_in_its_own_time(worlds: Worlds) -> None:
    world = worlds(FLAKY)
    fail(world)
    world.act("close", target="flaky:provider=openai")
    world.pass_ms(20_000)
    assert world.engine.state.kept.total(CIRCUITS) == 1
    world.pass_ms(circuits.FORGOTTEN_AFTER_NS // MS)
    assert world.engine.state.kept.total(CIRCUITS) == 0


def test_breaker_of_a_trigger_without_outcomes_closes_by_time_alone(worlds: Worlds) -> None:
    rule = ReflexRule(
        id="swarm",
        trigger=triggers.FanOut(level="job", count=2, window_ms=60_000),
        per=("job_id",),
        actions=(actions.Suspend(),),
        breaker=actions.Breaker(cooldown_ms=10_000),
        quiet_ms=0,
    )
    world = worlds(rule)
    for number in range(5):
        world.start((*ids_of(1, 2)[:3], f"a_{number}", None))
    assert stops(world, {"job_id": "j_1"}) == ["NR-E006"]
    assert len(world.of("trigger_activated")) == 1, "nothing is watched while it is open"
    world.pass_ms(10_000)
    assert stops(world, {"job_id": "j_1"}) == []
    assert [one["to_state"] for one in world.of("circuit_state_changed")] == ["open", "closed"]
    for number in range(5, 7):
        world.start((*ids_of(1, 2)[:3], f"a_{number}", None))
    assert stops(world, {"job_id": "j_1"}) == ["NR-E006"]


def test_downtime_prolongs_a_cooldown(worlds: Worlds) -> None:
    world = worlds(FLAKY)
    fail(world)
    world.down(60_000)
    world.pass_ms(35_000)
    assert stops(world, OPENAI) == ["NR-E006"]
    world.pass_ms(6_000)
    assert world.of("circuit_state_changed")[-1]["to_state"] == "half_open"


def test_attempts_have_breakers_too(worlds: Worlds) -> None:
    rule = ReflexRule(
        id="jobs",
        trigger=triggers.ErrorRate(window_ms=60_000, percent=100, min_volume=2),
        over="attempts",
        per=("job_type",),
        actions=(actions.Suspend(),),
    )
    world = worlds(rule)
    for number in (1, 2):
        world.start(ids_of(number, 2), job_type="scrape")
        world.start(ids_of(number))
        world.report("fail", ids_of(number))
    assert world.of("trigger_activated")[0]["key"] == {"job_type": "scrape"}
    assert stops(world, {"job_type": "scrape"}) == ["NR-E006"]


def test_too_many_breakers_are_refused() -> None:
    world = World(manifest(FLAKY))
    fail(world, 1)
    state = world.engine.state
    with at_most(CIRCUITS, 0):
        assert circuits.open_circuit(state, "rule", {}, actions.Breaker(), "why") is None
    rule = ReflexRule(id="x", trigger=triggers.ConsecutiveFailures(count=1),
                      actions=(actions.Suspend(),))  # fmt: skip
    world = World(manifest(rule))
    world.apply()
    with at_most(CIRCUITS, 0):
        world.call(failed=True)
    (done,) = world.of("reflex_action_executed")
    assert (done["success"], done["reason"]) == (False, "there are too many circuits")


# ── the other actions ────────────────────────────────────────────────────────────────────────


def acting(*done: actions.Action, **more: Any) -> ReflexRule:
    given: dict[str, Any] = {
        "trigger": triggers.ConsecutiveFailures(count=1),
        "per": ("provider",),
        "quiet_ms": 0,
        **more,
    }
    return ReflexRule(id="act", actions=done, **given)


def test_throttle_holds_for_its_time_and_goes_on_where_it_was(worlds: Worlds) -> None:
    world = worlds(acting(actions.Throttle(calls=1, every_ms=60_000, burst=1, hold_ms=30_000)))
    world.call(failed=True)
    assert stops(world, OPENAI) == []
    probe(world, "call")
    assert stops(world, OPENAI) == ["NR-E010"]
    world.pass_ms(10_000)
    world.call(failed=True)
    assert stops(world, OPENAI) == ["NR-E010"]
    world.pass_ms(30_000)
    assert stops(world, OPENAI) == []


@pytest.mark.parametrize(
    ("action", "stopped", "goes_on"),
    [
        (
            actions.Cancel(level="job"),
            [{"job_id": "j_1", "entity_type": "job"}, {"job_id": "j_1", "entity_type": "attempt"}],
            [{"job_id": "j_2", "entity_type": "job"}],
        ),
        (
            actions.Cancel(level="job", subtree=False),
            [{"job_id": "j_1", "entity_type": "job"}],
            [{"job_id": "j_1", "entity_type": "attempt"}],
        ),
    ],
)
def test_cancel_stops_an_entity(
    worlds: Worlds,
    action: actions.Cancel,
    stopped: list[dict[str, str]],
    goes_on: list[dict[str, str]],
) -> None:
    world = worlds(acting(action))
    world.call(failed=True)
    assert [stops(world, facts) for facts in stopped] == [["NR-E006"]] * len(stopped)
    assert [stops(world, facts) for facts in goes_on] == [[]] * len(goes_on)
    world.pass_ms(3_600_000)
    assert stops(world, stopped[0]) == []


def test_cancel_without_an_entity_does_not_succeed(worlds: Worlds) -> None:
    world = worlds(acting(actions.Cancel(level="plan")))
    world.call(failed=True, ids=("m_1", None, "j_1", "a_1", None))
    (done,) = world.of("reflex_action_executed")
    assert (done["success"], done["reason"]) == (False, "no plan is known")


def test_alert_says_where_to_and_how_bad(worlds: Worlds) -> None:
    world = worlds(acting(actions.Alert(webhook="ops", severity="error", message="look")))
    world.call(failed=True)
    (done,) = world.of("reflex_action_executed")
    assert done["alert"] == {"webhook": "ops", "severity": "error", "message": "look"}
    assert done["action_type"] == "alert"


@pytest.mark.parametrize(
    ("severity", "done"), [("observe", []), ("warn", ["alert"]), ("enforce", ["suspend", "alert"])]
)
def test_severity_says_what_is_done(worlds: Worlds, severity: str, done: list[str]) -> None:
    world = worlds(acting(actions.Suspend(), actions.Alert(), severity=severity))
    world.call(failed=True)
    assert len(world.of("trigger_activated")) == 1
    assert [one["action_type"] for one in world.of("reflex_action_executed")] == done


def test_quiet_rule_sees_nothing_until_its_time_is_over(worlds: Worlds) -> None:
    world = worlds(acting(actions.Alert(), quiet_ms=5_000))
    for _ in range(3):
        world.call(failed=True)
    assert len(world.of("trigger_activated")) == 1
    world.pass_ms(5_000)
    world.call(failed=True)
    assert len(world.of("trigger_activated")) == 2


# ── what is watched, and what is stopped ─────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("when", "per", "scope"),
    [
        ({}, ("provider", "model"), {"provider": "openai", "model": "gpt-5"}),
        ({"provider": "openai"}, (), {"provider": "openai"}),
        ({"all": [{"provider": "openai"}, {"failed": True}]}, (), {"provider": "openai"}),
        ({"any": [{"provider": "openai"}]}, ("model",), {"model": "gpt-5"}),
        ({"provider": ["openai"], "outcome": "failed"}, ("tool",), {"tool": None}),
        ({"tag.team": "a"}, ("tag.team", "outcome"), {"tag.team": "a"}),
        ({"not": {"provider": "mistral"}}, ("idempotent",), {"idempotent": None}),
    ],
)
def test_scope_is_the_key_and_what_the_condition_asks_plainly(
    worlds: Worlds, when: dict[str, Any], per: tuple[str, ...], scope: dict[str, Any]
) -> None:
    world = worlds(acting(actions.Suspend(), when=Condition(when), per=per))
    if "tag.team" in when:
        world.start(ids_of(level=0), tags=(("team", "a"),))
    world.call(failed=True)
    (issued,) = world.of("directive_issued")
    assert issued["scope"] == scope


@pytest.mark.parametrize(
    "when",
    [
        {"provider": "mistral"},
        {"provider": ["mistral"]},
        {"provider": "openai", "model": "large"},
        {"cel": "provider == 'mistral'"},
        {"agent": None, "tool": "x"},
    ],
)
def test_what_the_condition_does_not_match_is_not_watched(
    worlds: Worlds, when: dict[str, Any]
) -> None:
    world = worlds(acting(actions.Alert(), when=Condition(when)))
    world.call(failed=True)
    assert world.of("trigger_activated") == []


def test_rules_act_in_the_order_of_the_manifest(worlds: Worlds) -> None:
    """However they are found: by a fact that they ask for, or because they ask for none."""
    conditions: tuple[dict[str, Any], ...] = (
        {"provider": "openai"}, {}, {"model": "gpt-5"}, {"provider": "mistral"}, {},
    )  # fmt: skip
    rules = [
        replace(acting(actions.Alert(), when=Condition(when)), id=f"rule{number}")
        for number, when in enumerate(conditions)
    ]
    world = worlds(*rules)
    world.call(failed=True)
    told = [one["trigger_id"] for one in world.of("trigger_activated")]
    assert told == ["rule0", "rule1", "rule2", "rule4"]


def test_every_action_of_a_manifest_can_be_done() -> None:
    assert set(reflex_actions.ACTION_NAMES) == set(reflex_actions._DO)
    assert set(reflex_actions.ACTION_NAMES.values()) == set(actions.ACTIONS)


def test_circuit_without_a_name_is_none() -> None:
    assert circuit_named(World(manifest()).engine.state, "") is None
