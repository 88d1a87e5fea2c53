"""What people decide: questions that reflexes ask, and what operators do by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.rules.governor.desk import at_most
from tests.rules.reflex.test_reflexes import FLAKY, OPENAI, acting, fail, stops
from tests.rules.reflex.world import World, ids_of, manifest

from neurorail.rules import directives
from neurorail.rules.config import MS
from neurorail.rules.directives import KILLS, entity_scope
from neurorail.rules.entity import SUSPENDED
from neurorail.rules.manifest import actions
from neurorail.rules.manifest.model import ReflexRule
from neurorail.rules.observations import ConfirmationAnswered, Once
from neurorail.rules.reflex import confirmations
from neurorail.rules.reflex.changed import manifest_changed
from neurorail.rules.reflex.circuit import CIRCUITS
from neurorail.rules.reflex.confirmations import CONFIRMATIONS, require
from neurorail.rules.reflex.operator import OPERATOR_ACTIONS
from neurorail.rules.reflex.watch import WATCHES

Worlds = Callable[..., World]


@pytest.fixture(params=[False, True], ids=["running", "restarting"])
def worlds(request: pytest.FixtureRequest) -> Worlds:
    def make(*rules: ReflexRule) -> World:
        world = World(manifest(*rules), restarts=request.param)
        world.apply()
        return world

    return make


def asking(**more: Any) -> ReflexRule:
    return acting(actions.Confirm(question="really?", within_ms=5_000, **more))


def question_of(world: World) -> str:
    return str(world.of("confirmation_requested")[-1]["confirmation_id"])


# ── questions ────────────────────────────────────────────────────────────────────────────────


def test_nothing_begins_until_somebody_approves(worlds: Worlds) -> None:
    world = worlds(asking())
    world.call(failed=True)
    assert stops(world, OPENAI) == ["NR-E009"]
    world.answer(question_of(world), approved=True, reason="fine")
    assert stops(world, OPENAI) == []
    (resolved,) = world.of("confirmation_resolved")
    assert (resolved["answer"], resolved["reason"]) == ("approved", "fine")


def test_denial_holds_for_a_day(worlds: Worlds) -> None:
    world = worlds(asking())
    world.call(failed=True)
    world.answer(question_of(world), approved=False, reason="no")
    assert stops(world, OPENAI) == ["NR-E009"]
    assert world.of("directive_issued")[-1]["reason"] == "denied: no"
    world.pass_ms(confirmations.ANSWER_HOLDS_NS // MS)
    assert stops(world, OPENAI) == []
    assert world.engine.state.kept.total(CONFIRMATIONS) == 0


@pytest.mark.parametrize(
    ("unanswered", "answer", "stopped"),
    [("deny", "denied", ["NR-E009"]), ("approve", "approved", [])],
)
def test_no_answer_is_an_answer(
    worlds: Worlds, unanswered: str, answer: str, stopped: list[str]
) -> None:
    world = worlds(asking(unanswered=unanswered))
    world.call(failed=True)
    world.pass_ms(5_000)
    (resolved,) = world.of("confirmation_resolved")
    assert (resolved["answer"], resolved["reason"]) == (answer, "nobody answered in time")
    assert stops(world, OPENAI) == stopped


def test_downtime_gives_more_time_to_answer(worlds: Worlds) -> None:
    world = worlds(asking())
    world.call(failed=True)
    world.down(60_000)
    world.pass_ms(30_000)
    assert world.of("confirmation_resolved") == []
    world.pass_ms(6_000)
    assert len(world.of("confirmation_resolved")) == 1


def test_question_is_answered_once(worlds: Worlds) -> None:
    world = worlds(asking())
    world.call(failed=True)
    world.answer(question_of(world), approved=True)
    world.answer(question_of(world), approved=False)
    world.answer("c_unknown", approved=True)
    assert len(world.of("confirmation_resolved")) == 1
    assert world.engine.state.counters["confirmations_not_open"] == 2


def test_open_question_is_not_asked_twice_but_an_answered_one_is_by_a_reflex(
    worlds: Worlds,
) -> None:
    world = worlds(asking())
    world.call(failed=True)
    world.call(failed=True)
    assert len(world.of("confirmation_requested")) == 1
    world.answer(question_of(world), approved=False)
    world.pass_ms(1)
    world.call(failed=True)
    assert len(world.of("confirmation_requested")) == 2
    assert len({one["confirmation_id"] for one in world.of("confirmation_requested")}) == 2


def test_decide_learns_what_people_said(worlds: Worlds) -> None:
    world = worlds()

    def ask() -> str:
        return require(world.engine.state, "personal", {"job_id": "j_1"}, "", 5_000)

    assert ask() == "pending"
    world.apply()
    assert ask() == "pending"
    (asked,) = [one for _, one in world.engine.state.kept.of(CONFIRMATIONS, "default")]
    world.answer(asked.id, approved=True)
    assert ask() == "approved"


def test_too_many_questions_are_denied() -> None:
    world = World(manifest(asking()))
    world.apply()
    state = world.engine.state
    for number in range(confirmations.CONFIRMATIONS_MAX):
        require(state, "rule", {"job_id": f"j_{number}"}, "", 5_000)
    assert require(state, "rule", {}, "", 5_000) == "denied"
    world.call(failed=True)
    (done,) = world.of("reflex_action_executed")
    assert (done["success"], done["reason"]) == (False, "there are too many questions")


# ── by hand ──────────────────────────────────────────────────────────────────────────────────


def outcome(world: World) -> tuple[bool, str]:
    done = world.of("reflex_action_executed")[-1]
    return done["success"], done["reason"]


def test_kill_switch_holds_until_it_is_released(worlds: Worlds) -> None:
    world = worlds()
    world.act("kill", scope={}, reason="incident 12")
    assert stops(world, OPENAI) == ["NR-E008"]
    world.pass_ms(100 * 86_400_000)
    assert stops(world, OPENAI) == ["NR-E008"]
    world.act("resume", target="kill:by hand:*")
    assert outcome(world)[0] is False
    world.act("release", scope={}, reason="over")
    assert stops(world, OPENAI) == []


def test_kill_switch_with_a_time_ends_by_itself(worlds: Worlds) -> None:
    world = worlds()
    world.act("kill", scope={"provider": "openai"}, ttl_ms=60_000)
    world.pass_ms(60_000)
    assert stops(world, OPENAI) == []


def test_suspended_entity_shows_it(worlds: Worlds) -> None:
    world = worlds()
    world.start(ids_of(1, 0))
    scope = entity_scope("mission", "m_1")
    world.act("suspend", scope=scope, reason="wait")
    entity = world.engine.state.entity("m_1")
    assert entity is not None
    assert entity.flags & SUSPENDED
    assert stops(world, {"mission_id": "m_1"}) == ["NR-E006"]
    world.act("resume", scope=scope)
    entity = world.engine.state.entity("m_1")
    assert entity is not None
    assert not entity.flags & SUSPENDED
    assert stops(world, {"mission_id": "m_1"}) == []
    world.act("suspend", scope=entity_scope("mission", "m_unknown"))
    assert outcome(world)[0]


def test_circuit_opened_by_hand_stays_open_until_closed_by_hand(worlds: Worlds) -> None:
    world = worlds(FLAKY)
    fail(world)
    world.act("open", target="flaky:provider=openai", reason="hold on")
    world.act("open", target="flaky:provider=openai", reason="once more")
    assert outcome(world) == (True, "once more")
    world.pass_ms(86_400_000)
    assert stops(world, OPENAI) == ["NR-E006"]
    assert world.of("circuit_state_changed")[-1]["held"] is True
    world.act("resume", target="suspend:flaky:provider=openai")
    assert outcome(world) == (
        False,
        "suspend:flaky:provider=openai belongs to circuit flaky:provider=openai: close that",
    )
    world.act("close", target="flaky:provider=openai")
    assert stops(world, OPENAI) == []
    world.act("close", target="flaky:provider=openai")
    assert outcome(world) == (False, "flaky:provider=openai is closed")


def test_circuit_can_be_opened_for_any_scope(worlds: Worlds) -> None:
    world = worlds()
    world.act("open", scope={"tool": "rm"})
    assert stops(world, {"tool": "rm"}) == ["NR-E006"]
    world.act("close", scope={"tool": "rm"})
    assert stops(world, {"tool": "rm"}) == []


@pytest.mark.parametrize(
    ("action", "target"),
    [("open", "nothing"), ("close", "nothing"), ("resume", "nothing"), ("release", "nothing")],
)
def test_what_is_not_known_is_said(worlds: Worlds, action: str, target: str) -> None:
    world = worlds()
    world.act(action, target=target)
    success, reason = outcome(world)
    assert not success
    assert "nothing" in reason


def test_what_is_sent_again_is_done_once(worlds: Worlds) -> None:
    world = worlds(asking())
    once = Once("reflex/kill 7", "digest")
    world.act("kill", once=once)
    world.act("kill", once=once)
    assert len(world.of("reflex_action_executed")) == 1
    world.call(failed=True)
    answers = [
        ConfirmationAnswered(question_of(world), True, "", Once("answer 8", "digest"))
        for _ in range(2)
    ]
    world.apply(answers[0])
    world.apply(answers[1])
    assert "confirmations_not_open" not in world.engine.state.counters
    assert len(world.of("write_repeated")) == 2


def test_every_operator_action_is_tried() -> None:
    assert set(OPERATOR_ACTIONS) == {"open", "close", "suspend", "resume", "kill", "release"}


def test_limits_refuse_by_hand_too() -> None:
    world = World(manifest())
    world.apply()
    with at_most(KILLS, 0):
        world.act("kill")
    assert outcome(world) == (False, "there are too many kill switches, release some")
    with at_most(CIRCUITS, 0):
        world.act("open", scope={"tool": "rm"})
    assert outcome(world) == (False, "there are too many circuits")


# ── another manifest ─────────────────────────────────────────────────────────────────────────


def stopping(world: World) -> list[str]:
    return [one.rule for one in directives.blocking(world.engine.state, OPENAI)]


def change(world: World, *rules: ReflexRule) -> None:
    before, world.manifest = world.manifest, manifest(*rules)
    world.engine.state.manifests["default"] = world.manifest
    manifest_changed(world.engine.state, before, world.manifest)
    world.apply()


def test_changed_reflex_starts_anew_and_lets_go(worlds: Worlds) -> None:
    asks = replace(asking(), id="asks")
    slows = replace(acting(actions.Throttle(calls=1, burst=1)), id="slows")
    world = worlds(FLAKY, asks, slows)
    world.act("suspend", scope={"provider": "openai"}, reason="by hand")
    world.act("open", scope={"provider": "openai"}, reason="by hand")
    require(world.engine.state, "personal", {"provider": "openai"}, "", 86_400_000)
    fail(world)
    directives.passed(world.engine.state, OPENAI, "call")
    world.apply()
    assert stopping(world) == ["", "", "flaky", "personal", "asks", "slows"]
    change(world, replace(FLAKY, quiet_ms=1), asks, slows)
    assert stopping(world) == ["", "", "personal", "asks", "slows"]
    change(world)
    assert stopping(world) == ["", "", "personal"], "what is not the manifest's stays"
    assert world.engine.state.kept.total(WATCHES) == 0
    assert world.engine.state.kept.total(CONFIRMATIONS) == 1


def test_same_reflex_goes_on_as_it_was(worlds: Worlds) -> None:
    world = worlds(FLAKY)
    fail(world, 2)
    change(world, FLAKY, asking())
    change(world, FLAKY)
    fail(world, 1)
    assert stops(world, OPENAI) == ["NR-E006"]


def test_watched_silence_of_a_rule_that_is_gone_is_forgotten(worlds: Worlds) -> None:
    from neurorail.rules.manifest import triggers

    rule = ReflexRule(id="quiet", trigger=triggers.NoProgress(silent_ms=1_000))
    world = worlds(rule)
    world.start(ids_of())
    world.manifest = manifest()
    world.engine.state.manifests["default"] = world.manifest
    world.pass_ms(1_000)
    assert world.engine.state.kept.total(WATCHES) == 0
