"""What is stopped, for whom, until when; and how it is said."""

from __future__ import annotations

from typing import Any

import pytest
from tests.rules.reflex.world import BASE, TENANT, World, ids_of, manifest

from neurorail.rules import directives
from neurorail.rules.config import MS
from neurorail.rules.directives import (
    ACTIONS,
    CANCEL,
    CONFIRM,
    KILL,
    SUSPEND,
    THROTTLE,
    Directive,
    blocking,
    entity_scope,
    scope_text,
)
from neurorail.rules.manifest.actions import Throttle as Rate
from neurorail.rules.observations import AuditLogged
from neurorail.rules.state import State

CALL = {"mission_id": "m_1", "attempt_id": "a_1", "provider": "openai", "model": "gpt-5"}


@pytest.fixture(params=[False, True], ids=["running", "restarting"])
def world(request: pytest.FixtureRequest) -> World:
    world = World(manifest(), restarts=request.param)
    world.apply(AuditLogged(ids_of(), "x", "execution", "info", "hello", "{}", BASE))
    return world


def settle(world: World) -> State:
    """The state, after a restart if the world has them."""
    world.apply()
    return world.engine.state


def issue(world: World, name: str, action: str, scope: dict[str, Any], **more: Any) -> bool:
    state = world.engine.state
    ttl_ms = more.pop("ttl_ms", 0)
    code = more.pop("code", "NR-E006")
    issued = directives.issue(
        state,
        Directive(
            name,
            action,
            scope,
            code,
            "a reason",
            "rule",
            state.now,
            state.now + ttl_ms * MS if ttl_ms else 0,
            **more,
        ),
    )
    settle(world)
    return issued


def blocked(world: World, facts: dict[str, Any] = CALL, **more: Any) -> list[str]:
    state = world.engine.state
    state.tenant = TENANT
    return [one.directive_id for one in blocking(state, facts, **more)]


@pytest.mark.parametrize(
    ("scope", "matches"),
    [
        ({}, True),
        ({"provider": "openai"}, True),
        ({"provider": "openai", "model": "gpt-5"}, True),
        ({"provider": "openai", "model": "gpt-4"}, False),
        ({"tool": None}, True),
        ({"model": None}, False),
        ({"tool": "search"}, False),
        (entity_scope("mission", "m_1"), True),
        (entity_scope("attempt", "a_2"), False),
        (entity_scope("job", "j_1"), False),
    ],
)
def test_scope_has_to_be_fulfilled_whole(
    world: World, scope: dict[str, Any], matches: bool
) -> None:
    issue(world, "d", SUSPEND, scope)
    assert blocked(world) == (["d"] if matches else [])
    directives.lift(world.engine.state, "d", "over")
    settle(world)
    assert blocked(world) == []
    assert world.engine.state.directives[TENANT].by_names == {}


def test_facts_of_any_type_are_compared_as_text(world: World) -> None:
    issue(world, "flag", SUSPEND, {"idempotent": "true"})
    issue(world, "number", SUSPEND, {"attempt_number": "2"})
    assert blocked(world, {"idempotent": True, "attempt_number": 2}) == ["flag", "number"]
    assert blocked(world, {"idempotent": False, "attempt_number": 1}) == []


def test_strictest_comes_first(world: World) -> None:
    for action in reversed(ACTIONS):
        rate = Rate(calls=1, every_ms=1_000) if action == THROTTLE else None
        issue(world, action, action, {"provider": "openai"}, rate=rate)
    directives.passed(world.engine.state, CALL, "call")
    assert blocked(world) == list(ACTIONS)


def test_budget_never_stops_the_holder_of_a_reservation(world: World) -> None:
    issue(world, "budget", SUSPEND, {}, code="NR-E002")
    issue(world, "kill", KILL, {}, code="NR-E008")
    assert blocked(world) == ["kill", "budget"]
    assert blocked(world, reserved=True) == ["kill"]


