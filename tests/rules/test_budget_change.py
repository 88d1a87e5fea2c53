"""People change budgets of what runs; every record goes to an engine that always restarts too."""

from __future__ import annotations

from typing import Any

import pytest
from tests.rules.governor.desk import CENT, IDS, Desk
from tests.rules.governor.test_decide import manifest
from tests.rules.scenario import chain

from neurorail.rules.directives import active, blocking
from neurorail.rules.entity import OVER_BUDGET
from neurorail.rules.events import Event
from neurorail.rules.governor.by_hand import CHANGED
from neurorail.rules.manifest.limits import Limits
from neurorail.rules.manifest.model import BudgetRule, Budgets, ReflexRule
from neurorail.rules.manifest.triggers import BurnRate
from neurorail.rules.observations import Budget, BudgetChanged, Once

MISSION = {"mission_id": "m_1"}


def change(desk: Desk, *ids: str, key: Any = "", **limits: int) -> list[Event]:
    once = Once(f"budgets {key}", "sha") if key else None
    return desk.send(BudgetChanged(len(ids) - 1, chain(ids), Budget(**limits), "agreed", once))


def types(events: list[Event]) -> list[str]:
    return [event.type for event in events]


def stops(desk: Desk) -> list[str]:
    desk.state.tenant = "default"
    return [one.directive_id for one in blocking(desk.state, MISSION)]


def over(desk: Desk) -> bool:
    return bool(desk.state.entity("m_1").flags & OVER_BUDGET)


def budgeted(*rules: BudgetRule, **more: Any) -> Desk:
    return Desk(manifest(budgets=Budgets(defaults=rules), **more))


def cost_rule(cents: int, **more: Any) -> BudgetRule:
    limits = Limits(max_cost_usd_pico=cents * CENT)
    return BudgetRule(id=more.pop("id", "spend"), level="mission", limits=limits, **more)


# ── raising ──────────────────────────────────────────────────────────────────────────────────


def test_work_goes_on_until_the_new_limit_is_broken() -> None:
    desk = Desk()
    desk.begin("m_1", budget=Budget(max_cost_usd_pico=10 * CENT))
    desk.call(*IDS, cost=12 * CENT)
    assert stops(desk) == ["budget:m_1:cost:"]
    assert over(desk)
    assert not desk.ask("m_1", cost_usd_pico=CENT)["allowed"]

    said = change(desk, "m_1", max_cost_usd_pico=100 * CENT)
    assert types(said) == ["budget_changed", "directive_lifted"]
    assert said[0].data == {
        "entity_type": "mission", "entity_id": "m_1", "reason": "agreed",
        "scope": {"entity_type": "mission", "entity_id": "m_1"},
        "before": {"max_cost_usd_pico": 10 * CENT}, "limits": {"max_cost_usd_pico": 100 * CENT},
    }  # fmt: skip
    assert stops(desk) == []
    assert not over(desk)
    asked = desk.ask("m_1", cost_usd_pico=80 * CENT)
    assert asked["allowed"]
    assert not desk.ask("m_1", cost_usd_pico=9 * CENT)["allowed"], "8 cents are left"

    desk.report("release", asked["reservation_id"])
    desk.call(*IDS, cost=60 * CENT)
    assert len(desk.said("budget_violation")) == 1
    desk.call(*IDS, cost=10 * CENT)
    assert [one["percent"] for one in desk.said("budget_warning")] == [82]
    desk.call(*IDS, cost=20 * CENT)
    first, again = desk.said("budget_violation")
    assert (first["limit"], again["limit"]) == (10 * CENT, 100 * CENT)
    assert again["consumed"] == 102 * CENT
    assert again["evidence"]["totals"][5] == 102 * CENT
    assert stops(desk) == ["budget:m_1:cost:"]


def test_what_telemetry_repeats_does_not_tighten_again() -> None:
    desk = Desk()
    stated = Budget(max_tokens=10, max_tool_calls=4)
    desk.begin("m_1", budget=stated)
    change(desk, "m_1", max_tokens=100)
    desk.begin("m_1", budget=Budget(max_tokens=10, max_tool_calls=3))
    assert desk.state.entity("m_1").budget == Budget(max_tokens=100, max_tool_calls=3)


