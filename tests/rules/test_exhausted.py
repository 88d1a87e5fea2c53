"""Budgets that are used up stop what would use more, also where nobody asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.rules.reflex.world import World, ids_of, manifest

from neurorail.rules.directives import blocking
from neurorail.rules.manifest.condition import Condition
from neurorail.rules.manifest.limits import Limits
from neurorail.rules.manifest.model import BudgetRule, Budgets, Manifest, PoolRule
from neurorail.rules.manifest.windows import Window
from neurorail.rules.observations import Budget, Usage
from neurorail.rules.reflex.changed import manifest_changed

Worlds = Callable[..., World]
MISSION = {"mission_id": "m_1"}
MINUTE = Window(rolling_ms=60_000)


@pytest.fixture(params=[False, True], ids=["running", "restarting"])
def worlds(request: pytest.FixtureRequest) -> Worlds:
    def make(*pools: PoolRule) -> World:
        return World(replace(manifest(), pools=pools), restarts=request.param)

    return make


def stops(world: World, facts: dict[str, Any]) -> list[str]:
    return [one.code for one in blocking(world.engine.state, facts)]


def use(world: World, tokens: int, **more: Any) -> None:
    world.call(usage=Usage("inference", "openai", "gpt-5", input_tokens=tokens, has_tokens=True),
               **more)  # fmt: skip


# ── entities ─────────────────────────────────────────────────────────────────────────────────


def test_budget_stops_at_its_limit_not_before(worlds: Worlds) -> None:
    world = worlds()
    world.start(ids_of(level=0), Budget(max_tokens=100))
    use(world, 99)
    assert stops(world, MISSION) == []
    use(world, 1)
    assert stops(world, MISSION) == ["NR-E002"]
    assert blocking(world.engine.state, MISSION, reserved=True) == []
    assert world.of("budget_violation") == [], "exactly at the limit is within it"
    (issued,) = world.of("directive_issued")
    assert issued["scope"] == {"entity_type": "mission", "entity_id": "m_1"}


def test_zero_stops_from_the_start(worlds: Worlds) -> None:
    world = worlds()
    world.start(ids_of(level=0), Budget(max_cost_usd_pico=0))
    assert stops(world, MISSION) == ["NR-E002"]


def test_tool_budget_stops_tools_alone(worlds: Worlds) -> None:
    world = worlds()
    world.start(ids_of(level=0), Budget(max_tool_calls=1))
    world.tool("search")
    assert stops(world, {**MISSION, "operation": "tool"}) == ["NR-E002"]
    assert stops(world, {**MISSION, "operation": "inference"}) == []


def test_directive_is_renewed_while_usage_goes_on(worlds: Worlds) -> None:
    world = worlds()
    world.start(ids_of(level=0), Budget(max_tokens=1))
    use(world, 1)
    use(world, 1)
    assert len(world.of("directive_issued")) == 1
    world.pass_ms(3_600_000)
    assert stops(world, MISSION) == []
    use(world, 1)
    assert stops(world, MISSION) == ["NR-E002"]


def test_usage_that_is_taken_back_lets_work_go_on(worlds: Worlds) -> None:
    world = worlds()
    world.start(ids_of(level=0), Budget(max_tokens=30, max_tool_calls=9))
    response = Usage("inference", "openai", "gpt-5", "resp_1", input_tokens=30, has_tokens=True)
    world.nested(response)
    reasons = [one["reason"] for one in world.of("directive_lifted")]
    assert reasons == ["the budget is not used up any more"]
    assert stops(world, MISSION) == []


def budgeted(rule: BudgetRule) -> Manifest:
    return replace(manifest(), budgets=Budgets(defaults=(rule,)))


@pytest.mark.parametrize(
    ("limits", "severity", "codes"),
    [
        (Limits(max_tokens=100), "enforce", ["NR-E002"]),
        (Limits(max_tokens=101), "enforce", []),
        (Limits(max_tokens=100), "warn", []),
        (Limits(max_retries=0, max_parallel=0), "enforce", []),
    ],
)
def test_budget_of_the_manifest_stops_too(limits: Limits, severity: str, codes: list[str]) -> None:
    rule = BudgetRule(id="b", level="mission", limits=limits, severity=severity)
    world = World(budgeted(rule), restarts=True)
    for number in (1, 2):
        world.start((*ids_of()[:3], f"a_{number}", None))
    use(world, 100)
    assert stops(world, MISSION) == codes
    before, world.manifest = world.manifest, budgeted(replace(rule, description="changed"))
    world.engine.state.manifests["default"] = world.manifest
    manifest_changed(world.engine.state, before, world.manifest)
    assert stops(world, MISSION) == []


# ── pools ────────────────────────────────────────────────────────────────────────────────────


def pool(**more: Any) -> PoolRule:
    given: dict[str, Any] = {
        "key": ("provider",),
        "window": MINUTE,
        "limits": Limits(max_tokens=100),
    }
    return PoolRule(id="spend", **{**given, **more})


def test_pool_stops_its_key_until_it_renews(worlds: Worlds) -> None:
    world = worlds(pool())
    use(world, 99)
    assert stops(world, {"provider": "openai"}) == []
    use(world, 1)
    assert stops(world, {"provider": "openai"}) == ["NR-E002"]
    assert stops(world, {"provider": "mistral"}) == []
    (found,) = blocking(world.engine.state, {"provider": "openai"})
    assert found.retry_after_ms is not None
    assert found.retry_after_ms <= 62_000
    world.pass_ms(62_000)
    assert stops(world, {"provider": "openai"}) == []


def test_pool_that_is_passed_stays_stopped(worlds: Worlds) -> None:
    world = worlds(pool())
    use(world, 500)
    use(world, 500)
    assert len(world.of("directive_issued")) == 1


def test_calendar_pool_stops_until_its_period_ends(worlds: Worlds) -> None:
    world = worlds(pool(window=Window(calendar="hour"), key=()))
    use(world, 100)
    (issued,) = world.of("directive_issued")
    assert issued["scope"] == {}
    assert 0 < issued["ttl_ms"] <= 3_600_000
    world.pass_ms(issued["ttl_ms"])
    assert stops(world, {}) == []


def test_tools_of_a_pool_and_absent_keys(worlds: Worlds) -> None:
    world = worlds(pool(limits=Limits(max_tool_calls=1), key=("tag.team",)))
    world.tool("search")
    (issued,) = world.of("directive_issued")
    assert issued["scope"] == {"tag.team": None, "operation": "tool"}


@pytest.mark.parametrize(
    "more",
    [
        {"severity": "warn"},
        {"when": Condition({"model": {"prefix": "gpt"}})},
        {"when": Condition({"all": [{"model": ["gpt-5"]}]})},
        {"when": Condition({"any": [{"model": "gpt-5"}]})},
        {"key": ("outcome",)},
        {"limits": Limits(max_parallel=0, max_retries=0)},
    ],
)
def test_agents_are_not_told_what_they_could_not_tell(worlds: Worlds, more: dict[str, Any]) -> None:
    world = worlds(pool(**more))
    use(world, 500)
    assert world.of("directive_issued") == []


def test_plain_condition_narrows_the_scope(worlds: Worlds) -> None:
    world = worlds(pool(when=Condition({"all": [{"model": "gpt-5"}]}), key=()))
    use(world, 100)
    (issued,) = world.of("directive_issued")
    assert issued["scope"] == {"model": "gpt-5"}


def test_pool_usage_taken_back_lets_work_go_on(worlds: Worlds) -> None:
    world = worlds(pool(limits=Limits(max_tokens=30)))
    response = Usage("inference", "openai", "gpt-5", "resp_1", input_tokens=30, has_tokens=True)
    world.nested(response)
    assert "the pool is not used up any more" in [
        one["reason"] for one in world.of("directive_lifted")
    ]


def test_pool_window_that_is_over_stops_nothing(worlds: Worlds) -> None:
    world = worlds(pool(window=Window(calendar="minute")))
    use(world, 1)
    world.pass_ms(120_000)
    use(world, 500, started_ms=0)
    assert world.of("directive_issued") == []


def test_changed_pool_lets_go_what_it_stopped(worlds: Worlds) -> None:
    world = worlds(pool())
    use(world, 100)
    before, world.manifest = world.manifest, replace(manifest(), pools=(pool(severity="warn"),))
    world.engine.state.manifests["default"] = world.manifest
    manifest_changed(world.engine.state, before, world.manifest)
    world.apply()
    assert stops(world, {"provider": "openai"}) == []