def test_expired_directive_stops_nothing_and_is_lifted(world: World) -> None:
    issue(world, "d", SUSPEND, {}, ttl_ms=5_000)
    (found,) = blocking(world.engine.state, CALL)
    assert found.retry_after_ms == 5_000
    world.engine.state.now += 5_000 * MS
    assert blocked(world) == []
    assert directives.active(world.engine.state) == []
    world.pass_ms(5_000)
    (lifted,) = world.of("directive_lifted")
    assert (lifted["directive_id"], lifted["reason"]) == ("d", "expired")


def test_downtime_moves_expiry(world: World) -> None:
    issue(world, "d", SUSPEND, {}, ttl_ms=5_000)
    world.down(60_000)
    assert blocked(world) == ["d"]
    world.pass_ms(30_000)
    assert blocked(world) == ["d"]
    world.pass_ms(5_001)
    assert blocked(world) == []
    assert world.of("directive_lifted")


@pytest.mark.parametrize("action", [KILL, CANCEL, CONFIRM])
def test_nobody_can_say_when_these_end(world: World, action: str) -> None:
    issue(world, "d", action, {}, ttl_ms=1_000)
    (found,) = blocking(world.engine.state, CALL)
    assert found.retry_after_ms is None


def test_reissue_replaces_and_says_so(world: World) -> None:
    issue(world, "d", SUSPEND, {"provider": "openai"})
    issue(world, "d", SUSPEND, {"provider": "mistral"}, ttl_ms=1_000)
    assert blocked(world) == []
    assert blocked(world, {"provider": "mistral"}) == ["d"]
    assert not directives.lift(world.engine.state, "unknown", "x")


def test_throttle_takes_a_token_for_each_call_that_passed(world: World) -> None:
    issue(world, "d", THROTTLE, {"provider": "openai"}, rate=Rate(calls=2, every_ms=1_000))
    for _ in range(2):
        assert blocked(world) == []
        directives.passed(world.engine.state, CALL, "call")
        settle(world)
    (found,) = blocking(world.engine.state, CALL)
    assert found.retry_after_ms == 500
    world.pass_ms(500)
    assert blocked(world) == []
    directive = directives.find(world.engine.state, "d")
    assert directive is not None
    assert directive.limits(world.engine.state) == {"calls": 2, "every_ms": 1_000, "burst": 2}


@pytest.mark.interpreted
def test_oldest_directive_gives_way(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directives, "DIRECTIVES_MAX", 2)
    for name in ("one", "two", "three"):
        assert issue(world, name, SUSPEND, {"tag.x": name})
    assert [one.id for one in directives.active(world.engine.state)] == ["two", "three"]
    assert world.engine.state.counters["directives_dropped"] == 1


@pytest.mark.interpreted
def test_what_expires_gives_way_before_what_holds(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directives, "DIRECTIVES_MAX", 3)
    for name, ttl_ms in (("held", 0), ("short", 1_000), ("long", 9_000), ("new", 0)):
        assert issue(world, name, SUSPEND, {"tag.x": name}, ttl_ms=ttl_ms)
    assert [one.id for one in directives.active(world.engine.state)] == ["held", "long", "new"]


def test_no_kill_switch_gives_way() -> None:
    world = World(manifest())
    world.apply()
    for number in range(directives.KILLS_MAX):
        assert issue(world, f"k{number}", KILL, {"tag.x": str(number)})
    assert not issue(world, "one more", KILL, {})
    assert blocked(world, {"tag.x": "0"}) == ["k0"]
    assert world.engine.state.counters["kill_switch_refused"] == 1


def test_tenants_do_not_see_each_other(world: World) -> None:
    issue(world, "d", SUSPEND, {})
    world.engine.state.tenant = "other"
    assert blocking(world.engine.state, CALL) == []


def test_events_carry_the_chain_that_a_scope_names() -> None:
    assert directives.scope_ids(entity_scope("job", "j_1")) == (None, None, "j_1", None, None)
    assert directives.scope_ids({"mission_id": "m_1"})[0] == "m_1"
    assert directives.scope_ids({"mission_id": "not an id", "plan_id": None}) == (None,) * 5


def test_scope_in_one_line() -> None:
    assert scope_text({}) == "*"
    assert scope_text({"b": "2", "a": "1"}) == "a=1,b=2"