def test_the_manifests_limit_of_the_kind_is_replaced() -> None:
    desk = budgeted(
        cost_rule(10),
        cost_rule(5, id="watch", severity="warn"),
        BudgetRule(id="calls", level="mission", limits=Limits(max_model_calls=3)),
    )
    desk.begin("m_1")
    desk.call(*IDS, cost=11 * CENT)
    assert stops(desk) == ["budget:m_1:cost:spend"]
    (changed, lifted) = change(desk, "m_1", max_cost_usd_pico=50 * CENT)
    assert changed.data["before"] == {"max_cost_usd_pico": 10 * CENT}
    assert lifted.data["directive_id"] == "budget:m_1:cost:spend"
    desk.call(*IDS, cost=5 * CENT)
    assert len(desk.said("budget_violation")) == 2, "of the rule that warns, and the old limit"
    answer = desk.ask("m_1", cost_usd_pico=30 * CENT)
    assert answer["allowed"]
    assert [(one["kind"], one["rule_id"]) for one in answer["reasons"]] == [("cost", "watch")]
    desk.call(*IDS, cost=1)
    assert stops(desk) == ["budget:m_1:model_calls:calls"], "other kinds hold as before"


def test_a_rule_of_the_manifest_gives_way_to_a_limit_that_is_used_up_too() -> None:
    desk = budgeted(cost_rule(10))
    desk.begin("m_1")
    desk.call(*IDS, cost=11 * CENT)
    said = change(desk, "m_1", max_cost_usd_pico=11 * CENT)
    assert types(said) == ["budget_changed", "directive_issued", "budget_warning",
                           "directive_lifted"]  # fmt: skip
    assert stops(desk) == ["budget:m_1:cost:"]


def test_every_kind_can_be_limited() -> None:
    desk = Desk()
    desk.begin("m_1")
    names = ("max_input_tokens", "max_output_tokens", "max_model_calls", "max_tool_calls")
    said = change(desk, "m_1", **dict.fromkeys(names, 0))
    assert types(said) == ["budget_changed"] + ["directive_issued"] * 4
    assert said[0].data["before"] == dict.fromkeys(
        ("max_input_tokens", "max_output_tokens", "max_tool_calls", "max_model_calls")
    )
    desk.call(*IDS, tokens=3)
    broken = [one["violation_type"] for one in desk.said("budget_violation")]
    assert broken == ["input_tokens", "model_calls"]
    desk.state.tenant = "default"
    assert len(active(desk.state)) == 4
    change(desk, "m_1", **dict.fromkeys(names, 9))
    assert active(desk.state) == []


def test_a_child_is_bound_by_what_is_above() -> None:
    desk = Desk()
    desk.begin("m_1", budget=Budget(max_cost_usd_pico=10 * CENT))
    desk.begin("m_1", "p_1")
    desk.begin("m_1", "p_1", "j_1", budget=Budget(max_cost_usd_pico=CENT))
    change(desk, "m_1", "p_1", "j_1", max_cost_usd_pico=100 * CENT)
    refused = desk.ask("m_1", "p_1", "j_1", cost_usd_pico=11 * CENT)
    assert [one["scope"]["entity_id"] for one in refused["reasons"]] == ["m_1"]
    assert desk.ask("m_1", "p_1", "j_1", cost_usd_pico=10 * CENT)["allowed"]


def test_what_is_reserved_counts_against_the_new_limit() -> None:
    desk = Desk()
    desk.begin("m_1", budget=Budget(max_cost_usd_pico=10 * CENT))
    assert desk.ask("m_1", cost_usd_pico=8 * CENT)["allowed"]
    change(desk, "m_1", max_cost_usd_pico=5 * CENT)
    assert desk.ask("m_1", cost_usd_pico=1)["reasons"][0]["held"] == 8 * CENT
    change(desk, "m_1", max_cost_usd_pico=11 * CENT)
    assert not desk.ask("m_1", cost_usd_pico=4 * CENT)["allowed"]
    assert desk.ask("m_1", cost_usd_pico=3 * CENT)["allowed"]


