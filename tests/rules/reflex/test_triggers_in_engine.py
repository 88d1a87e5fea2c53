"""Every trigger of a manifest, fired by what an engine is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.rules.reflex.test_reflexes import fail
from tests.rules.reflex.world import BASE, World, ids_of, manifest

from neurorail.rules.config import MS
from neurorail.rules.manifest import actions, triggers
from neurorail.rules.manifest.condition import Condition
from neurorail.rules.manifest.model import ReflexRule
from neurorail.rules.observations import Budget, Usage
from neurorail.rules.reflex import observe

Worlds = Callable[..., World]


@pytest.fixture(params=[False, True], ids=["running", "restarting"])
def worlds(request: pytest.FixtureRequest) -> Worlds:
    def make(*rules: ReflexRule) -> World:
        return World(manifest(*rules), restarts=request.param)

    return make


def repeated_calls(world: World) -> None:
    for _ in range(3):
        world.tool("search", "hash-a")
        world.tool("search", "hash-b")
    world.tool("search")


def ping_pong(world: World) -> None:
    for _ in range(2):
        world.tool("open")
        world.tool("close")


def slow_calls(world: World) -> None:
    for _ in range(3):
        world.call(took_ms=9_000)


def late_signals(world: World) -> None:
    for _ in range(3):
        world.call(first_signal_ms=4_000)


def failures(world: World) -> None:
    for _ in range(3):
        world.call(failed=True)


def fan_out(world: World) -> None:
    world.start(ids_of(1, 2))
    for number in range(4):
        world.start((*ids_of(1, 2)[:3], f"a_{number}", None))
    world.start(ids_of(2, 3))


def silence(world: World) -> None:
    world.start(ids_of())
    world.pass_ms(20_000)
    world.call()
    world.pass_ms(29_000)
    assert world.of("trigger_activated") == []
    world.pass_ms(2_000)


def violations(world: World) -> None:
    for number in range(3):
        world.start(ids_of(number, 0), Budget(max_tokens=5))
        world.call(number)
    world.report("succeed", ids_of(9, 0), from_state="pending", to_state="queued")


def burning(world: World) -> None:
    world.start(ids_of(level=0), Budget(max_tokens=1_000, timeout_ms=600_000))
    for _ in range(30):
        world.pass_ms(1_000)
        world.call()


TRIGGERS: dict[str, tuple[triggers.Trigger, Callable[[World], None], str]] = {
    "error_rate": (
        triggers.ErrorRate(window_ms=60_000, percent=50, min_volume=3),
        failures,
        "3 of 3 failed",
    ),
    "consecutive_failures": (triggers.ConsecutiveFailures(count=3), failures, "3 failed in a row"),
    "latency": (
        triggers.LatencyQuantile(window_ms=60_000, more_than_ms=5_000, min_volume=3),
        slow_calls,
        "the duration was above 5000 ms",
    ),
    "first_signal": (
        triggers.TimeToFirstSignal(window_ms=60_000, more_than_ms=3_000, min_volume=3),
        late_signals,
        "the time to first signal was above 3000 ms",
    ),
    "burn_rate": (
        triggers.BurnRate(level="mission", kind="tokens", lookback_ms=20_000),
        burning,
        "what is left lasts",
    ),
    "repeated_call": (
        triggers.RepeatedCall(count=3, window_ms=60_000),
        repeated_calls,
        "search was called 3 times",
    ),
    "ping_pong": (triggers.PingPong(rounds=2, window_ms=60_000), ping_pong, "two steps alternated"),
    "fan_out": (
        triggers.FanOut(level="job", count=4, window_ms=60_000),
        fan_out,
        "4 children began",
    ),
    "no_progress": (triggers.NoProgress(silent_ms=30_000), silence, "nothing came for 30000 ms"),
    "violation_storm": (
        triggers.ViolationStorm(count=4, window_ms=60_000),
        violations,
        "4 violations came",
    ),
    "condition": (
        triggers.ConditionMet(
            holds=Condition({"error_code": "rate_limited"}), count=3, window_ms=60_000
        ),
        lambda world: fail(world, 3, error_code="rate_limited"),
        "3 times the condition held",
    ),
}


def test_every_trigger_and_action_of_a_manifest_is_tried() -> None:
    assert set(TRIGGERS) == set(triggers.TRIGGERS)


@pytest.mark.parametrize("name", TRIGGERS)
def test_trigger_fires_in_the_engine(worlds: Worlds, name: str) -> None:
    trigger, happens, reason = TRIGGERS[name]
    rule = ReflexRule(id="rule", trigger=trigger, actions=(actions.Alert(),))
    world = worlds(rule)
    happens(world)
    found = world.of("trigger_activated")
    assert found, "it did not fire"
    assert found[0]["trigger"] == name
    assert found[0]["reason"].startswith(reason)
    assert world.of("reflex_action_executed")[0]["success"]


def test_pools_tell_the_burn_rate_what_is_used() -> None:
    trigger = triggers.BurnRate(pool="team", kind="cost", lookback_ms=10_000, min_used_percent=0)
    world = World(manifest(ReflexRule(id="rule", trigger=trigger, actions=(actions.Alert(),))))
    world.apply()
    state = world.engine.state
    for pool, kind in (("other", "cost"), ("team", "tokens"), ("team", "cost")):
        observe.pool_used(
            state, pool, kind, {}, ids_of(),
            consumed=60, used=60, limit=100, renews_unix_nano=state.now + 60_000 * MS,
        )  # fmt: skip
    found = [event for event in state.events if event.type == "trigger_activated"]
    assert len(found) == 1
    plain = World(manifest())
    plain.apply()
    observe.pool_used(
        plain.engine.state, "team", "cost", {}, ids_of(),
        consumed=60, used=60, limit=100, renews_unix_nano=BASE,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("budget", "ids"),
    [
        (None, ids_of()),
        (Budget(timeout_ms=10_000), ids_of()),
        (Budget(max_tokens=10), ids_of()),
        (Budget(max_tokens=10, timeout_ms=10_000), ("m_other", *ids_of()[1:])),
        (Budget(max_tokens=10, timeout_ms=10_000), (None, None, None, "a_1", None)),
    ],
)
def test_nothing_burns_without_a_limit_and_a_time(
    worlds: Worlds, budget: Budget | None, ids: Any
) -> None:
    trigger = triggers.BurnRate(level="mission", kind="tokens", lookback_ms=20_000)
    world = worlds(ReflexRule(id="rule", trigger=trigger, actions=(actions.Alert(),)))
    world.start(ids_of(level=0), budget)
    world.call(ids=ids, usage=Usage("inference", input_tokens=9, has_tokens=True))
    assert world.of("trigger_activated") == []


def test_silence_of_what_ended_or_is_not_meant_is_none(worlds: Worlds) -> None:
    trigger = triggers.NoProgress(level="job", silent_ms=1_000)
    rule = ReflexRule(
        id="rule", trigger=trigger, when=Condition({"job_type": "long"}), quiet_ms=5_000
    )
    world = worlds(rule)
    world.start(ids_of(1, 2), job_type="short")
    world.start(ids_of(2, 2), job_type="long")
    world.report("succeed", ids_of(2, 2))
    world.pass_ms(60_000)
    assert world.of("trigger_activated") == []
    world.start(ids_of(3, 2), job_type="long")
    world.pass_ms(1_000)
    assert len(world.of("trigger_activated")) == 1
    world.pass_ms(4_999)
    assert len(world.of("trigger_activated")) == 1
    world.pass_ms(1)
    assert len(world.of("trigger_activated")) == 2


def test_fan_out_of_an_unknown_parent_is_not_counted(worlds: Worlds) -> None:
    rule = ReflexRule(id="rule", trigger=triggers.FanOut(level="plan", count=1, window_ms=1_000))
    world = worlds(rule)
    world.start((None, None, "j_1", None, None))
    assert world.of("trigger_activated") == []