def test_a_refusal_is_not_repeated_from_memory() -> None:
    desk = Desk()
    desk.begin("m_1", budget=Budget(max_cost_usd_pico=CENT))
    desk.begin("m_2", budget=Budget(max_cost_usd_pico=CENT))
    for mission in ("m_1", "m_2"):
        assert not desk.ask(mission, key=mission, cost_usd_pico=2 * CENT)["allowed"]
    granted = desk.ask("m_1", key="granted", cost_usd_pico=1)
    change(desk, "m_1", max_cost_usd_pico=9 * CENT)
    assert desk.ask("m_1", key="m_1", cost_usd_pico=2 * CENT)["allowed"]
    again = desk.ask("m_2", key="m_2", cost_usd_pico=2 * CENT)
    assert (again["event"], again["allowed"]) == ("decision_repeated", False)
    again = desk.ask("m_1", key="granted", cost_usd_pico=1)
    assert (again["event"], again["reservation_id"]) == (
        "decision_repeated", granted["reservation_id"],
    )  # fmt: skip


# ── lowering ─────────────────────────────────────────────────────────────────────────────────


def test_a_limit_below_what_is_consumed_is_used_up_at_once() -> None:
    desk = Desk()
    desk.begin("m_1", budget=Budget(max_cost_usd_pico=100 * CENT))
    desk.call(*IDS, cost=20 * CENT)
    said = change(desk, "m_1", max_cost_usd_pico=15 * CENT)
    assert types(said) == ["budget_changed", "directive_issued", "budget_violation"]
    assert said[2].data["overshoot"] == 5 * CENT
    assert not desk.ask("m_1", cost_usd_pico=1)["allowed"]
    # Still below: broken anew, and what holds goes on to hold.
    said = change(desk, "m_1", max_cost_usd_pico=19 * CENT)
    assert types(said) == ["budget_changed", "budget_violation"]
    assert stops(desk) == ["budget:m_1:cost:"]


# ── time, retries, attempts at once ──────────────────────────────────────────────────────────


def test_more_time_takes_back_a_timeout_that_is_no_state_yet() -> None:
    desk = Desk()
    desk.begin("m_1", budget=Budget(timeout_ms=10_000))
    desk.wait(12)
    assert len(desk.said("timeout_enforced")) == 1
    said = change(desk, "m_1", timeout_ms=60_000)
    assert types(said) == ["budget_changed", "directive_lifted"]
    assert said[1].data["directive_id"] == "timeout:m_1"
    desk.wait(30)
    assert desk.state.entity("m_1").state == "running"
    assert not over(desk)
    desk.wait(40)
    assert [one["timeout_ms"] for one in desk.said("timeout_enforced")] == [10_000, 60_000]
    assert desk.state.entity("m_1").state == "timeout"
    assert len(desk.said("budget_violation")) == 2


def test_less_time_than_has_passed_is_over_at_once() -> None:
    desk = Desk()
    desk.begin("m_1")
    desk.wait(30)
    change(desk, "m_1", timeout_ms=5_000)
    desk.wait(1)
    assert desk.state.entity("m_1").state == "timeout"


def test_time_in_place_of_the_manifests() -> None:
    desk = budgeted(
        BudgetRule(id="fast", level="mission", limits=Limits(wall_time_ms=5_000)),
    )
    desk.begin("m_1")
    change(desk, "m_1", timeout_ms=50_000)
    desk.wait(40)
    assert desk.said("timeout_enforced") == []
    desk.wait(30)
    assert [one["timeout_ms"] for one in desk.said("timeout_enforced")] == [50_000]


def test_more_retries_and_more_attempts_at_once() -> None:
    desk = Desk()
    desk.begin("m_1", "p_1", "j_1", budget=Budget(max_retries=0, max_parallel=1))
    for number in range(3):
        desk.begin("m_1", "p_1", "j_1", f"a_{number}")
    kinds = [one["violation_type"] for one in desk.said("budget_violation")]
    assert kinds == ["retries", "parallel"]
    change(desk, "m_1", "p_1", "j_1", max_retries=2, max_parallel=3)
    for number in range(3):
        desk.wait(1)
        desk.end("m_1", "p_1", "j_1", f"a_{number}")
    assert len(desk.said("budget_violation")) == 2
    desk.begin("m_1", "p_1", "j_1", "a_4")
    broken = desk.said("budget_violation")[2:]
    assert [(one["violation_type"], one["limit"]) for one in broken] == [("retries", 2)]
    assert desk.said("retry_exhausted")[1] == {
        "max_retries": 2, "retries": 3, "code": "NR-E003",
    }  # fmt: skip


def test_a_burn_rate_looks_at_the_limit_that_holds() -> None:
    rule = ReflexRule(
        id="burning",
        trigger=BurnRate(level="mission", kind="cost", lookback_ms=60_000),
    )
    desk = budgeted(cost_rule(10), reflexes=(rule,))
    desk.begin("m_1", budget=Budget(timeout_ms=1_000_000))
    change(desk, "m_1", max_cost_usd_pico=1_000 * CENT)
    desk.wait(10)
    desk.call(*IDS, cost=9 * CENT)
    assert desk.said("trigger_activated") == []


# ── refused, repeated, remembered ────────────────────────────────────────────────────────────


@pytest.mark.parametrize("transition", ["succeed", "cancel"])
def test_what_has_ended_keeps_its_budget(transition: str) -> None:
    desk = Desk()
    desk.begin("m_1", budget=Budget(max_tokens=5))
    desk.end("m_1", transition=transition)
    (refused,) = change(desk, "m_1", max_tokens=50)
    assert refused.type == "budget_change_refused"
    assert (refused.data["refusal"], refused.data["code"]) == ("ended", "NR-E301")
    assert refused.data["reason"].endswith("for ever")
    assert desk.state.entity("m_1").budget.max_tokens == 5


def test_what_is_not_known_has_no_budget() -> None:
    desk = Desk()
    (refused,) = change(desk, "m_9", max_tokens=50)
    assert (refused.data["refusal"], refused.data["code"]) == ("unknown", None)
    assert desk.state.entity("m_9") is None


def test_sent_again_under_its_key_nothing_is_changed() -> None:
    desk = Desk()
    desk.begin("m_1")
    change(desk, "m_1", key="k", max_tokens=5)
    change(desk, "m_1", max_tokens=7)
    (repeated,) = change(desk, "m_1", key="k", max_tokens=5)
    assert (repeated.type, repeated.data["entity_id"]) == ("write_repeated", "m_1")
    assert desk.state.entity("m_1").budget.max_tokens == 7


def test_it_is_known_long_after_the_end() -> None:
    policy = manifest(budgets=Budgets(defaults=(cost_rule(10),)))
    desk = Desk(policy, entities_in_memory=1)
    desk.begin("m_1")
    change(desk, "m_1", max_cost_usd_pico=50 * CENT)
    desk.end("m_1")
    for number in range(2, 6):
        desk.begin(f"m_{number}")
    desk.call(*IDS, cost=40 * CENT)
    assert desk.said("budget_violation") == []


def test_agents_are_told_while_the_entity_is_open() -> None:
    desk = Desk()
    for mission in ("m_1", "m_2"):
        desk.begin(mission)
    change(desk, "m_1", max_tokens=5)
    change(desk, "m_2", max_tokens=6)
    change(desk, "m_1", max_tokens=7, max_retries=1)
    told = list(desk.state.kept.of(CHANGED, "default"))
    assert told == [
        ("m_2", {"max_tokens": 6}), ("m_1", {"max_tokens": 7, "max_retries": 1}),
    ]  # fmt: skip
    desk.end("m_1")
    assert [name for name, _ in desk.state.kept.of(CHANGED, "default")] == ["m_2"]


def test_a_name_that_begins_alike_is_another_entity() -> None:
    desk = Desk()
    for mission in ("m_1", "m_11"):
        desk.begin(mission, budget=Budget(max_tokens=1))
        desk.call(mission, f"p{mission[1:]}", f"j{mission[1:]}", f"a{mission[1:]}", tokens=5)
    change(desk, "m_1", max_tokens=50)
    desk.state.tenant = "default"
    assert [one.id for one in active(desk.state)] == ["budget:m_11:tokens:"]


def test_what_is_over_another_of_its_limits_stays_over() -> None:
    desk = Desk()
    desk.begin("m_1", budget=Budget(max_tokens=1, max_cost_usd_pico=CENT))
    desk.call(*IDS, tokens=5, cost=2 * CENT)
    change(desk, "m_1", max_tokens=50)
    assert over(desk)
    assert stops(desk) == ["budget:m_1:cost:"]
